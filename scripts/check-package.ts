/**
 * Builds and packs the package in a directory of its own, lints what would be published, imports each of its entry
 * points from there, and goes through a user's first steps: a user has neither the sources nor the export condition of
 * this repository.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageStory } from './package-story.ts';

const root = join(import.meta.dirname, '..');
const stage = mkdtempSync(join(tmpdir(), 'holdfast-package-'));
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);

function run(command: string, args: readonly string[], cwd = root): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function pack(): string {
  const source = join(stage, 'source');
  mkdirSync(source);
  for (const file of ['package.json', 'bin', 'README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md']) {
    if (existsSync(join(root, file))) cpSync(join(root, file), join(source, file), { recursive: true });
  }
  run(bin('tsc'), ['-p', 'tsconfig.build.json', '--outDir', join(source, 'dist')]);
  run('npm', ['pack', '--ignore-scripts', '--loglevel=error', '--pack-destination', stage], source);
  return join(stage, readdirSync(stage).find((file) => file.endsWith('.tgz')) ?? '');
}

/** Unpacks the tarball beside its dependencies, as an installation would, loads what it exports and runs its program. */
async function useAll(tarball: string): Promise<void> {
  const modules = join(stage, 'user', 'node_modules');
  const installed = join(modules, 'holdfast');
  mkdirSync(installed, { recursive: true });
  run('tar', ['-xzf', tarball, '--strip-components=1', '-C', installed]);
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
    exports: Record<string, unknown>;
  };
  for (const name of Object.keys(manifest.dependencies)) {
    mkdirSync(join(modules, name, '..'), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  const entries = Object.keys(manifest.exports).filter((path) => !path.endsWith('.json'));
  const script = entries.map((path) => `await import('${path.replace('.', 'holdfast')}');`).join('\n');
  run(process.execPath, ['--input-type=module', '--eval', script], join(stage, 'user'));
  run(process.execPath, [join(installed, 'bin', 'holdfast.js'), '--help'], join(stage, 'user'));
  await packageStory(join(stage, 'user'));
}

async function main(): Promise<void> {
  const tarball = pack();
  run(bin('publint'), [tarball, '--strict']);
  run(bin('attw'), [tarball, '--profile', 'esm-only', '--no-emoji']);
  await useAll(tarball);
}

try {
  await main();
} catch (error) {
  const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
  console.error(`${stdout}${stderr}` || message);
  process.exitCode = 1;
} finally {
  rmSync(stage, { recursive: true, force: true });
}
