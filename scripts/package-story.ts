/**
 * What a user does first with the installed package, from the command line: it starts, takes a signed webhook, has it
 * handled inline, in a thread and in a process, and stops. Every program that is loaded by its file's name is met on the
 * way: the writer's thread, and those of handlers.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SECRET = 'secret-of-this-check';
const DEADLINE_MS = 60_000;
const LOOK_MS = 25;

const files: Readonly<Record<string, string>> = {
  'holdfast.config.mjs': `
    import { hmac } from 'holdfast/verify';
    export default {
      port: 0,
      sources: { shop: { verify: hmac({ header: 'x-signature', secrets: '${SECRET}' }), dedupeKey: 'body.id' } },
      handlers: './handlers.mjs',
    };`,
  'handlers.mjs': `
    import handled from './work.mjs';
    const module = new URL('./work.mjs', import.meta.url);
    export default (gateway) => {
      gateway.handle('inline', { from: 'shop' }, handled);
      gateway.handle('threaded', { from: 'shop', run: 'thread', module });
      gateway.handle('processed', { from: 'shop', run: 'process', module });
    };`,
  'work.mjs': `
    import { writeFileSync } from 'node:fs';
    import { isMainThread } from 'node:worker_threads';
    const where = !isMainThread ? 'thread' : process.send === undefined ? 'inline' : 'process';
    export default async (event) => writeFileSync('handled-in-' + where, event.body.id);`,
};

/** Runs the story in a directory whose `node_modules` holds the package. @throws Error with what was said, when it fails */
export async function packageStory(directory: string): Promise<void> {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const program = join(directory, 'node_modules', 'holdfast', 'bin', 'holdfast.js');
  const { version } = JSON.parse(readFileSync(join(directory, 'node_modules', 'holdfast', 'package.json'), 'utf8')) as {
    version: string;
  };
  const told = execFileSync(process.execPath, [program, '--version'], { encoding: 'utf8' });
  if (!told.includes(version)) throw new Error(`--version says ${told}, the package is ${version}`);

  const gateway = spawn(process.execPath, [program, 'start', '--config', 'holdfast.config.mjs'], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output: Buffer[] = [];
  for (const stream of [gateway.stdout, gateway.stderr]) stream.on('data', (bytes: Buffer) => void output.push(bytes));
  try {
    const runtime = join(directory, 'data', 'holdfast.db.json');
    await until(gateway, () => existsSync(runtime) && readFileSync(runtime, 'utf8').endsWith('\n'));
    const { url } = JSON.parse(readFileSync(runtime, 'utf8')) as { url: string };
    const body = '{"id":"order-1"}';
    const signature = createHmac('sha256', SECRET).update(body).digest('hex');
    const answer = await fetch(`${url}/in/shop`, { method: 'POST', body, headers: { 'x-signature': signature } });
    if (answer.status !== 200) throw new Error(`the webhook was answered ${answer.status}: ${await answer.text()}`);
    const marks = ['handled-in-inline', 'handled-in-process', 'handled-in-thread'];
    await until(gateway, () => marks.every((mark) => readdirSync(directory).includes(mark)));
    gateway.kill('SIGTERM');
    await until(null, () => gateway.exitCode !== null || gateway.signalCode !== null);
    if (gateway.exitCode !== 0) throw new Error(`it ended with ${gateway.exitCode ?? gateway.signalCode}`);
  } catch (error) {
    throw new Error(`${String(error)}\n${Buffer.concat(output).toString()}`, { cause: error });
  } finally {
    if (gateway.exitCode === null && gateway.signalCode === null) {
      gateway.kill('SIGKILL');
      await once(gateway, 'exit');
    }
  }
}

/** Looks again and again until something holds, at most until the deadline, or the end of the program. */
async function until(program: ChildProcess | null, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!holds()) {
    if (program !== null && program.exitCode !== null) throw new Error(`it ended with ${program.exitCode}`);
    if (Date.now() > deadline) throw new Error('waited too long');
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
