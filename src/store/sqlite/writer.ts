/** The writer: runs scripts one after the other, on the event loop or in a thread of its own. */
import { Worker } from 'node:worker_threads';
import { StoreError } from '../store.ts';
import type { DatabaseSync } from 'node:sqlite';
import type { Synchronous } from './connection.ts';
import { Executor, ScriptError } from './executor.ts';
import { isUnsealed, type Script, type ScriptFailure, type ScriptResult } from './script.ts';

export interface Writer {
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
}

/** Runs on the event loop: every commit stops it for as long as the disk takes. */
export class InlineWriter implements Writer {
  readonly #executor: Executor;

  constructor(database: DatabaseSync) {
    this.#executor = new Executor(database);
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

/** Runs in a thread: one message each way per script, blobs are handed over and not copied. */
export class ThreadWriter implements Writer {
  readonly #thread: ThreadLine;

  constructor(data: ThreadData) {
    this.#thread = new ThreadLine(data);
  }

  async run(script: Script): Promise<ScriptResult> {
    const reply = await this.#thread.ask({ kind: 'run', script }, transferable(script));
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

interface Waiting {
  readonly resolve: (reply: ThreadReply) => void;
  readonly reject: (error: Error) => void;
}

/** A thread that answers requests in their order. Started by its first request; never keeps the process alive idle. */
export class ThreadLine {
  readonly #data: ThreadData;
  readonly #waiting: Waiting[] = [];
  #worker: Worker | null = null;

  constructor(data: ThreadData) {
    this.#data = data;
  }

  ask(request: ThreadRequest, transfer: readonly ArrayBuffer[] = []): Promise<ThreadReply> {
    const worker = (this.#worker ??= this.#start());
    worker.ref();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      worker.postMessage(request, transfer as ArrayBuffer[]);
    });
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === null) return;
    await this.ask({ kind: 'close' });
    this.#worker = null;
    await worker.terminate();
  }

  #start(): Worker {
    // The file beside this one, in the form in which this one is running.
    const file = import.meta.url.endsWith('.ts') ? './writer-thread.ts' : './writer-thread.js';
    const worker = new Worker(new URL(file, import.meta.url), { workerData: this.#data, name: 'holdfast-store' });
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
    const error = new StoreError('fatal', 'The thread of the store failed.', cause);
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }
}

/** The buffers of blobs that were made for this script and are used nowhere else. */
function transferable(script: Script): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = [];
  for (const { params } of script.steps) {
    for (const param of params) if (isUnsealed(param)) buffers.push(param.raw.buffer as ArrayBuffer);
  }
  return buffers;
}
