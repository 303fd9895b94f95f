/** Runs every `check:*` script of package.json at once, and says which failed. What CI runs. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Step {
  readonly name: string;
  readonly passed: boolean;
}

const root = join(import.meta.dirname, '..');
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

function run(name: string, command: string): Promise<Step> {
  const start = performance.now();
  const bin = join(root, 'node_modules', '.bin');
  const env = { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}`, NO_COLOR: '1' };
  const child = spawn(command, { cwd: root, env, shell: true });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  return new Promise((resolve) => {
    child.once('close', (code) => {
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
      if (code !== 0) console.log(Buffer.concat(output).toString().trimEnd().replaceAll(/^/gm, '    '));
      resolve({ name, passed: code === 0 });
    });
  });
}

const steps = Object.entries(scripts).filter(([name]) => name.startsWith('check:'));
const results = await Promise.all(steps.map(([name, command]) => run(name, command)));
const failed = results.filter((step) => !step.passed).map((step) => step.name);
console.log(failed.length === 0 ? 'check: all passed' : `check: FAILED ${failed.join(', ')} (npm run ${failed[0]})`);
process.exitCode = failed.length === 0 ? 0 : 1;
