/** Gateways as processes on one store, and a receiver that sees what they do together. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Asked, Told, WorkerOptions } from './wire.ts';

const alive = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

export class Worker {
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #told: Told[] = [];
  #waiting: (() => void) | null = null;
  #hasEnded = false;

  constructor(options: WorkerOptions) {
    this.#child = fork(join(import.meta.dirname, 'worker.ts'), [JSON.stringify(options)], {
      execArgv: ['--conditions=holdfast-source'],
    });
    alive.add(this.#child);
    this.#child.on('message', (told: Told) => {
      this.#told.push(told);
      this.#waiting?.();
    });
    this.exited = once(this.#child, 'exit').then(([code]) => {
      alive.delete(this.#child);
      this.#hasEnded = true;
      this.#waiting?.();
      return code as number | null;
    });
  }

  static async start(options: WorkerOptions): Promise<Worker> {
    const worker = new Worker(options);
    await worker.ready();
    return worker;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async ready(): Promise<void> {
    await this.#next();
  }

  async emit(type: string, count: number): Promise<void> {
    this.#ask({ kind: 'emit', type, count });
    await this.#next();
  }

  async get<Body>(path: string): Promise<Body> {
    this.#ask({ kind: 'get', path });
    const told = await this.#next();
    if (told.kind !== 'got') throw new Error(`It told ${told.kind}.`);
    return told.body as Body;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it, and waits until it has ended. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (this.#hasEnded) return;
    this.#child.kill(signal);
    await this.exited;
  }

  #ask(asked: Asked): void {
    this.#child.send(asked);
  }

  async #next(): Promise<Told> {
    for (;;) {
      const told = this.#told.shift();
      if (told !== undefined) return told;
      if (this.#hasEnded) throw new Error('The process has ended.');
      await new Promise<void>((resolve) => (this.#waiting = resolve));
    }
  }
}

/** What reached one path. */
export interface Seen {
  /** When each request came, in milliseconds. */
  readonly times: number[];
  open: number;
  /** Most at once since it was last looked at. */
  most: number;
}

/** Answers after a while, and counts how much is under way at each path. */
export class Receiver {
  readonly #server: Server;
  readonly #seen = new Map<string, Seen>();
  readonly #holdMs: Readonly<Record<string, number>>;
  #waiting: (() => void)[] = [];
  /** What is answered at each path. */
  readonly statuses = new Map<string, number>();

  private constructor(server: Server, holdMs: Readonly<Record<string, number>>) {
    this.#server = server;
    this.#holdMs = holdMs;
  }

  static async start(holdMs: Readonly<Record<string, number>> = {}): Promise<Receiver> {
    const server = createServer();
    const receiver = new Receiver(server, holdMs);
    server.on('request', (request, response) => {
      request.resume();
      receiver.#take((request.url ?? '/').slice(1), response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  of(path: string): Seen {
    const seen = this.#seen.get(path) ?? { times: [], open: 0, most: 0 };
    this.#seen.set(path, seen);
    return seen;
  }

  /** The most at once since the last look. */
  take(path: string): number {
    const seen = this.of(path);
    const { most } = seen;
    seen.most = seen.open;
    return most;
  }

  /** Resolves when this is so; looked at whenever a request comes. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #take(path: string, response: ServerResponse): void {
    const seen = this.of(path);
    seen.times.push(performance.now());
    seen.open++;
    seen.most = Math.max(seen.most, seen.open);
    // Also when whoever asked has died.
    response.once('close', () => seen.open--);
    setTimeout(() => response.writeHead(this.statuses.get(path) ?? 200).end(), this.#holdMs[path] ?? 0);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Most requests that came within any second. */
export function mostPerSecond(times: readonly number[]): number {
  let most = 0;
  let from = 0;
  for (const [index, time] of times.entries()) {
    while ((times[from] ?? 0) <= time - 1000) from++;
    most = Math.max(most, index - from + 1);
  }
  return most;
}
