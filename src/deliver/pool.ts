/**
 * A small pool of threads or processes that run one handler, one attempt each at a time: so a child that dies harms
 * only the attempt it ran. Children are started when they are needed, kept warm between `min` and `max`, killed when
 * their code does not end after an abort, and replaced.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { type Observer, silentObserver } from '../core/observer.ts';
import { cutText, describeError, TIMEOUT } from './outcomes.ts';
import { PoolAttempt } from './pool-attempt.ts';
import { Slot, type SlotOwner, type Spawn } from './pool-slot.ts';
import type { Attempt, Attempted, Runner } from './runner.ts';

/** How a handler runs in a thread or process of its own. */
export interface IsolatedOptions {
  /**
   * The module with the handler: its default export, or its export `handle` (`handleBatch` for batches). Everything it
   * needs it imports itself; what it returns must be plain data.
   */
  readonly module: URL;
  /** Name of the destination, for what people read. */
  readonly name: string;
  /** Whether the module handles batches. Default `false`. */
  readonly batch?: boolean;
  /** Children kept warm, and most at once: the destination's concurrency. Default 1 and 1. */
  readonly concurrency?: { readonly min: number; readonly max: number };
  /**
   * Most bytes of JavaScript heap of one child. In a thread it does not cover buffers, and code that allocates fast
   * enough can still take the process with it: where that matters, use a process. Default: Node's own limit.
   */
  readonly memoryBytesMax?: number;
  /** Milliseconds that aborted code has to end before it is killed, and an ending child to exit. Default 1000. */
  readonly graceMs?: number;
  /** Milliseconds after which an idle child above `min` is ended. Default 30 s. */
  readonly idleMs?: number;
  /** Milliseconds a module has to load. Default 30 s. */
  readonly loadMs?: number;
  /** Real time, also where the rest of the gateway has a test clock: what it waits for happens outside. */
  readonly clock: Clock;
  /** Told of children that die while nothing runs in them. Default: nobody. */
  readonly observer?: Observer;
}

/** A runner whose code is elsewhere. */
export interface IsolatedRunner extends Runner {
  /** Starts `min` children now, not at the first attempt. Resolves with `null`, or with why the module cannot be loaded. */
  warm(): Promise<string | null>;
}

const RESPAWN_MS = 100;
const RESPAWN_MS_MAX = 10_000;

export class Pool implements IsolatedRunner, SlotOwner {
  readonly isolation: 'thread' | 'process';
  readonly clock: Clock;
  readonly graceMs: number;
  readonly loadMs: number;
  readonly #options: IsolatedOptions;
  readonly #spawn: Spawn;
  readonly #min: number;
  readonly #max: number;
  readonly #slots = new Set<Slot>();
  /** Idle slots, the one used last at the end: the others may be ended. */
  #idle: Slot[] = [];
  #queue: PoolAttempt[] = [];
  #nextId = 1;
  #warm = false;
  #warmed: ((problem: string | null) => void)[] = [];
  /** Deaths in a row of children that had completed nothing. */
  #deaths = 0;
  #backoff: Timer | null = null;
  #closed: PromiseWithResolvers<void> | null = null;

  constructor(isolation: 'thread' | 'process', options: IsolatedOptions, spawn: Spawn) {
    this.isolation = isolation;
    this.clock = options.clock;
    this.graceMs = options.graceMs ?? 1000;
    this.loadMs = options.loadMs ?? 30_000;
    this.#options = options;
    this.#spawn = spawn;
    this.#min = options.concurrency?.min ?? 1;
    this.#max = Math.max(1, options.concurrency?.max ?? 1);
  }

  /** Children that exist now. */
  get size(): number {
    return this.#slots.size;
  }

  run(attempt: Attempt): Promise<Attempted> {
    const one = new PoolAttempt(attempt, this.#nextId++, (aborted) => this.#aborted(aborted));
    if (this.#closed !== null) one.endWith({ kind: 'unavailable', reason: 'the gateway is stopping' });
    else if (attempt.signal.aborted) one.endWith(TIMEOUT);
    else {
      this.#warm = true;
      this.#queue.push(one);
      this.#fill();
    }
    return one.attempted;
  }

  warm(): Promise<string | null> {
    if (this.#closed !== null || this.#readyCount() >= this.#min) return Promise.resolve(null);
    const { promise, resolve } = Promise.withResolvers<string | null>();
    this.#warmed.push(resolve);
    this.#warm = true;
    this.#fill();
    return promise;
  }

  close(): Promise<void> {
    if (this.#closed !== null) return this.#closed.promise;
    this.#closed = Promise.withResolvers();
    this.#backoff?.cancel();
    this.#answerWarm(null);
    for (const one of this.#queue.splice(0)) one.endWith(TIMEOUT);
    for (const slot of this.#slots) {
      slot.runs?.endWith(TIMEOUT);
      if (slot.state === 'idle') slot.end();
      else if (slot.state !== 'ending') slot.kill();
    }
    if (this.#slots.size === 0) this.#closed.resolve();
    return this.#closed.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // --------------------------------------------------------------------------------- what happens to the slots

  ready(slot: Slot): void {
    this.#rests(slot);
    if (this.#readyCount() >= this.#min) this.#answerWarm(null);
  }

  done(slot: Slot): void {
    this.#deaths = 0;
    this.#rests(slot);
  }

  exited(slot: Slot, how: Parameters<SlotOwner['exited']>[1]): void {
    const reason = cutText(how.reason);
    this.#slots.delete(slot);
    this.#idle = this.#idle.filter((idle) => idle !== slot);
    how.ran?.endWith({ kind: 'crashed', error: reason });
    if (this.#closed !== null) {
      if (this.#slots.size === 0) this.#closed.resolve();
      return;
    }
    if (how.during === 'loading' || how.during === 'idle') this.#died(reason, how.during);
    this.#fill();
  }

  note(text: string): void {
    const { observer = silentObserver, name } = this.#options;
    observer.note('warn', `the ${this.isolation} of ${name} ${text}`, { destination: name });
  }

  // ------------------------------------------------------------------------------------------------- inside

  #rests(slot: Slot): void {
    this.#idle.push(slot);
    slot.whenIdle(this.#options.idleMs ?? 30_000, () => this.#idled(slot));
    this.#fill();
  }

  #idled(slot: Slot): void {
    let staying = 0;
    for (const { state } of this.#slots) if (state !== 'ending') staying++;
    if (staying <= this.#min) return;
    this.#idle = this.#idle.filter((idle) => idle !== slot);
    slot.end();
  }

  /** Hands attempts to idle children, and starts as many children as are short. */
  #fill(): void {
    while (this.#queue.length > 0 && this.#idle.length > 0) this.#handOver();
    if (this.#closed !== null || this.#backoff !== null) return;
    while (this.#slots.size < this.#max && this.#isShort() && this.#start());
  }

  #handOver(): void {
    const slot = this.#idle.pop();
    const one = this.#queue.shift();
    if (slot !== undefined && one !== undefined) slot.begin(one);
  }

  #isShort(): boolean {
    if (this.#warm && this.#slots.size < this.#min) return true;
    let loading = 0;
    for (const slot of this.#slots) if (slot.state === 'loading') loading++;
    return this.#queue.length > loading;
  }

  #start(): boolean {
    try {
      this.#slots.add(new Slot(this, this.#spawn));
      return true;
    } catch (error) {
      this.#died(describeError(error), 'loading');
      return false;
    }
  }

  /**
   * A child died that ran nothing: the next one is started after a while. If no other works, one attempt has waited for
   * just this child: it crashed. Those behind it wait for the next, within their timeouts.
   */
  #died(reason: string, during: 'loading' | 'idle'): void {
    const delayMs = Math.min(RESPAWN_MS_MAX, RESPAWN_MS * 2 ** this.#deaths++);
    this.note(`${during === 'loading' ? 'could not load its module' : 'died while idle'}: ${reason}`);
    this.#backoff ??= this.clock.schedule(delayMs, () => {
      this.#backoff = null;
      this.#fill();
    });
    if (during === 'idle') return;
    this.#answerWarm(reason);
    if (this.#readyCount() === 0) this.#queue.shift()?.endWith({ kind: 'crashed', error: reason });
  }

  #aborted(one: PoolAttempt): void {
    this.#queue = this.#queue.filter((queued) => queued !== one);
    for (const slot of this.#slots) {
      if (slot.runs === one) slot.abort();
    }
  }

  #readyCount(): number {
    let ready = 0;
    for (const slot of this.#slots) if (slot.state === 'idle' || slot.state === 'busy') ready++;
    return ready;
  }

  #answerWarm(problem: string | null): void {
    for (const resolve of this.#warmed.splice(0)) resolve(problem);
  }
}
