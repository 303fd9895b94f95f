import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

interface Manifest {
  readonly engines: { readonly node: string };
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
}
interface LockEntry {
  readonly optionalDependencies?: Record<string, string>;
}

const root = join(import.meta.dirname, '..');
const read = (...path: string[]): string => readFileSync(join(root, ...path), 'utf8');
const manifest = JSON.parse(read('package.json')) as Manifest;

describe('bin/holdfast.js', () => {
  const bin = join(root, 'bin', 'holdfast.js');

  /** Runs the program as if Node were of another version. */
  function runOn(version: string): { status: number | null; stderr: string } {
    const pretend = `Object.defineProperty(process.versions, 'node', { value: '${version}' });`;
    const preload = `data:text/javascript,${encodeURIComponent(pretend)}`;
    return spawnSync(process.execPath, ['--import', preload, bin, '--version'], { encoding: 'utf8' });
  }

  for (const version of ['12.22.12', '20.20.2', '22.22.2', '23.11.1', '24.14.9']) {
    test(`refuses Node ${version} with one line that says the way out`, () => {
      const { status, stderr } = runOn(version);
      assert.equal(status, 1);
      assert.match(stderr, /^holdfast needs Node .*npx --package=node@24 --package=holdfast holdfast.*\n$/);
      assert.ok(stderr.includes(`this is ${version}`));
    });
  }

  for (const version of ['22.22.3', '22.23.0', '24.15.0', '26.0.0']) {
    test(`accepts Node ${version}`, () => {
      assert.doesNotMatch(runOn(version).stderr, /needs Node/);
    });
  }

  test('names the range that package.json names', () => {
    assert.ok(read('bin', 'holdfast.js').includes(manifest.engines.node.replace('||', 'or')));
  });

  test('uses only syntax that Node 12 reads', () => {
    assert.doesNotMatch(read('bin', 'holdfast.js'), /^import\s|^export\s|^await\s|\?\.\w|\?\?|\|\|=|#\w+\s*[=(]/m);
  });
});

describe('dependencies', () => {
  const names = Object.keys(manifest.dependencies);

  test('there are at most ten at run time', () => {
    assert.ok(names.length <= 10, names.join(', '));
  });

  test('each has its line of reason in docs/decisions', () => {
    const folder = join(root, 'docs', 'decisions');
    const decisions = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'));
    for (const name of names) {
      const line = new RegExp(`^.*\`${name}\`.*\\w.*$`, 'm');
      assert.ok(
        decisions.some((text) => line.test(text)),
        `docs/decisions has no line about ${name}`,
      );
    }
  });

  test('every version is pinned', () => {
    for (const [name, range] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      assert.match(range, /^\d+\.\d+\.\d+$/, name);
    }
  });
});

describe('package-lock.json', () => {
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockEntry> };

  test('names no place to download from', () => {
    assert.doesNotMatch(read('package-lock.json'), /"resolved"/);
  });

  // npm leaves out what it could not fetch for another platform, and `npm ci` then refuses the whole lock file.
  test('has an entry for the packages of every platform', () => {
    const missing = Object.entries(packages).flatMap(([path, entry]) =>
      Object.keys(entry.optionalDependencies ?? {}).filter(
        (name) => !(`node_modules/${name}` in packages || `${path}/node_modules/${name}` in packages),
      ),
    );
    assert.deepEqual(missing, []);
  });
});
