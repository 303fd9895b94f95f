/** Everything a memory store holds, and the changes that more than one operation makes. */
import type { Clock } from '../../core/clock.ts';
import type { DeadReason } from '../../core/delivery.ts';
import type { StoredEvent } from '../../core/event.ts';
import type { IdMaker } from '../../core/id.ts';
import type { Claim, ClaimRef, DestinationTotals, JsonValue, SourceTotals } from '../store.ts';
import { Journal } from './journal.ts';
import { Lanes } from './lanes.ts';
import type { DedupeRow, DeliveryRow, DocumentRow, EventRow } from './rows.ts';

/** What is settled when a delivery is made. */
export interface DeliveryBirth {
  readonly destination: string;
  readonly orderKey: string | null;
  readonly dueAt: number | null;
  readonly dead: DeadReason | null;
  readonly replayOf: string | null;
  readonly replayId: string | null;
  /** The place in its order key that it takes over; `null`: the tail. */
  readonly place: number | null;
}

const noTotals: DestinationTotals = { received: 0, succeeded: 0, skipped: 0, failed: 0, dead: 0 };

/** The tables; one per store. */
export class Tables {
  readonly journal = new Journal();
  readonly lanes = new Lanes();
  readonly clock: Clock;
  readonly rowBytesMax: number;
  /** Whether who claims a delivery may be another process than who claimed it before. */
  readonly isShared: boolean;
  readonly #ids: IdMaker;
  #seq = 0;

  /** In the order of commits, as are deliveries. */
  readonly events = new Map<string, EventRow>();
  readonly deliveries = new Map<string, DeliveryRow>();
  readonly dedupe = new Map<string, DedupeRow>();
  readonly documents = new Map<string, DocumentRow>();
  readonly destinationTotals = new Map<string, DestinationTotals>();
  readonly sourceTotals = new Map<string, SourceTotals>();

  constructor(parts: Pick<Tables, 'clock' | 'rowBytesMax' | 'isShared'> & { readonly ids: IdMaker }) {
    this.clock = parts.clock;
    this.#ids = parts.ids;
    this.rowBytesMax = parts.rowBytesMax;
    this.isShared = parts.isShared;
  }

  addEvent(event: StoredEvent, owed: number): EventRow {
    const bodyBytes = event.body?.length ?? 0;
    const duplicates = { count: 0, newest: [] };
    const row: EventRow = { seq: ++this.#seq, event, bodyBytes, owed, duplicates, answer: null, deliveries: [] };
    this.journal.set(this.events, event.id, row);
    return row;
  }

  addDelivery(event: EventRow, birth: DeliveryBirth, now: number): DeliveryRow {
    const { place, ...given } = birth;
    const seq = ++this.#seq;
    const row: DeliveryRow = {
      id: this.#ids.make('dlv'),
      seq,
      event,
      destination: given.destination,
      orderKey: given.orderKey,
      place: place ?? seq,
      replayOf: given.replayOf,
      replayId: given.replayId,
      committedAt: now,
      dueAt: given.dueAt,
      claim: 0,
      leaseUntil: null,
      started: false,
      attempts: 0,
      crashes: 0,
      records: [],
      lastError: null,
      ended: null,
      endedAt: null,
      reason: null,
      note: null,
      holdKey: false,
      resolved: null,
      queue: null,
    };
    this.journal.note(() => this.#forget(row));
    this.journal.set(this.deliveries, row.id, row);
    event.deliveries.push(row);
    this.count(row.destination, { received: 1 });
    this.lanes.place(row);
    if (given.dead !== null) this.bury(row, given.dead, now);
    return row;
  }

  /** Changes a delivery and all that follows from it: what is ready, blocked, claimed. */
  update(row: DeliveryRow, fields: Partial<DeliveryRow>): void {
    this.journal.note(() => this.lanes.place(row));
    this.journal.change(row, fields);
    this.lanes.place(row);
  }

  /** Makes an open delivery a dead letter without an attempt. */
  bury(row: DeliveryRow, reason: DeadReason, now: number): void {
    this.update(row, { ended: 'dead', endedAt: now, reason, leaseUntil: null, started: false });
    this.count(row.destination, { dead: 1 });
  }

  /** Claims a ready delivery. One that is marked started and yet free was given up by no process that lives. */
  claim(row: DeliveryRow, leaseMs: number): Claim {
    this.update(row, { claim: row.claim + 1, leaseUntil: this.clock.monotonic() + leaseMs });
    if (this.isShared && row.started) this.update(row, { started: false, crashes: row.crashes + 1 });
    return {
      deliveryId: row.id,
      claim: row.claim,
      ref: null,
      destination: row.destination,
      event: row.event.event,
      orderKey: row.orderKey,
      attempts: row.attempts,
      crashes: row.crashes,
      committedAt: row.committedAt,
      replayOf: row.replayOf,
      answered: row.event.answer !== null,
    };
  }

  /** The delivery that this claim is the current one of; `null`: it is stale. */
  claimed(ref: ClaimRef): DeliveryRow | null {
    const row = this.deliveries.get(ref.deliveryId);
    return row !== undefined && row.leaseUntil !== null && row.claim === ref.claim ? row : null;
  }

  /** Adds to the totals of a destination. */
  count(destination: string, more: Partial<DestinationTotals>): void {
    const old = this.destinationTotals.get(destination) ?? noTotals;
    const totals = { ...old };
    for (const name of Object.keys(more) as (keyof DestinationTotals)[]) {
      Object.assign(totals, { [name]: old[name] + (more[name] ?? 0) });
    }
    this.journal.set(this.destinationTotals, destination, totals);
  }

  /** Adds one event to the totals of its source. */
  countEvent(source: string, as: 'accepted' | 'duplicate' | 'differing'): void {
    const old = this.sourceTotals.get(source) ?? { source, accepted: 0, duplicates: 0, differing: 0 };
    this.journal.set(this.sourceTotals, source, {
      source,
      accepted: old.accepted + (as === 'accepted' ? 1 : 0),
      duplicates: old.duplicates + (as === 'accepted' ? 0 : 1),
      differing: old.differing + (as === 'differing' ? 1 : 0),
    });
  }

  document(kind: string, key: string): DocumentRow {
    return this.documents.get(documentName(kind, key)) ?? { kind, key, value: null, version: 0 };
  }

  putDocument(kind: string, key: string, value: JsonValue | null): DocumentRow {
    const row = { kind, key, value, version: this.document(kind, key).version + 1 };
    this.journal.set(this.documents, documentName(kind, key), row);
    return row;
  }

  /** Removes an event with its deliveries for good. Not to be taken back. */
  removeEvent(row: EventRow): void {
    this.events.delete(row.event.id);
    for (const delivery of row.deliveries) {
      this.deliveries.delete(delivery.id);
      this.lanes.remove(delivery);
    }
  }

  /** Takes back that a delivery was made; suggestions that are still about it are void because it has ended. */
  #forget(row: DeliveryRow): void {
    row.event.deliveries.splice(row.event.deliveries.indexOf(row), 1);
    row.ended = 'cancelled';
    this.lanes.remove(row);
  }
}

function documentName(kind: string, key: string): string {
  return JSON.stringify([kind, key]);
}
