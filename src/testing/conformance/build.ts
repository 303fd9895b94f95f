/** Builds the rows that cases and histories commit: everything has a default, a test names only what it is about. */
import type { Clock } from '../../core/clock.ts';
import type { AttemptRecord, DeadReason } from '../../core/delivery.ts';
import type { StoredEvent } from '../../core/event.ts';
import type { Exchange } from '../../core/exchange.ts';
import { IdMaker } from '../../core/id.ts';
import type { ClaimRef, CommitBatch, NewDelivery, NewEvent, Outcome, Settlement } from '../../store/store.ts';

/** The lease that cases ask for, where they do not say another. */
export const LEASE_MS = 30_000;

/** The dedupe window that cases ask for, where they do not say another. */
export const WINDOW_MS = 60_000;

/** What a test says about an event; `text` is its body. */
export interface EventParts extends Partial<StoredEvent> {
  readonly text?: string;
  readonly dedupeWindowMs?: number;
}

/** What a test says about a delivery; a string is the name of its destination. */
export type DeliveryParts = string | (Partial<NewDelivery> & { readonly destination: string });

/** Makes ids, events and batches. Two with equal clocks make equal rows. */
export class Builder {
  readonly #clock: Clock;
  readonly #ids: IdMaker;
  #events = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    let drawn = 0;
    const fill = (bytes: Uint8Array): void => {
      for (let index = 0; index < bytes.length; index++) bytes[index] = drawn++ % 251;
    };
    this.#ids = new IdMaker({ now: () => clock.now(), fill });
  }

  /** A new token of a commit. */
  token(): string {
    return this.#ids.make('cmt');
  }

  /** A new id of a replay. */
  replayId(): string {
    return this.#ids.make('rpl');
  }

  /** A new event that owes a delivery to each destination, with the event's own order key. */
  event(parts: EventParts, ...deliveries: readonly DeliveryParts[]): NewEvent {
    const { text, dedupeWindowMs, ...fields } = parts;
    const id = this.#ids.make('evt');
    const event: StoredEvent = {
      id,
      source: 'shop',
      type: 'order.paid',
      tenant: null,
      dedupeKey: null,
      orderKey: null,
      receivedAt: this.#clock.now(),
      method: 'POST',
      path: '/in/shop',
      query: '',
      headers: ['Content-Type', 'application/json'],
      body: new TextEncoder().encode(text ?? `{"event":${++this.#events}}`),
      correlationId: `c-${id}`,
      traceparent: null,
      unfit: null,
      duplicateOf: null,
      ...fields,
    };
    return {
      event,
      dedupeWindowMs: dedupeWindowMs ?? WINDOW_MS,
      deliveries: deliveries.map((delivery) => newDelivery(delivery, event.orderKey)),
    };
  }

  /** A batch with these rows and a new token. */
  batch(rows: Partial<CommitBatch>): CommitBatch {
    return {
      token: this.token(),
      now: this.#clock.now(),
      leaseMs: LEASE_MS,
      appends: [],
      starts: [],
      settlements: [],
      releases: [],
      replays: [],
      actions: [],
      documents: [],
      ...rows,
    };
  }

  /** The record of a try. */
  attempt(parts: Partial<AttemptRecord> = {}): AttemptRecord {
    return {
      number: 1,
      startedAt: this.#clock.now(),
      durationMs: 5,
      outcome: 'succeeded',
      status: null,
      error: null,
      worker: 'host:1/0.1.0',
      exchange: null,
      ...parts,
    };
  }

  /** What an endpoint was sent and answered. */
  exchange(parts: Partial<Exchange> = {}): Exchange {
    return {
      request: { method: 'POST', url: 'https://shop.example/hooks', headers: ['webhook-id', 'caf\u00e9'] },
      response: { status: 200, headers: ['content-type', 'text/plain'], body: 'b2s=', bodyBytes: 2 },
      times: { dnsMs: 1, connectMs: 2, tlsMs: null, firstByteMs: 4.5 },
      remoteAddress: '192.0.2.1:443',
      code: null,
      ...parts,
    };
  }

  succeeded(): Outcome {
    return { kind: 'succeeded', attempt: this.attempt() };
  }

  skipped(note: string): Outcome {
    return { kind: 'skipped', note, attempt: this.attempt({ outcome: 'skipped', error: note }) };
  }

  retry(delayMs: number, parts: Partial<AttemptRecord> = {}): Outcome {
    const attempt = this.attempt({ outcome: 'failed', error: 'refused by the till', ...parts });
    return { kind: 'retry', delayMs, spends: true, attempt };
  }

  /** The world was down: no attempt is spent. */
  unavailable(delayMs: number): Outcome {
    const attempt = this.attempt({ outcome: 'unavailable', error: 'the till is closed' });
    return { kind: 'retry', delayMs, spends: false, attempt };
  }

  dead(reason: DeadReason, holdKey = false): Outcome {
    const attempt = this.attempt({ outcome: 'failed', error: 'no such till' });
    return { kind: 'dead', reason, note: `dead: ${reason}`, holdKey, attempt };
  }
}

/** A settlement without emits and answer, unless they are named. */
export function settlement(claim: ClaimRef, outcome: Outcome, more: Partial<Settlement> = {}): Settlement {
  return { claim, outcome, emits: [], answer: null, ...more };
}

function newDelivery(parts: DeliveryParts, orderKey: string | null): NewDelivery {
  const given = typeof parts === 'string' ? { destination: parts } : parts;
  return { orderKey, dueAt: null, dead: null, handOff: 'no', ...given };
}
