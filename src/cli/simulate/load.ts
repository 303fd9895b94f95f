/**
 * Sends many signed requests over kept-alive connections and measures what comes back. `holdfast simulate` is this
 * with a source looked up; load tests use it directly.
 */
import { Pool } from 'undici';
import { setTimeout as wait } from 'node:timers/promises';
import type { UnsignedRequest, Verifier } from '../../verify/verifier.ts';
import { signRequest } from '../../verify/sign.ts';

export interface Load {
  /** `http://127.0.0.1:8420`: scheme, host and port. */
  readonly origin: string;
  /** Signs each request; bound to its secrets. One without `sign` that proves nothing sends requests as they are. */
  readonly verifier: Verifier;
  /** Requests in all, repeats not among them. */
  readonly count: number;
  /** How often each request is sent again, byte for byte and freshly signed. Default 0. */
  readonly repeats?: number;
  /** Requests in flight. Default 10. */
  readonly concurrency?: number;
  /** Requests begun per second, whatever is still unanswered; `null` (default): as fast as answers come. */
  readonly ratePerS?: number | null;
  /** With a rate: so many begin at once. Default 1. */
  readonly burst?: number;
  /** A request without an answer for so long has failed. Default 30 s. */
  readonly timeoutMs?: number;
  /** Stops sending; what is in flight is still awaited. */
  readonly signal?: AbortSignal;
  /** The request number `index`, from 0, before it is signed: its URL a path. */
  make(index: number): UnsignedRequest;
  /** Called for every answer, with its body. */
  answered?(index: number, answer: { readonly status: number; readonly body: Buffer }): void;
}

export interface LoadReport {
  readonly sent: number;
  readonly durationMs: number;
  /** Answers per second. */
  readonly perS: number;
  /** Answers by HTTP status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Requests without an answer, by error code (`ECONNREFUSED`). */
  readonly errors: Readonly<Record<string, number>>;
  /**
   * From when the request was due to the end of its answer. With a rate that is its place in the schedule, so that a
   * gateway that stalls is not flattered by the requests it held up. `null` without any answer.
   */
  readonly latencyMs: Latency | null;
}

export interface Latency {
  readonly average: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Sends the whole load and reports. Rejects only when a request cannot be made or signed. */
export async function sendLoad(load: Load): Promise<LoadReport> {
  const run = new Run(load);
  const { concurrency = 10 } = load;
  const began = performance.now();
  try {
    await Promise.all(Array.from({ length: Math.min(concurrency, run.total) }, () => run.work(began)));
  } finally {
    await run.pool.close();
  }
  return run.report(performance.now() - began);
}

class Run {
  readonly pool: Pool;
  readonly total: number;
  readonly #load: Load;
  readonly #each: number;
  readonly #statuses: Record<string, number> = {};
  readonly #errors: Record<string, number> = {};
  readonly #latencies: Float64Array;
  /** Requests that are sent again: the request, and how often it is still to be sent. */
  readonly #repeated = new Map<number, { readonly request: UnsignedRequest; left: number }>();
  #next = 0;
  #sent = 0;
  #answers = 0;

  constructor(load: Load) {
    const { concurrency = 10, timeoutMs = 30_000 } = load;
    this.#load = load;
    this.#each = 1 + (load.repeats ?? 0);
    this.total = load.count * this.#each;
    this.#latencies = new Float64Array(this.total);
    const timeouts = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs, connect: { timeout: timeoutMs } };
    this.pool = new Pool(load.origin, { connections: concurrency, ...timeouts });
  }

  /** One line of requests, each begun when the one before was answered. */
  async work(began: number): Promise<void> {
    const { signal } = this.#load;
    while (this.#left()) {
      const number = this.#next++;
      const dueMs = this.#dueMs(number);
      if (dueMs !== null && !(await waitUntil(began + dueMs, signal))) return;
      await this.#send(Math.floor(number / this.#each), dueMs === null ? performance.now() : began + dueMs);
    }
  }

  report(durationMs: number): LoadReport {
    return {
      sent: this.#sent,
      durationMs,
      perS: this.#answers / Math.max(0.001, durationMs / 1000),
      statuses: this.#statuses,
      errors: this.#errors,
      latencyMs: latencyOf(this.#latencies.subarray(0, this.#answers)),
    };
  }

  #left(): boolean {
    return this.#next < this.total && this.#load.signal?.aborted !== true;
  }

  #dueMs(number: number): number | null {
    const { ratePerS = null, burst = 1 } = this.#load;
    return ratePerS === null ? null : (Math.floor(number / burst) * burst * 1000) / ratePerS;
  }

  /** A repeat is the same bytes: it is made once, and kept until it was sent for the last time. */
  #make(index: number): UnsignedRequest {
    if (this.#each === 1) return this.#load.make(index);
    const known = this.#repeated.get(index) ?? { request: this.#load.make(index), left: this.#each };
    known.left--;
    if (known.left === 0) this.#repeated.delete(index);
    else this.#repeated.set(index, known);
    return known.request;
  }

  async #send(index: number, dueAt: number): Promise<void> {
    const request = await sign(this.#load.verifier, this.#make(index));
    this.#sent++;
    try {
      const { statusCode, body } = await this.pool.request({
        method: request.method,
        path: request.url,
        headers: [...request.headers],
        body: request.body,
      });
      const bytes = Buffer.from(await body.arrayBuffer());
      this.#latencies[this.#answers++] = performance.now() - dueAt;
      this.#statuses[statusCode] = (this.#statuses[statusCode] ?? 0) + 1;
      this.#load.answered?.(index, { status: statusCode, body: bytes });
    } catch (error) {
      const code = errorCode(error);
      this.#errors[code] = (this.#errors[code] ?? 0) + 1;
    }
  }
}

async function sign(verifier: Verifier, request: UnsignedRequest): Promise<UnsignedRequest> {
  if (!verifier.proves && verifier.sign === undefined) return request;
  return signRequest(verifier, request, Date.now());
}

/** Whether the time came before the signal. A timer counts from when its turn of the event loop began: it may be early. */
async function waitUntil(time: number, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    for (;;) {
      const delay = time - performance.now();
      if (delay <= 0) return true;
      await wait(delay, undefined, signal === undefined ? {} : { signal });
    }
  } catch {
    return false;
  }
}

function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const { code } = error as NodeJS.ErrnoException;
  const { code: cause } = (error.cause ?? {}) as NodeJS.ErrnoException;
  return code ?? cause ?? error.name;
}

function latencyOf(latencies: Float64Array): Latency | null {
  if (latencies.length === 0) return null;
  const sorted = latencies.toSorted();
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? 0;
  const sum = sorted.reduce((total, latency) => total + latency, 0);
  return { average: sum / sorted.length, p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99), max: at(1) };
}
