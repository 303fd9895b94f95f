/** What was worked out, as what is written: new documents whole, known ones by the fields that differ. */
import { Binary } from 'mongodb';
import type { StoredEvent } from '../../core/event.ts';
import type { StoredAnswer } from '../store.ts';
import { type DeliveryRow, marksOf } from './delivery.ts';
import type { AnswerDocument, Changes, DeliveryDocument, EventDocument, FieldChange } from './documents.ts';
import type { EventRow, WorkingSet } from './working.ts';

type Put = Changes['puts'][number];

/** The changes of an entry, to be written at this position of the log. */
export function changesOf(set: WorkingSet, rev: number): Changes {
  const events: EventDocument[] = [];
  const deliveries: DeliveryDocument[] = [];
  const sets = new Sets(rev);
  for (const row of set.eventRows.rows()) {
    if (set.goneEvents.has(row.id)) continue;
    if (row.event !== null) events.push(eventDocument(row, row.event, rev));
    else if (row.now !== row.before) {
      const emptied = row.before?.hasBody === true && !row.now.hasBody;
      sets.add({ to: 'events', id: row.id, before: row.before, now: { ...row.now, ...(emptied && { body: null }) } });
    }
  }
  for (const row of set.deliveries.values()) {
    if (set.goneEvents.has(row.now.eventId)) continue;
    const first = set.firstRecords.get(row.id);
    if (row.before === null) deliveries.push(deliveryDocument(set, row, rev));
    else {
      const now = { ...row.now, ...marksOf(row.now), ...(first !== undefined && { first }) };
      sets.add({ to: 'deliveries', id: row.id, before: row.before, now });
    }
  }
  return {
    events,
    deliveries,
    attempts: set.attempts,
    puts: [...putsOf(set, rev)],
    sets: sets.all(),
    renames: renamesOf(set),
    goneEvents: [...set.goneEvents],
    goneAttempts: set.goneAttempts,
    oldAttempts: set.oldAttempts,
  };
}

/** Whether an entry with these changes would change nothing. */
export function isEmpty(changes: Changes): boolean {
  return Object.values(changes).every((list: readonly unknown[]) => list.length === 0);
}

/** Each stored name once, with the name it has in the end: a row that was renamed is not renamed again. */
function renamesOf(set: WorkingSet): Changes['renames'] {
  const names = [...new Set(set.renames.map(({ from }) => from))];
  return names.map((from) => ({ from, to: set.currentName(from) })).filter(({ from, to }) => from !== to);
}

function* putsOf(set: WorkingSet, rev: number): Generator<Put> {
  for (const { row, isNew } of set.dedupe.changed()) yield { to: 'dedupe', isNew, document: { ...row, rev } };
  for (const { row, isNew } of set.destinations.changed())
    yield { to: 'destinations', isNew, document: { ...row, rev } };
  for (const { row, isNew } of set.sources.changed()) yield { to: 'sources', isNew, document: { ...row, rev } };
  for (const { row, isNew } of set.documents.changed()) yield { to: 'documents', isNew, document: { ...row, rev } };
}

interface Change {
  readonly to: FieldChange['to'];
  readonly id: string;
  readonly before: object | null;
  readonly now: object;
}

/** Changed fields. Documents that are changed alike, as those of one claim are, make one change. */
class Sets {
  readonly #rev: number;
  readonly #sets = new Map<string, FieldChange & { readonly ids: string[] }>();

  constructor(rev: number) {
    this.#rev = rev;
  }

  add({ to, id, before, now }: Change): void {
    const old = new Map<string, unknown>(Object.entries(before ?? {}));
    const changed = Object.entries(now).filter(([name, value]) => !old.has(name) || old.get(name) !== value);
    if (changed.length === 0) return;
    const fields = { ...Object.fromEntries(changed), rev: this.#rev };
    const name = to + JSON.stringify(fields);
    const alike = this.#sets.get(name);
    if (alike === undefined) this.#sets.set(name, { to, ids: [id], fields });
    else alike.ids.push(id);
  }

  all(): readonly FieldChange[] {
    return [...this.#sets.values()];
  }
}

function eventDocument(row: EventRow, event: StoredEvent, rev: number): EventDocument {
  const body = event.body === null ? null : new Binary(event.body);
  return withoutNothing({ _id: row.id, rev, ...row.now, headers: event.headers, encoding: 0, body });
}

function deliveryDocument(set: WorkingSet, row: DeliveryRow, rev: number): DeliveryDocument {
  const first = set.firstRecords.get(row.id) ?? null;
  return withoutNothing({ _id: row.id, rev, ...row.now, ...marksOf(row.now), first });
}

/** A new document without what says nothing: `null` and what is missing are found alike. */
function withoutNothing<Document extends object>(document: Document): Document {
  return Object.fromEntries(Object.entries(document).filter(([, value]) => value !== null)) as Document;
}

// What may be left out of an event and of a delivery.
const nothingOfEvents = 'tenant dedupeKey orderKey body traceparent unfit duplicateOf answer bare'.split(' ');
const nothingOfDeliveries =
  `tenant orderKey line replayOf replayId dueAt leaseUntil owner lastError ended endedAt reason note resolved slot queue
  first`.split(/\s+/);
const noEvent = Object.fromEntries(nothingOfEvents.map((name) => [name, null]));
const noDelivery = Object.fromEntries(nothingOfDeliveries.map((name) => [name, null]));

/** An event as it was read, with what was left out. */
export function wholeEvent(document: EventDocument): EventDocument {
  return { ...noEvent, ...document };
}

/** A delivery as it was read, with what was left out. */
export function wholeDelivery(document: DeliveryDocument): DeliveryDocument {
  return { ...noDelivery, ...document };
}

export function answerDocument({ status, headers, body }: StoredAnswer): AnswerDocument {
  return { status, headers: headers.flat(), body: new Binary(body) };
}

export function storedAnswer(document: AnswerDocument | null | undefined): StoredAnswer | null {
  if (document === null || document === undefined) return null;
  const headers: [string, string][] = [];
  for (let index = 0; index + 1 < document.headers.length; index += 2) {
    headers.push([document.headers[index] ?? '', document.headers[index + 1] ?? '']);
  }
  return { status: document.status, headers, body: bytesOf(document.body) };
}

/** A copy, so that it does not keep the whole answer of the server in memory. */
function bytesOf(binary: Binary): Uint8Array {
  return new Uint8Array(binary.buffer.subarray(0, binary.position));
}

export function storedEvent(read: EventDocument): StoredEvent {
  const document = wholeEvent(read);
  return {
    id: document._id,
    source: document.source,
    type: document.type,
    tenant: document.tenant,
    dedupeKey: document.dedupeKey,
    orderKey: document.orderKey,
    receivedAt: document.receivedAt,
    method: document.method,
    path: document.path,
    query: document.query,
    headers: document.headers,
    body: document.body === null ? null : bytesOf(document.body),
    correlationId: document.correlationId,
    traceparent: document.traceparent,
    unfit: document.unfit,
    duplicateOf: document.duplicateOf,
  };
}
