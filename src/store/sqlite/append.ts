/** Appending events: what is new, what is a repeat, what each owes. */
import { formatId } from '../../core/id.ts';
import type { StoredEvent } from '../../core/event.ts';
import type {
  Append,
  AppendAnswer,
  Claim,
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
import { idWords, type Words, wordsBytes } from './words.ts';

/** One event's body: far above any limit of ingest, far below what SQLite takes in one row. */
export const ROW_BYTES_MAX = 64 * 1024 * 1024;

export class Appender {
  readonly #txn: Txn;
  readonly #chunks: ChunkWriter;
  /** Keys of this transaction, by the first word of their digests. */
  readonly #keys = new Map<number, DedupeEntry[]>();
  readonly #entries: DedupeEntry[] = [];
  readonly #births: Birth[] = [];

  constructor(txn: Txn, chunks: ChunkWriter) {
    this.#txn = txn;
    this.#chunks = chunks;
    txn.beforeEnd(() => {
      const stage = txn.state.dedupe.stage(this.#entries);
      for (const step of stage.steps) txn.step(step);
      txn.afterwards(() => {
        stage.apply();
        for (const birth of this.#births) this.#claim(birth);
      });
    });
  }

  append(item: Append): AppendAnswer {
    const reason = this.whyRefused(item.events);
    if (reason !== null) return { status: 'refused', reason };
    return { status: 'committed', events: this.appendAll(item.events) };
  }

  /** Why these events cannot be committed together; found before any of them is. */
  whyRefused(items: readonly NewEvent[]): RefusedReason | null {
    for (let index = 0; index < items.length; index++) {
      const item = items[index];
      if (item === undefined) continue;
      if ((item.event.body?.length ?? 0) > ROW_BYTES_MAX || item.deliveries.length > ORDINALS) return 'too_large';
      if (this.#exists(item.event.id)) return 'conflict';
      if (index > 0 && items.findIndex((other) => other.event.id === item.event.id) < index) return 'conflict';
    }
    return null;
  }

  appendAll(items: readonly NewEvent[]): EventAnswer[] {
    return items.map((item) => this.#appendOne(item));
  }

  #appendOne(item: NewEvent): EventAnswer {
    const { event, dedupeWindowMs } = item;
    const id = wordsOf(event);
    if (event.dedupeKey === null || dedupeWindowMs <= 0) return this.#appendNew(item, id);
    const digest = digestOf(event, event.dedupeKey);
    const crc = crcOf(event.body);
    const known = this.#findKey(digest, event.receivedAt);
    if (known !== null) return this.#appendDuplicate(event, known, crc);
    this.#remember({ digest, id, crc, length: event.body?.length ?? 0, expiresAt: event.receivedAt + dedupeWindowMs });
    return this.#appendNew(item, id);
  }

  #appendNew({ event, deliveries }: NewEvent, id: Words): EventAnswer {
    const txn = this.#txn;
    const owed: number[] = [];
    const claims: (Claim | null)[] = [];
    for (const { destination } of deliveries) {
      owed.push(txn.destination(destination));
      claims.push(null);
    }
    const bodiless = event.body === null;
    const seq = this.#chunks.add({ event, id, owed, bodyBytes: event.body?.length ?? 0, duplicateOf: null, bodiless });
    const counts = txn.source(event.source);
    counts.accepted++;
    counts.kept++;
    for (let ordinal = 0; ordinal < deliveries.length; ordinal++) {
      const delivery = deliveries[ordinal];
      if (delivery === undefined) continue;
      this.#addDelivery({
        event,
        seq,
        ordinal,
        destination: owed[ordinal] ?? 0,
        delivery,
        claims,
        paged: null,
        row: null,
      });
    }
    return { status: 'committed', eventId: event.id, claims };
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
    birth.paged = this.#chunks.page(destination, { seq, ordinal, state });
    if (delivery.handOff === 'no') txn.offerPage(destination);
    else this.#bear(birth);
  }

  /** It is claimed as soon as it is committed. */
  #bear(birth: Birth): void {
    this.#txn.born.add(positionOf(birth.seq, birth.ordinal));
    this.#births.push(birth);
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
      if (delivery.handOff === 'start') txn.step({ statement: 'startRow', params: [row.position] });
      birth.row = row;
      this.#bear(birth);
      return true;
    });
  }

  /** Hands off what was just committed. */
  #claim({ event, seq, ordinal, destination, claims, paged, row, delivery }: Birth): void {
    const { state, leaseMs } = this.#txn;
    const slot = state.slots.make({ position: positionOf(seq, ordinal), destination, event, paged, row }, leaseMs);
    // By the name it was owed to: another action of the same batch may have renamed it since.
    const name = delivery.destination;
    claims[ordinal] = claimOf(slot, { destination: name, committedAt: this.#txn.now, answered: false });
  }

  /** A repeat owes nothing. With the same body it is counted; with another it is kept as an event as well. */
  #appendDuplicate(event: StoredEvent, known: DedupeEntry, crc: number): DuplicateEvent {
    const txn = this.#txn;
    const bodyBytes = event.body?.length ?? 0;
    const differs = crc !== known.crc || bodyBytes !== known.length;
    const counts = txn.source(event.source);
    counts.duplicates++;
    if (differs) {
      counts.differing++;
      counts.kept++;
      const bodiless = event.body === null;
      this.#chunks.add({ event, id: wordsOf(event), owed: [], bodyBytes, duplicateOf: known.id, bodiless });
    }
    const firstId = wordsBytes(known.id);
    const eventId = formatId('evt', firstId);
    if (this.#isKept(eventId)) {
      const params = [firstId, event.receivedAt, Number(differs), event.correlationId];
      txn.step({ statement: 'insertDuplicate', params });
      txn.step({ statement: 'dropOldDuplicates', params: [firstId] });
    }
    const stored = txn.state.hasAnswers ? readAnswer(txn.state.reader, firstId) : null;
    return { status: 'duplicate', eventId, differs, answer: stored ?? txn.answers.get(eventId) ?? null };
  }

  /** What is remembered of a key, if it still counts for an event received at `at`. */
  #findKey(digest: Digest, at: number): DedupeEntry | null {
    const { a, b, c, d } = digest;
    const isHere = (entry: DedupeEntry): boolean =>
      entry.digest.b === b && entry.digest.c === c && entry.digest.d === d;
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

  /** Keys outlive their events: nothing would ever remove what is noted of a repeat of one that is gone. */
  #isKept(id: string): boolean {
    return this.#txn.staged.find(id) !== null || this.#txn.state.chunks.has(id);
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
  /** Where it is, once that is settled. */
  paged: { readonly seq: number; readonly index: number } | null;
  row: DeliveryRow | null;
}

function wordsOf(event: StoredEvent): Words {
  const words = idWords(event.id);
  if (words === null) throw new TypeError(`Not an event id: ${event.id}`);
  return words;
}
