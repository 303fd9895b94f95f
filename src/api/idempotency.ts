/**
 * Repeats of a request under its `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): the same key and the same
 * request give the same answer, the same key and another request are refused.
 *
 * What holds over restarts and processes is the deduplication of the store: an event without a dedupe key of its own gets
 * one made from the key. What is remembered here saves the commit, makes requests under one key wait for each other, and
 * recognises another request whose events the store would not compare, because their type or tenant is another.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { HoldfastError } from '../errors.ts';
import type { EmitRequest } from './port.ts';

/** Most keys remembered, most ids of their answers, and for how long; the store's memory is longer. */
const KEYS_MAX = 10_000;
const IDS_MAX = 200_000;
const WINDOW_MS = 86_400_000;

interface Remembered {
  readonly at: number;
  readonly digest: string;
  readonly ids: number;
  readonly answer: Promise<unknown>;
}

/** A request under a key. Keys of different tenants have nothing to do with each other. */
export interface Keyed {
  readonly key: string;
  readonly tenant: string | null;
  readonly digest: string;
  /** How many its answer has. */
  readonly ids: number;
}

export class IdempotencyKeys {
  readonly #clock: Clock;
  readonly #remembered = new Map<string, Remembered>();
  /** Of all that is remembered. */
  #ids = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The answer of `run`, or of the request that this one repeats. A failure is not remembered. @throws HoldfastError idempotency_key_reused */
  async once<Answer>({ key, tenant, digest, ids }: Keyed, run: () => Promise<Answer>): Promise<Answer> {
    const name = JSON.stringify([tenant, key]);
    const now = this.#clock.now();
    const known = this.#remembered.get(name);
    if (known !== undefined && now - known.at < WINDOW_MS) {
      if (known.digest !== digest) throw new HoldfastError('idempotency_key_reused');
      return known.answer as Promise<Answer>;
    }
    const answer = run();
    const remembered = { at: now, digest, ids, answer };
    this.#forget(name);
    this.#remembered.set(name, remembered);
    this.#ids += ids;
    this.#forgetOldest(now);
    try {
      return await answer;
    } catch (error) {
      if (this.#remembered.get(name) === remembered) this.#forget(name);
      throw error;
    }
  }

  #forgetOldest(now: number): void {
    for (const [name, { at }] of this.#remembered) {
      if (this.#remembered.size <= KEYS_MAX && this.#ids <= IDS_MAX && now - at < WINDOW_MS) return;
      this.#forget(name);
    }
  }

  #forget(name: string): void {
    this.#ids -= this.#remembered.get(name)?.ids ?? 0;
    this.#remembered.delete(name);
  }
}

/** SHA-256 of what a request asks for. */
export function digestOf(requests: readonly EmitRequest[]): string {
  const hash = createHash('sha256');
  for (const { type, body, options } of requests) {
    hash.update(JSON.stringify([type, options, body.length]));
    hash.update(body);
  }
  return hash.digest('hex');
}

/**
 * The requests with dedupe keys made from the key, where they bring none of their own. A place in a batch stands before the
 * key: behind it, it could be the end of another key.
 */
export function withDedupeKeys(requests: readonly EmitRequest[], key: string): readonly EmitRequest[] {
  return requests.map((request, index) => {
    const dedupeKey = `idempotency${requests.length === 1 ? '' : `#${index}`}:${key}`;
    return { ...request, options: { dedupeKey, ...request.options } };
  });
}
