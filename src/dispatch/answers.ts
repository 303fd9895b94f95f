/** The answers that `sync` requests wait for: made from a responder's result, given out once they are committed. */
import type { StoredEvent } from '../core/event.ts';
import type { Clock } from '../core/clock.ts';
import type { Result } from '../deliver/runner.ts';
import type { HistoryStore, StoredAnswer } from '../store/store.ts';
import { type Awaited, Elsewhere } from './elsewhere.ts';

/** An answer larger than this is not stored and not sent: the source's default is. */
const ANSWER_BYTES_MAX = 64 * 1024;

/** The destinations that requests to `sync` sources wait for. */
export interface Responders {
  /** By source. */
  readonly of: ReadonlyMap<string, ReadonlySet<string>>;
  /** Sources whose requests are split: the result of an element is not their answer. */
  readonly split: ReadonlySet<string>;
}

export const NO_RESPONDERS: Responders = { of: new Map(), split: new Set() };

export interface AnswersOptions {
  readonly responders: Responders;
  readonly clock: Clock;
  /** Of a store that other processes attempt from too; else `null`. */
  readonly elsewhere: Pick<HistoryStore, 'deliveries' | 'event'> | null;
  /** The events that wait or run in this process for a destination. */
  readonly here: (destination: string) => ReadonlySet<string>;
}

interface Waiter extends Awaited {
  readonly resolve: (answer: StoredAnswer | null) => void;
}

export interface Waited {
  readonly answer: Promise<StoredAnswer | null>;
  readonly cancel: () => void;
}

/** Nobody will answer. */
export const NO_ANSWER: Waited = { answer: Promise.resolve(null), cancel: () => undefined };

export class Answers {
  readonly #options: AnswersOptions;
  readonly #elsewhere: Elsewhere | null;
  readonly #waiting = new Map<string, Waiter[]>();

  constructor(options: AnswersOptions) {
    this.#options = options;
    const { clock, elsewhere: history, here } = options;
    const awaited = (): Iterable<Awaited> => this.#all();
    const settled: Answers['settled'] = (...told) => this.settled(...told);
    this.#elsewhere = history === null ? null : new Elsewhere({ history, clock, here, awaited, settled });
  }

  /** Whether a request waits for what this destination makes of an event of this source. */
  awaits(source: string, destination: string): boolean {
    return this.#options.responders.of.get(source)?.has(destination) === true;
  }

  /** Whether requests of any source wait for it. */
  responds(destination: string): boolean {
    return [...this.#options.responders.of.values()].some((names) => names.has(destination));
  }

  /** Whether an answer to this event may come although it was accepted before: it runs here, or on a shared store maybe elsewhere. */
  mayCome(eventId: string, responder: string): boolean {
    return this.#elsewhere !== null || this.#options.here(responder).has(eventId);
  }

  /**
   * Resolves with the responder's committed answer to the event, or `null` when there will be none in time.
   * @param repeat it was committed before
   */
  wait(eventId: string, responder: string, repeat: boolean): Waited {
    const { promise, resolve } = Promise.withResolvers<StoredAnswer | null>();
    const waiter: Waiter = { eventId, responder, resolve, since: this.#options.clock.monotonic() };
    const waiters = this.#waiting.get(eventId);
    if (waiters === undefined) this.#waiting.set(eventId, [waiter]);
    else waiters.push(waiter);
    this.#elsewhere?.begin(repeat && !this.#options.here(responder).has(eventId) ? waiter : null);
    return { answer: promise, cancel: () => this.#leave(eventId, waiter) };
  }

  /** What is to be committed with the outcome, whether or not anybody still waits: a duplicate gets it. */
  answerOf(event: StoredEvent, destination: string, result: Result): StoredAnswer | null {
    if (result.kind !== 'succeeded' || !this.awaits(event.source, destination)) return null;
    if (this.#options.responders.split.has(event.source)) return null;
    return toAnswer(result.value);
  }

  /** The outcome's commit ended: with an answer, or without one. */
  settled(eventId: string, destination: string, answer: StoredAnswer | null): void {
    const waiters = this.#waiting.get(eventId);
    if (waiters === undefined) return;
    for (const waiter of waiters.filter((one) => one.responder === destination)) {
      waiter.resolve(answer);
      this.#leave(eventId, waiter);
    }
  }

  /** Nobody waits any longer. */
  close(): void {
    this.#elsewhere?.close();
    for (const waiters of this.#waiting.values()) for (const waiter of waiters) waiter.resolve(null);
    this.#waiting.clear();
  }

  *#all(): Generator<Waiter> {
    for (const waiters of this.#waiting.values()) yield* waiters;
  }

  #leave(eventId: string, waiter: Waiter): void {
    const left = (this.#waiting.get(eventId) ?? []).filter((other) => other !== waiter);
    if (left.length === 0) this.#waiting.delete(eventId);
    else this.#waiting.set(eventId, left);
    waiter.resolve(null);
  }
}

/**
 * A handler's return value as an answer: text, bytes, `{ status, headers, body }`, or any JSON value. `null` when it
 * returned nothing, what JSON cannot hold, or more than {@link ANSWER_BYTES_MAX}.
 */
function toAnswer(value: unknown): StoredAnswer | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return sized(200, [['content-type', 'text/plain; charset=utf-8']], Buffer.from(value));
  if (value instanceof Uint8Array) return sized(200, [['content-type', 'application/octet-stream']], value);
  if (isHttpAnswer(value)) {
    const headers = Object.entries(value.headers ?? {}).map(([name, text]) => [name, String(text)] as const);
    const { body } = value;
    const bytes = body instanceof Uint8Array ? body : typeof body === 'string' ? Buffer.from(body) : json(body);
    return bytes === null ? null : sized(value.status, headers, bytes);
  }
  const bytes = json(value);
  return bytes === null ? null : sized(200, [['content-type', 'application/json']], bytes);
}

/** Bytes of a JSON value; `null` when it is none (circular, BigInt). */
function json(value: unknown): Uint8Array | null {
  try {
    return Buffer.from(value === undefined ? '' : (JSON.stringify(value) ?? ''));
  } catch {
    return null;
  }
}

function sized(status: number, headers: StoredAnswer['headers'], body: Uint8Array): StoredAnswer | null {
  return body.length > ANSWER_BYTES_MAX ? null : { status, headers, body };
}

function isHttpAnswer(value: unknown): value is { status: number; headers?: Record<string, unknown>; body?: unknown } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'status' in value &&
    typeof value.status === 'number' &&
    value.status >= 200 &&
    value.status <= 599
  );
}
