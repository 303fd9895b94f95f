/** Several gateways and workers as real processes on one store: they are started, killed, paused and started again. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { LogLine, MemberOptions, Role, Told } from './wire.ts';

const CACHE = mkdtempSync(join(tmpdir(), 'holdfast-cache-'));
process.once('exit', () => rmSync(CACHE, { recursive: true, force: true }));

const READY_MS_MAX = 40_000;
const EXIT_MS_MAX = 20_000;

/** What all processes of a fleet share. */
export type FleetOptions = Pick<
  MemberOptions,
  'store' | 'queue' | 'leaseMs' | 'handlerMs' | 'stopsItself' | 'logLevel'
>;

/** One place in the fleet: a process, and after its death the next. */
export class Member {
  readonly name: string;
  readonly role: Role;
  readonly #fleet: Fleet;
  #child: ChildProcess | null = null;
  #starts = 0;
  #told: Extract<Told, { kind: 'ready' }> | null = null;
  /** What it wrote to its standard error and output. */
  output = '';

  constructor(fleet: Fleet, role: Role, number: number) {
    this.#fleet = fleet;
    this.role = role;
    this.name = `${role}-${number}`;
  }

  /** The name of this start, as handlers log it. */
  get start(): string {
    return `${this.name}.${this.#starts}`;
  }

  /** Where it takes webhooks; `null` while it is down. */
  get ingest(): string | null {
    return this.role === 'worker' ? null : (this.#told?.ingest ?? null);
  }

  get admin(): string | null {
    return this.#told?.admin ?? null;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Starts it and waits until it serves. @throws Error with its last words */
  async launch(): Promise<void> {
    this.#starts++;
    const options = { ...this.#fleet.options, member: this.start, role: this.role, log: this.#fleet.log };
    const child = fork(join(import.meta.dirname, 'program.ts'), [JSON.stringify(options)], {
      execArgv: ['--conditions=holdfast-source'],
      env: { ...process.env, NODE_COMPILE_CACHE: CACHE },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.output = (this.output + chunk.toString()).slice(-8000)));
    }
    child.once('exit', () => {
      if (this.#child === child) this.#told = null;
    });
    const told = await within(Promise.race([once(child, 'message'), once(child, 'exit')]), READY_MS_MAX, this.start);
    const [answer] = told as [Told | number | null];
    if (typeof answer !== 'object' || answer?.kind !== 'ready') {
      throw new Error(`${this.start} did not start: ${JSON.stringify(answer)} ${this.output}`);
    }
    this.#told = answer;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** SIGKILL; resolves when it has gone. */
  async kill(): Promise<void> {
    this.#fleet.killed.add(this.start);
    await this.#end('SIGKILL');
  }

  /** SIGTERM, and its graceful end. @throws Error when it does not end with 0 */
  async stop(): Promise<void> {
    const code = await this.#end('SIGTERM');
    if (code !== null && code !== 0) throw new Error(`${this.start} ended with ${code}: ${this.output}`);
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    this.#child = null;
    this.#told = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = once(child, 'exit');
    child.kill(signal);
    const [code] = (await within(exited, EXIT_MS_MAX, `${this.start} to end`)) as [number | null];
    return code;
  }
}

export class Fleet {
  readonly options: FleetOptions;
  readonly log: string;
  readonly gateways: readonly Member[];
  readonly workers: readonly Member[];
  /** The starts that were killed. */
  readonly killed = new Set<string>();
  readonly #home = mkdtempSync(join(tmpdir(), 'holdfast-fleet-'));

  private constructor(options: FleetOptions, size: { readonly gateways: number; readonly workers: number }) {
    this.options = options;
    this.log = join(this.#home, 'handlers.log');
    appendFileSync(this.log, '');
    const some = (role: Role, count: number): Member[] =>
      Array.from({ length: count }, (_, index) => new Member(this, role, index + 1));
    this.gateways = some('gateway', size.gateways);
    this.workers = some('worker', size.workers);
  }

  /** All of them, once they serve. They end with the test. */
  static async start(
    t: TestContext,
    options: FleetOptions,
    size: { readonly gateways: number; readonly workers: number } = { gateways: 2, workers: 3 },
  ): Promise<Fleet> {
    const fleet = new Fleet(options, size);
    t.after(() => fleet.#dispose());
    // The first makes the tables; the others find them.
    const [first, ...others] = fleet.members;
    await first?.launch();
    await Promise.all(others.map((member) => member.launch()));
    return fleet;
  }

  get members(): readonly Member[] {
    return [...this.gateways, ...this.workers];
  }

  /** The handlers' log, in the order in which it was written. A line that was cut by the end of its process is none. */
  lines(): readonly LogLine[] {
    const lines = readFileSync(this.log, 'utf8').split('\n');
    return lines.slice(0, -1).flatMap((line) => (line.endsWith('}') ? [JSON.parse(line) as LogLine] : []));
  }

  /** SIGTERM to all: each must end well. */
  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
  }

  async #dispose(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill().catch(() => undefined)));
    rmSync(this.#home, { recursive: true, force: true });
  }
}

/** Looks until it holds, or so long; what has to hold then is the test's to say. */
export async function until(holds: () => boolean, mostMs: number): Promise<void> {
  const deadline = performance.now() + mostMs;
  while (!holds() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 100));
}

/** The promise, or an error that says what was waited for. */
export async function within<Value>(promise: Promise<Value>, mostMs: number, what: string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${mostMs} ms for ${what}.`)), mostMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
