/** Appending events: what is new, what is a repeat, what each owes. */
import { formatId, idBytes } from '../../core/id.ts';
import type { StoredEvent } from '../../core/event.ts';
import type {
  Append,
  AppendAnswer,
  Claim,
  CommittedEvent,
  DuplicateEvent,
  EventAnswer,
  NewDelivery,
  NewEvent,
  RefusedReason,
} from '../store.ts';
import { readAnswer } from './answers.ts';
import { claimOf } from './claim-of.ts';
import { crcOf, type DedupeEntry, type Digest, digestOf } from './dedupe-entry.ts';
import type { ChunkWriter } from './chunk-writer.ts';
import { OPEN, STARTED } from './page.ts';
import { ORDINALS, positionOf } from './position.ts';
import { type DeliveryRow, rowStates } from './rows.ts';
import { insertRow, newRow } from './row-writes.ts';
import type { Txn } from './txn.ts';

/** One event's body: far above any limit of ingest, far below what SQLite takes in one row. */
export const ROW_BYTES_MAX = 64 * 1024 * 1024;

export class Appender {
  readonly #txn: Txn;
  readonly #chunks: ChunkWriter;
  /** Keys of this transaction, by the first word of their digests. */
  readonly #keys = new Map<number, DedupeEntry[]>();
  readonly #entries: DedupeEntry[] = [];

  constructor(txn: Txn, chunks: ChunkWriter) {
    this.#txn = txn;
    this.#chunks = chunks;
    txn.beforeEnd(() => {
      const stage = txn.state.dedupe.stage(this.#entries);
      for (const step of stage.steps) txn.step(step);
      txn.afterwards(() => stage.apply());
    });
  }

  append(item: Append): AppendAnswer {
    const reason = this.whyRefused(item.events);
    if (reason !== null) return { status: 'refused', reason };
    return { status: 'committed', events: this.appendAll(item.events) };
  }

  /** Why these events cannot be committed together; found before any of them is. */
  whyRefused(items: readonly NewEvent[]): RefusedReason | null {
    for (const [index, { event, deliveries }] of items.entries()) {
      if ((event.body?.length ?? 0) > ROW_BYTES_MAX || deliveries.length > ORDINALS) return 'too_large';
      if (this.#exists(event.id)) return 'conflict';
      if (index > 0 && items.findIndex((other) => other.event.id === event.id) < index) return 'conflict';
    }
    return null;
  }

  appendAll(items: readonly NewEvent[]): EventAnswer[] {
    return items.map((item) => this.#appendOne(item));
  }

  #appendOne(item: NewEvent): EventAnswer {
    const { event, dedupeWindowMs } = item;
    if (event.dedupeKey === null || dedupeWindowMs <= 0) return this.#appendNew(item);
    const digest = digestOf(event, event.dedupeKey);
    const crc = crcOf(event.body);
    const known = this.#findKey(digest, event.receivedAt);
    if (known !== null) return this.#appendDuplicate(event, known, crc);
    const id = bytesOf(event);
    this.#remember({ digest, id, crc, length: event.body?.length ?? 0, expiresAt: event.receivedAt + dedupeWindowMs });
    return this.#appendNew(item);
  }

  #appendNew({ event, deliveries }: NewEvent): EventAnswer {
    const txn = this.#txn;
    const owed = deliveries.map((delivery) => txn.destination(delivery.destination));
    const bodyBytes = event.body?.length ?? 0;
    const bodiless = event.body === null;
    const seq = this.#chunks.add({ event, id: bytesOf(event), owed, bodyBytes, duplicateOf: null, bodiless });
    txn.countSource(event.source, 'accepted');
    txn.countSource(event.source, 'kept');
    const claims: (Claim | null)[] = deliveries.map(() => null);
    const answer: CommittedEvent = { status: 'committed', eventId: event.id, claims };
    deliveries.forEach((delivery, ordinal) => {
      const birth = { event, seq, ordinal, destination: owed[ordinal] ?? 0, delivery, claims };
      this.#addDelivery(birth);
    });
    return answer;
  }

  #addDelivery(birth: Birth): void {
    const { delivery, destination, seq, ordinal } = birth;
    const txn = this.#txn;
    txn.count(destination, 'received');
    const isLater = delivery.dueAt !== null && delivery.dueAt > txn.now;
    if (delivery.orderKey !== null || isLater || delivery.dead !== null) {
      this.#addRow(birth, isLater ? (delivery.dueAt ?? 0) : 0);
      return;
    }
    txn.count(destination, 'open_paged');
    const state = delivery.handOff === 'start' ? STARTED : OPEN;
    const paged = this.#chunks.page(destination, { seq, ordinal, state });
    if (delivery.handOff === 'no') {
      txn.ready.add(destination);
      txn.afterwards(() => txn.state.lane(destination).offerPage());
      return;
    }
    txn.born.add(positionOf(seq, ordinal));
    txn.afterwards(() => this.#claim(birth, paged, null));
  }

  #addRow(birth: Birth, due: number): void {
    const { event, delivery, destination, seq, ordinal } = birth;
    const txn = this.#txn;
    const { dead } = delivery;
    const state = dead === null ? rowStates.open : rowStates.dead;
    const ended = { ended_at: dead === null ? null : txn.now, reason: dead };
    const at = { position: positionOf(seq, ordinal), event: seq, destination, order_key: delivery.orderKey };
    const row = newRow(event, { ...at, state, due, committed_at: txn.now, ...ended });
    insertRow(txn, row, () => {
      if (delivery.handOff === 'no' || due > 0) return false;
      txn.born.add(row.position);
      if (delivery.handOff === 'start') txn.step({ statement: 'startRow', params: [row.position] });
      txn.afterwards(() => this.#claim(birth, null, row));
      return true;
    });
  }

  /** Hands off what was just committed. */
  #claim(birth: Birth, paged: { seq: number; index: number } | null, row: DeliveryRow | null): void {
    const { event, seq, ordinal, destination, claims } = birth;
    const { state, leaseMs } = this.#txn;
    const slot = state.slots.make({ position: positionOf(seq, ordinal), destination, event, paged, row }, leaseMs);
    const { destination: name } = birth.delivery;
    claims[ordinal] = { ...claimOf(state, slot, { committedAt: this.#txn.now, answered: false }), destination: name };
  }

  /** A repeat owes nothing. With the same body it is counted; with another it is kept as an event as well. */
  #appendDuplicate(event: StoredEvent, known: DedupeEntry, crc: number): DuplicateEvent {
    const txn = this.#txn;
    const bodyBytes = event.body?.length ?? 0;
    const differs = crc !== known.crc || bodyBytes !== known.length;
    txn.countSource(event.source, 'duplicates');
    if (differs) {
      txn.countSource(event.source, 'differing');
      txn.countSource(event.source, 'kept');
      const bodiless = event.body === null;
      this.#chunks.add({ event, id: bytesOf(event), owed: [], bodyBytes, duplicateOf: known.id, bodiless });
    }
    const params = [known.id, event.receivedAt, Number(differs), event.correlationId];
    txn.step({ statement: 'insertDuplicate', params });
    txn.step({ statement: 'dropOldDuplicates', params: [known.id] });
    const eventId = formatId('evt', known.id);
    const stored = txn.state.hasAnswers ? readAnswer(txn.state.reader, known.id) : null;
    return { status: 'duplicate', eventId, differs, answer: stored ?? txn.answers.get(eventId) ?? null };
  }

  /** What is remembered of a key, if it still counts for an event received at `at`. */
  #findKey(digest: Digest, at: number): DedupeEntry | null {
    const { a, b, c, d } = digest;
    const isHere = (entry: DedupeEntry): boolean => entry.digest.b === b && entry.digest.c === c && entry.digest.d === d;
    const mine = this.#keys.get(a)?.find(isHere);
    if (mine !== undefined) return at < mine.expiresAt ? mine : null;
    return this.#txn.state.dedupe.find(digest, at);
  }

  #remember(entry: DedupeEntry): void {
    const known = this.#keys.get(entry.digest.a);
    if (known === undefined) this.#keys.set(entry.digest.a, [entry]);
    else known.unshift(entry);
    this.#entries.push(entry);
  }

  /** Whether there is an event with this id. Almost always told by its being the highest so far. */
  #exists(id: string): boolean {
    if (id > this.#txn.highId) return false;
    return this.#txn.staged.find(id) !== null || this.#txn.state.chunks.find(id) !== null;
  }
}

/** A delivery as it is made. */
interface Birth {
  readonly event: StoredEvent;
  readonly seq: number;
  readonly ordinal: number;
  readonly destination: number;
  readonly delivery: NewDelivery;
  /** Where its claim is answered. */
  readonly claims: (Claim | null)[];
}

function bytesOf(event: StoredEvent): Uint8Array {
  const bytes = idBytes(event.id);
  if (bytes === null) throw new TypeError(`Not an event id: ${event.id}`);
  return bytes;
}
