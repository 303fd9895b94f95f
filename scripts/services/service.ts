/**
 * A server that a test or a bench needs, started as a child process on a free port of the loopback with its data in a
 * folder of its own. One file a server beside this one says how it is found, installed and asked whether it is ready.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** How one server is run. */
export interface ServiceProgram {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Runs as this user (root may not run PostgreSQL). */
  readonly uid?: number;
  readonly gid?: number;
  /** What a client connects to. */
  readonly url: string;
  /** Whether it takes work now; asked every 50 ms until it says so. */
  ready(): Promise<boolean>;
}

const READY_MS_MAX = 30_000;
const LOOK_MS = 50;
const OUTPUT_CHARACTERS_MAX = 4000;

/** A server under test: it can be stopped, killed, paused and started again on the same port with the same data. */
export class Service {
  readonly #program: ServiceProgram;
  #child: ChildProcess | null = null;
  #output = '';

  constructor(program: ServiceProgram) {
    this.#program = program;
  }

  get name(): string {
    return this.#program.name;
  }

  get url(): string {
    return this.#program.url;
  }

  /** @throws Error when it does not run */
  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.name} does not run.`);
    return pid;
  }

  /** Starts it and waits until it is ready. @throws Error with its last output when it ends or is not ready in 30 s */
  async start(): Promise<void> {
    const { command, args, env, uid, gid } = this.#program;
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    });
    this.#child = child;
    this.#output = '';
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_CHARACTERS_MAX);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.once('error', (error) => keep(Buffer.from(String(error))));
    const until = Date.now() + READY_MS_MAX;
    while (!(await this.#program.ready().catch(() => false))) {
      if (child.exitCode !== null || child.pid === undefined || Date.now() > until) {
        await this.kill();
        throw new Error(`${this.name} did not start: ${this.#output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Asks it to end (SIGTERM) and waits. Safe twice. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  /** SIGKILL. What it had not flushed is the page cache's. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
}

/** The service, once it is ready. */
export async function started(service: Service): Promise<Service> {
  await service.start();
  return service;
}

/** Below those that a system gives to connections by itself: one of theirs would hold the port of a server that restarts. */
const PORTS = { from: 15_000, to: 32_000 };
const PORT_TRIES_MAX = 100;

/** A port nobody listens on now. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORT_TRIES_MAX; tries++) {
    const port = randomInt(PORTS.from, PORTS.to);
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
  throw new Error('No port is free.');
}
