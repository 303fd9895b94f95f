/** The writer: runs scripts one after the other, on the event loop or in a thread of its own. */
import { Worker } from 'node:worker_threads';
import { StoreError } from '../store.ts';
import type { DatabaseSync } from 'node:sqlite';
import type { Synchronous } from './connection.ts';
import { Executor, ScriptError } from './executor.ts';
import type { Param, Script, ScriptFailure, ScriptResult } from './script.ts';
import { seal, type SealKind } from './sealed.ts';

export interface Writer {
  /** Called before the steps of a transaction are made: there is one at a time. */
  begin(): void;
  /** A blob for a step. `raw` may be used for something else as soon as this returns. */
  blob(kind: SealKind, key: number, raw: Uint8Array): Param;
  /** @throws ScriptError after rolling back */
  run(script: Script): Promise<ScriptResult>;
  rollBack(): Promise<void>;
  close(): Promise<void>;
}

/** What a thread is asked, and what it answers. */
export type ThreadRequest =
  | { readonly kind: 'run'; readonly script: Script }
  | { readonly kind: 'rollBack' }
  | { readonly kind: 'checkpoint' }
  | { readonly kind: 'close' };
export type ThreadReply = { readonly result: ScriptResult } | { readonly failure: ScriptFailure };

export interface ThreadData {
  readonly path: string;
  readonly synchronous: Synchronous;
  /** Blobs of scripts; `null` for a thread that runs none. */
  readonly arena: SharedArrayBuffer | null;
}

/** Runs on the event loop: every commit stops it for as long as the disk takes. */
export class InlineWriter implements Writer {
  readonly #executor: Executor;

  constructor(database: DatabaseSync) {
    this.#executor = new Executor(database);
  }

  begin(): void {}

  blob(kind: SealKind, key: number, raw: Uint8Array): Param {
    const sealed = seal(kind, key, raw);
    return sealed;
  }

  async run(script: Script): Promise<ScriptResult> {
    return this.#executor.run(script);
  }

  async rollBack(): Promise<void> {
    this.#executor.rollBack();
  }

  async close(): Promise<void> {
    this.#executor.close();
  }
}

/** Bytes of blobs that lie in memory shared with the thread; more are sent along. Only what is used is ever touched. */
const ARENA_BYTES = 8 * 1024 * 1024;

/**
 * Runs in a thread: one message each way per script. Blobs go through an arena that is used again with every commit:
 * a fresh buffer for each costs more in page faults and garbage than everything else about the message.
 */
export class ThreadWriter implements Writer {
  readonly #thread: ThreadLine;
  readonly #arena: Uint8Array;
  #used = 0;

  constructor(data: Omit<ThreadData, 'arena'>) {
    const arena = new SharedArrayBuffer(ARENA_BYTES);
    this.#arena = new Uint8Array(arena);
    this.#thread = new ThreadLine({ ...data, arena });
  }

  begin(): void {
    this.#used = 0;
  }

  blob(kind: SealKind, key: number, raw: Uint8Array): Param {
    const { length } = raw;
    if (this.#used + length > ARENA_BYTES) return { kind, key, raw: raw.slice() };
    const at = this.#used;
    this.#arena.set(raw, at);
    this.#used += length;
    return { kind, key, raw: { at, length } };
  }

  async run(script: Script): Promise<ScriptResult> {
    const reply = await this.#thread.ask({ kind: 'run', script });
    if ('failure' in reply) throw new ScriptError(reply.failure);
    return reply.result;
  }

  async rollBack(): Promise<void> {
    const reply = await this.#thread.ask({ kind: 'rollBack' });
    if ('failure' in reply) throw new ScriptError(reply.failure);
  }

  async close(): Promise<void> {
    await this.#thread.close();
  }
}

/** What a thread makes is garbage at once: with the usual young generation it would hold some hundred megabytes of it. */
const YOUNG_MB = 4;

interface Waiting {
  readonly resolve: (reply: ThreadReply) => void;
  readonly reject: (error: Error) => void;
}

/** A thread that answers requests in their order. Started by its first request; never keeps the process alive idle. */
export class ThreadLine {
  readonly #data: ThreadData;
  readonly #waiting: Waiting[] = [];
  #worker: Worker | null = null;
  /** Why there will be no more replies. */
  #failure: StoreError | null = null;

  constructor(data: ThreadData) {
    this.#data = data;
  }

  /** @throws StoreError fatal once the thread has failed */
  async ask(request: ThreadRequest): Promise<ThreadReply> {
    if (this.#failure !== null) throw this.#failure;
    const worker = (this.#worker ??= this.#start());
    return this.#send(worker, request);
  }

  #send(worker: Worker, request: ThreadRequest): Promise<ThreadReply> {
    worker.ref();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      worker.postMessage(request, []);
    });
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === null) return;
    this.#worker = null;
    if (this.#failure === null) await this.#send(worker, { kind: 'close' });
    worker.ref();
    await worker.terminate();
  }

  #start(): Worker {
    // The file beside this one, in the form in which this one is running.
    const file = import.meta.url.endsWith('.ts') ? './writer-thread.ts' : './writer-thread.js';
    const worker = new Worker(new URL(file, import.meta.url), {
      workerData: this.#data,
      name: 'holdfast-store',
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    worker.on('message', (reply: ThreadReply) => {
      this.#waiting.shift()?.resolve(reply);
      if (this.#waiting.length === 0) worker.unref();
    });
    worker.on('error', (error) => this.#fail(error));
    worker.on('exit', () => this.#fail(new Error('The thread of the store ended.')));
    return worker;
  }

  /** Without its thread the store does not know what was written. */
  #fail(cause: unknown): void {
    this.#failure ??= new StoreError('fatal', 'The thread of the store failed.', cause);
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#failure);
  }
}
