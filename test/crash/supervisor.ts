/**
 * Starts the program, tells it where to fail, and sees how it ends. Children die with the test: they end when the
 * channel to it closes, and every one still alive is killed by its pid when the test process exits.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Arm, Failpoint, ProgramOptions, Told } from './wire.ts';

const CACHE = mkdtempSync(join(tmpdir(), 'holdfast-cache-'));
/** No promises: what takes longer hangs, also on a machine on which everything takes ten times as long. */
const READY_DEADLINE_MS = 60_000;
const EXIT_DEADLINE_MS = 60_000;
const STDERR_KEPT = 16_384;

const alive = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of alive) killNow(child.pid);
  rmSync(CACHE, { recursive: true, force: true });
});

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export type StartOptions = Pick<ProgramOptions, 'directory' | 'log'> &
  Partial<ProgramOptions> & {
    /** What to put before the program: strace and its arguments. */
    readonly under?: readonly string[];
    /** File of the program. Default: the one with handlers. */
    readonly program?: string;
  };

export class GatewayProcess {
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #startedAt = performance.now();
  #told: Told | null = null;
  #stderr = '';
  #readyMs = 0;

  /** Starts it; `ready` tells when it serves. */
  constructor({ under = [], program = 'program.ts', ...given }: StartOptions) {
    const options: ProgramOptions = {
      run: 1,
      port: 0,
      durability: 'FULL',
      diskReserveBytes: 0,
      controls: [],
      failpoint: null,
      storePoint: false,
      receiver: '',
      ...given,
    };
    const file = join(import.meta.dirname, program);
    const command = [...under, process.execPath, '--conditions=holdfast-source', file, JSON.stringify(options)];
    this.#child = spawn(command[0] ?? '', command.slice(1), {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, NODE_COMPILE_CACHE: CACHE },
    });
    alive.add(this.#child);
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-STDERR_KEPT);
    });
    this.#child.on('message', (told: Told) => {
      if (told.kind === 'armed') return;
      this.#told ??= told;
      this.#readyMs ||= performance.now() - this.#startedAt;
    });
    // `close`: its standard error is read to the end, too.
    this.exited = once(this.#child, 'close').then(([code, signal]) => {
      alive.delete(this.#child);
      return { code: code as number | null, signal: signal as NodeJS.Signals | null };
    });
  }

  /** Milliseconds from the start of the process until it served. */
  get readyMs(): number {
    return this.#readyMs;
  }

  get stopped(): boolean {
    return !alive.has(this.#child);
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Where it serves; throws with its last words when it ended instead. */
  async ready(): Promise<Extract<Told, { kind: 'ready' }>> {
    if (this.#told === null) {
      const message = new Promise((resolve) => this.#child.once('message', resolve));
      await withDeadline(Promise.race([message, this.exited]), READY_DEADLINE_MS, 'the gateway to be ready');
    }
    const told = this.#told;
    if (told?.kind === 'ready') return told;
    throw new Error(`The gateway did not start. ${told?.kind === 'refused' ? told.message : ''}\n${this.#stderr}`);
  }

  /** From when this resolves the failpoint counts its hits. */
  async arm(failpoint: Failpoint): Promise<void> {
    const armed = once(this.#child, 'message');
    const message: Arm = { kind: 'arm', failpoint };
    this.#child.send(message);
    await withDeadline(armed, READY_DEADLINE_MS, 'the failpoint to be armed');
  }

  /** Sends a signal to the program itself, whatever it runs under. */
  signal(signal: NodeJS.Signals): void {
    const pid = this.#told?.kind === 'ready' ? this.#told.pid : this.#child.pid;
    if (pid !== undefined && alive.has(this.#child)) process.kill(pid, signal);
  }

  /** SIGKILL, now; resolves when it has gone. Safe when it has already. */
  async kill(): Promise<Exit> {
    if (alive.has(this.#child)) {
      killNow(this.#told?.kind === 'ready' ? this.#told.pid : undefined);
      killNow(this.#child.pid);
    }
    return this.ended();
  }

  /** Resolves when it has ended by itself, for whatever reason. */
  ended(): Promise<Exit> {
    return withDeadline(this.exited, EXIT_DEADLINE_MS, 'the gateway to end');
  }

  /** SIGTERM, and its graceful end. */
  stop(): Promise<Exit> {
    this.signal('SIGTERM');
    return this.ended();
  }
}

function killNow(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has gone.
  }
}

/** The promise, or an error that says what was waited for. */
export async function withDeadline<Value>(promise: Promise<Value>, deadlineMs: number, what: string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${deadlineMs} ms for ${what}.`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
