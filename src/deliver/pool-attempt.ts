/** One attempt on its way through a pool: from the queue to a child to its results, or to the abort of its signal. */
import type { StoredEvent } from '../core/event.ts';
import type { Early, ToChild } from './child.ts';
import type { WorkClaim } from './context.ts';
import { TIMEOUT } from './outcomes.ts';
import type { Attempt, Attempted, Result } from './runner.ts';

export class PoolAttempt {
  readonly id: number;
  readonly attempted: Promise<Attempted>;
  readonly #attempt: Attempt;
  readonly #onAbort: (one: PoolAttempt) => void;
  readonly #early = new Map<number, Early>();
  readonly #resolve: (attempted: Attempted) => void;
  #ended = false;

  constructor(attempt: Attempt, id: number, onAbort: (one: PoolAttempt) => void) {
    const { promise, resolve } = Promise.withResolvers<Attempted>();
    this.id = id;
    this.attempted = promise;
    this.#attempt = attempt;
    this.#onAbort = onAbort;
    this.#resolve = resolve;
    attempt.signal.addEventListener('abort', this.#abort, { once: true });
  }

  /** What a child is asked to run. Bytes are copied once, into buffers of their own that can be handed over. */
  asked(): ToChild & { readonly kind: 'run' } {
    const claims = this.#attempt.claims.map((claim): WorkClaim => ({
      deliveryId: claim.deliveryId,
      destination: claim.destination,
      event: plainEvent(claim.event),
    }));
    return { kind: 'run', id: this.id, claims, numbers: [...this.#attempt.numbers] };
  }

  /** Why the signal aborted, in a form that can be sent. */
  abortAsked(): ToChild {
    const reason: unknown = this.#attempt.signal.reason;
    const { name, message } =
      reason instanceof Error ? reason : new DOMException('The attempt was aborted.', 'AbortError');
    return { kind: 'abort', id: this.id, name, message };
  }

  /** The child settled one event of the batch; this holds whatever becomes of the child. */
  settledEarly(index: number, early: Early): void {
    if (!this.#early.has(index)) this.#early.set(index, early);
  }

  /** The code ended. Later results change nothing. */
  end(attempted: Attempted): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#attempt.signal.removeEventListener('abort', this.#abort);
    this.#resolve(attempted);
  }

  /** The code did not end by itself: what is not settled gets `shared`. */
  endWith(shared: Result): void {
    const { claims } = this.#attempt;
    this.end({
      results: claims.map((_, index) => this.#early.get(index)?.result ?? shared),
      emitted: claims.map((_, index) => this.#early.get(index)?.emitted ?? []),
    });
  }

  readonly #abort = (): void => {
    this.endWith(TIMEOUT);
    this.#onAbort(this);
  };
}

/** Field by field: a store's event may be more than data, and its body a view into a larger buffer. */
function plainEvent(event: StoredEvent): StoredEvent {
  return {
    id: event.id,
    source: event.source,
    type: event.type,
    tenant: event.tenant,
    dedupeKey: event.dedupeKey,
    orderKey: event.orderKey,
    receivedAt: event.receivedAt,
    method: event.method,
    path: event.path,
    query: event.query,
    headers: [...event.headers],
    body: event.body === null ? null : new Uint8Array(event.body),
    correlationId: event.correlationId,
    traceparent: event.traceparent,
    unfit: event.unfit,
    duplicateOf: event.duplicateOf,
  };
}
