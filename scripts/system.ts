/**
 * Runs one of the systems in examples/systems until Ctrl-C: the servers it needs, then its programs, their output named.
 *
 *   npm run system                    the systems there are
 *   npm run system order-desk
 *
 * A system says what it needs in its `system.ts`. Servers are started as `npm run services` starts them; set a variable
 * of theirs (DATABASE_URL and its like) to use one of your own instead.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { kinds, startAll } from './services/all.ts';

/** What `examples/systems/NAME/system.ts` exports as its default. */
export interface System {
  /** One line, shown in the list. */
  readonly about: string;
  /** Kinds of servers (`postgres`, `mongodb`, `redis`, `nats`, `sqs`), each with the variable that its URL is given in. */
  readonly services: Readonly<Record<string, string>>;
  /** Programs of its folder, in the order they are started; a name twice is two processes. */
  readonly programs: readonly string[];
  /** What else they are given, made from the URLs by variable. */
  env?(urls: Readonly<Record<string, string>>): Readonly<Record<string, string>>;
  /** What to look at, printed once all has started. */
  readonly look: string;
}

const SYSTEMS = join(import.meta.dirname, '..', 'examples', 'systems');
const GRACE_MS = 15_000;

async function systemOf(name: string): Promise<System> {
  const module = (await import(join(SYSTEMS, name, 'system.ts'))) as { readonly default: System };
  return module.default;
}

function names(): readonly string[] {
  return readdirSync(SYSTEMS).filter((name) => existsSync(join(SYSTEMS, name, 'system.ts')));
}

async function list(): Promise<void> {
  for (const name of names()) console.log(`${name.padEnd(14)} ${(await systemOf(name)).about}`);
}

/** The URLs of what the system needs: the user's own, else of servers started here. @throws Error naming what is missing */
async function serve(
  { services }: System,
  directory: string,
): Promise<{ readonly urls: Record<string, string>; stop(): Promise<void> }> {
  const urls: Record<string, string> = {};
  const wanted = kinds.filter(({ name }) => services[name] !== undefined && process.env[services[name]] === undefined);
  const missing = wanted.filter((kind) => !kind.met());
  if (missing.length > 0) {
    throw new Error(missing.map(({ what, command }) => `needs ${what}: ${command}`).join('\n'));
  }
  const started = await startAll(wanted, directory);
  for (const { name, url } of started) urls[services[name] ?? name] = url;
  for (const variable of Object.values(services)) urls[variable] ??= process.env[variable] ?? '';
  return { urls, stop: async () => void (await Promise.all(started.map((service) => service.stop()))) };
}

function run(name: string, program: string, env: Readonly<Record<string, string>>): ChildProcess {
  const child = spawn(process.execPath, ['--conditions=holdfast-source', join(SYSTEMS, name, program)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => console.log(`${program.padEnd(12)} ${line}`));
  }
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const killing = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  await exited;
  clearTimeout(killing);
}

async function main(name: string | undefined): Promise<void> {
  if (name === undefined || !names().includes(name)) {
    if (name !== undefined) console.error(`There is no system '${name}'.`);
    process.exitCode = name === undefined ? 0 : 1;
    return list();
  }
  const system = await systemOf(name);
  const directory = mkdtempSync(join(tmpdir(), `holdfast-${name}-`));
  const asked = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const served = await serve(system, directory);
  const children: ChildProcess[] = [];
  try {
    const env = { ...served.urls, ...system.env?.(served.urls) };
    for (const program of system.programs) children.push(run(name, program, { DATA_DIRECTORY: directory, ...env }));
    console.log(`${system.look}\nCtrl-C stops it.`);
    await Promise.race([asked, ...children.map((child) => once(child, 'exit'))]);
  } finally {
    await Promise.all(children.map((child) => end(child)));
    await served.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

await main(process.argv[2]);
