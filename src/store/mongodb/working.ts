/**
 * What one entry of the log is worked out on: rows as they were read, changed in memory in the order of the batch, and
 * written down as changes at the end. Nothing here writes; whoever loses the position in the log throws it away.
 */
import type { Filter, Sort } from 'mongodb';
import type { AttemptRecord } from '../../core/delivery.ts';
import type { StoredEvent } from '../../core/event.ts';
import type { IdMaker } from '../../core/id.ts';
import type { DestinationTotals } from '../store.ts';
import { wholeDelivery, wholeEvent } from './changes.ts';
import type { Collections } from './collections.ts';
import { type DeliveryRow, lineOf, marksOf, stateOf } from './delivery.ts';
import type {
  AttemptDocument,
  DedupeDocument,
  DeliveryDocument,
  DeliveryFields,
  DestinationDocument,
  EventDocument,
  LaneCounts,
  RegistryDocument,
  SourceDocument,
} from './documents.ts';
import { Queues } from './queues.ts';
import { RowCache } from './row-cache.ts';

/** An event while an entry is worked out, without headers and body unless it is new. */
export interface EventRow {
  readonly id: string;
  /** `null`: it is new. */
  readonly before: EventFields | null;
  readonly event: StoredEvent | null;
  now: EventFields;
}

export type EventFields = Omit<EventDocument, '_id' | 'rev' | 'headers' | 'body' | 'encoding'>;

/** What is settled when a delivery is made. */
export interface DeliveryBirth {
  readonly destination: string;
  readonly orderKey: string | null;
  readonly dueAt: number | null;
  readonly replayOf: string | null;
  readonly replayId: string | null;
  /** The place in its queue that it takes over; `null`: the tail. */
  readonly place: number | null;
}

type Unversioned<Document extends { readonly _id: string; readonly rev: number }> = Omit<Document, 'rev'>;

export interface WorkingSetParts {
  readonly collections: Collections;
  readonly ids: IdMaker;
  /** By the database's clock. */
  readonly now: number;
  readonly owner: string;
  /** The last turn that has been given away, and the events kept. */
  readonly seq: number;
  readonly events: number;
}

const lanesCounted: ReadonlySet<string> = new Set(['ready', 'due', 'claimed', 'blocked', 'dead']);
const noLanes: LaneCounts = { ready: 0, due: 0, claimed: 0, blocked: 0, dead: 0 };

/** What no delivery has when it is made. */
const newborn = {
  claim: 0,
  leaseUntil: null,
  owner: null,
  started: false,
  attempts: 0,
  crashes: 0,
  records: 0,
  lastError: null,
  ended: null,
  endedAt: null,
  reason: null,
  note: null,
  holdKey: false,
  resolved: null,
  emptied: false,
} as const;

export class WorkingSet {
  readonly collections: Collections;
  readonly now: number;
  readonly owner: string;
  readonly queues: Queues;
  seq: number;
  events: number;
  readonly deliveries = new Map<string, DeliveryRow>();
  readonly eventRows: RowCache<EventRow, EventDocument>;
  readonly dedupe: RowCache<Unversioned<DedupeDocument>, DedupeDocument>;
  readonly destinations: RowCache<Unversioned<DestinationDocument>, DestinationDocument>;
  readonly sources: RowCache<Unversioned<SourceDocument>, SourceDocument>;
  readonly documents: RowCache<Unversioned<RegistryDocument>, RegistryDocument>;
  readonly attempts: AttemptDocument[] = [];
  /** First records of deliveries, which are kept inside of them. */
  readonly firstRecords = new Map<string, AttemptRecord>();
  readonly renames: { readonly from: string; readonly to: string }[] = [];
  readonly goneEvents = new Set<string>();
  readonly goneAttempts: string[] = [];
  readonly oldAttempts: string[] = [];
  /** What came to stand where it may be ready: the row itself or the first of its queue. */
  readonly offered = new Set<DeliveryRow>();
  readonly #ids: IdMaker;
  readonly #ofEvent = new Map<string, Set<DeliveryRow>>();
  readonly #eventsLoaded = new Set<string>();

  constructor(parts: WorkingSetParts) {
    const { collections } = parts;
    this.collections = collections;
    this.now = parts.now;
    this.owner = parts.owner;
    this.seq = parts.seq;
    this.events = parts.events;
    this.#ids = parts.ids;
    this.queues = new Queues(this);
    this.eventRows = new RowCache(collections.events, eventRow, { headers: 0, body: 0 });
    this.dedupe = new RowCache(collections.dedupe, unversioned);
    this.destinations = new RowCache(collections.destinations, unversioned);
    this.sources = new RowCache(collections.sources, unversioned);
    this.documents = new RowCache(collections.documents, unversioned);
  }

  /** The deliveries with these ids, as far as they are there. */
  async deliveriesOf(ids: readonly string[]): Promise<readonly DeliveryRow[]> {
    const missing = [...new Set(ids)].filter((id) => !this.deliveries.has(id));
    if (missing.length > 0) await this.find({ _id: { $in: missing } }, { seq: 1 }, missing.length);
    return ids.flatMap((id) => this.deliveries.get(id) ?? []);
  }

  async delivery(id: string): Promise<DeliveryRow | null> {
    return (await this.deliveriesOf([id]))[0] ?? null;
  }

  /** All deliveries of an event, in the order of their commits. */
  async ofEvent(eventId: string): Promise<readonly DeliveryRow[]> {
    if (!this.#eventsLoaded.has(eventId)) {
      this.#eventsLoaded.add(eventId);
      await this.find({ eventId }, { seq: 1 });
    }
    return [...(this.#ofEvent.get(eventId) ?? [])].toSorted((a, b) => a.now.seq - b.now.seq);
  }

  /** Reads deliveries; what was read before is given as it is by now, whether or not the filter still fits it. */
  async find(filter: Filter<DeliveryDocument>, sort: Sort, limit = 0): Promise<readonly DeliveryRow[]> {
    const found = await this.collections.deliveries.find(filter, { projection: { first: 0 }, sort, limit }).toArray();
    await this.destinations.load(found.flatMap((document) => this.currentName(document.destination)));
    return found.map((document) => this.#read(document));
  }

  /** The name by which a destination goes after the renamings of this batch. */
  currentName(name: string): string {
    return this.renames.reduce((current, { from, to }) => (current === from ? to : current), name);
  }

  /** The names under which the database has the deliveries of a destination. */
  storedNames(name: string): readonly string[] {
    const names = new Set([name, ...this.renames.map(({ from }) => from)]);
    return [...names].filter((stored) => this.currentName(stored) === name);
  }

  async addEvent(event: StoredEvent, owed: number): Promise<EventRow> {
    await this.sources.get(event.source);
    const bodyBytes = event.body?.length ?? 0;
    const { method, path, query, headers: _headers, body, id, ...named } = event;
    const now: EventFields = {
      ...named,
      seq: ++this.seq,
      method,
      path,
      query,
      hasBody: body !== null,
      bodyBytes,
      owed,
      duplicates: 0,
      newestDuplicates: [],
      answer: null,
      bare: owed > 0 ? null : event.duplicateOf === null ? 'unmatched' : body === null ? 'emptied' : 'repeat',
    };
    const row: EventRow = { id, before: null, event, now };
    this.eventRows.set(id, row);
    this.#eventsLoaded.add(id);
    this.events++;
    return row;
  }

  /** Makes a delivery of an event and gives it its place in its queue. */
  async addDelivery(event: EventRow, birth: DeliveryBirth): Promise<DeliveryRow> {
    await this.destinations.get(birth.destination);
    const { place, ...given } = birth;
    const { source, type, tenant, receivedAt, bodyBytes } = event.now;
    const seq = ++this.seq;
    const line = lineOf(tenant, birth.orderKey);
    const now: DeliveryFields = {
      ...newborn,
      ...given,
      seq,
      eventId: event.id,
      source,
      type,
      tenant,
      receivedAt,
      bytes: bodyBytes,
      line,
      place: place ?? seq,
      committedAt: this.now,
      free: line === null,
    };
    const row: DeliveryRow = { id: this.#ids.make('dlv'), before: null, now };
    this.#keep(row);
    if (event.now.bare !== null) event.now = { ...event.now, bare: null };
    this.count(row.now.destination, { received: 1 });
    this.#countLane(row.now, 1);
    this.offered.add(row);
    await this.queues.refresh(row);
    return row;
  }

  /** Changes a delivery and all that follows from it: what is ready, blocked, claimed. */
  async change(row: DeliveryRow, fields: Partial<DeliveryFields>): Promise<void> {
    this.assign(row, fields);
    this.offered.add(row);
    await this.queues.refresh(row);
  }

  /** Changes fields of a delivery that no other delivery's place depends on. */
  assign(row: DeliveryRow, fields: Partial<DeliveryFields>): void {
    this.#countLane(row.now, -1);
    row.now = { ...row.now, ...fields };
    this.#countLane(row.now, 1);
  }

  /** Adds to the totals of a destination. */
  count(destination: string, more: Partial<DestinationTotals>): void {
    const old = this.destination(destination);
    this.destinations.set(destination, {
      ...old,
      received: old.received + (more.received ?? 0),
      succeeded: old.succeeded + (more.succeeded ?? 0),
      skipped: old.skipped + (more.skipped ?? 0),
      failed: old.failed + (more.failed ?? 0),
      dead: old.dead + (more.dead ?? 0),
    });
  }

  /** A destination that was read, or a new one. */
  destination(name: string): Unversioned<DestinationDocument> {
    const totals = { received: 0, succeeded: 0, skipped: 0, failed: 0, dead: 0 };
    const known = this.destinations.peek(name);
    return known === null || known.gone ? { _id: name, gone: false, ...totals, lanes: noLanes } : known;
  }

  /** Adds one event to the totals of its source, which has been read. */
  countEvent(source: string, as: 'accepted' | 'duplicate' | 'differing'): void {
    const old = this.sources.peek(source) ?? { _id: source, accepted: 0, duplicates: 0, differing: 0 };
    this.sources.set(source, {
      _id: source,
      accepted: old.accepted + (as === 'accepted' ? 1 : 0),
      duplicates: old.duplicates + (as === 'accepted' ? 0 : 1),
      differing: old.differing + (as === 'differing' ? 1 : 0),
    });
  }

  /** Removes an event with its deliveries and their attempts, for good. */
  async removeEvent(eventId: string): Promise<void> {
    for (const row of await this.ofEvent(eventId)) {
      this.goneAttempts.push(row.id);
      await this.change(row, { ended: 'cancelled', endedAt: this.now, leaseUntil: null, holdKey: false });
    }
    this.goneEvents.add(eventId);
    this.events--;
  }

  /** Destinations that have work now which was made ready in this batch, by name. */
  readyDestinations(): string[] {
    const ready = [...this.offered].filter((row) => stateOf(row.now, this.now) === 'ready');
    return [...new Set(ready.map((row) => row.now.destination))].toSorted();
  }

  #read(document: DeliveryDocument): DeliveryRow {
    const known = this.deliveries.get(document._id);
    if (known !== undefined) return known;
    const { _id, rev: _rev, first: _first, ...before } = wholeDelivery(document);
    const { slot: _slot, lane: _lane, at: _at, queue: _queue, front: _front, ...fields } = before;
    const row: DeliveryRow = { id: _id, before, now: { ...fields, destination: this.currentName(fields.destination) } };
    this.#keep(row);
    return row;
  }

  #keep(row: DeliveryRow): void {
    this.deliveries.set(row.id, row);
    const siblings = this.#ofEvent.get(row.now.eventId) ?? new Set();
    this.#ofEvent.set(row.now.eventId, siblings.add(row));
    if (row.now.line !== null) this.queues.keep(row);
  }

  #countLane(row: DeliveryFields, by: number): void {
    const { lane } = marksOf(row);
    if (!lanesCounted.has(lane)) return;
    const old = this.destination(row.destination);
    const lanes = { ...old.lanes, [lane]: old.lanes[lane as keyof LaneCounts] + by };
    this.destinations.set(row.destination, { ...old, lanes });
  }
}

function eventRow(document: EventDocument): EventRow {
  const { _id, rev: _rev, headers: _headers, body: _body, encoding: _encoding, ...fields } = wholeEvent(document);
  return { id: _id, before: fields, event: null, now: fields };
}

function unversioned<Document extends { readonly _id: string; readonly rev: number }>(
  document: Document,
): Unversioned<Document> {
  const { rev: _rev, ...fields } = document;
  return fields;
}
