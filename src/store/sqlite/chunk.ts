/**
 * A chunk: the events of one commit (up to {@link CHUNK_EVENTS_MAX}) as one row, their bodies as another, so that
 * bodies can go before events do. Within it every string is written once and bodies are compressed together.
 */
import { formatId } from '../../core/id.ts';
import type { HeaderList, StoredEvent } from '../../core/event.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { damaged } from './failure.ts';
import { makeMarks, markOf } from './marks.ts';
import type { Words } from './words.ts';
import { readStrings, StringTable } from './strings.ts';

/** So few that a claim of one event decodes in well under a millisecond, so many that the row's own cost vanishes. */
const CHUNK_EVENTS_MAX = 256;
const CHUNK_BODY_BYTES_MAX = 1024 * 1024;

const VERSION = 1;
const ID_BYTES = 16;

const HAS_TENANT = 1;
const HAS_DEDUPE_KEY = 2;
const HAS_ORDER_KEY = 4;
const HAS_QUERY = 8;
const HAS_TRACE = 16;
const IS_UNFIT = 32;
const IS_DUPLICATE = 64;
/** The correlation id is the event's own id: the usual default, and not worth 26 bytes. */
const CORRELATES_ITSELF = 128;
const HAS_NO_BODY = 256;

/** What is written of a chunk. Not sealed yet; `meta` and `body` are good until the next chunk is finished. */
export interface ChunkParts {
  readonly seq: number;
  readonly count: number;
  readonly receivedMin: number;
  readonly receivedMax: number;
  /** Events that owe nothing. */
  readonly unmatched: number;
  readonly marks: Uint8Array;
  readonly meta: Uint8Array;
  readonly body: Uint8Array;
}

/** An event on its way into a chunk. */
export interface ChunkEvent {
  readonly event: StoredEvent;
  readonly id: Words;
  /** Numbers of the destinations it owes, by ordinal. */
  readonly owed: readonly number[];
  readonly bodyBytes: number;
  /** The first event's id; `null` when this one is no duplicate. */
  readonly duplicateOf: Words | null;
  /** It never had a body; one whose body was purged is not meant. */
  readonly bodiless: boolean;
}

/** Collects events and writes them as a chunk. */
export class ChunkBuilder {
  readonly seq: number;
  readonly #events: ChunkEvent[] = [];
  /** Differs from the index when a chunk is written again without some. */
  readonly #offsets: number[] = [];
  #bodyBytes = 0;

  constructor(seq: number) {
    this.seq = seq;
  }

  get count(): number {
    return this.#events.length;
  }

  /** Whether an event with so large a body goes into the next chunk instead. */
  isFullFor(bodyBytes: number): boolean {
    const count = this.#events.length;
    return count >= CHUNK_EVENTS_MAX || (count > 0 && this.#bodyBytes + bodyBytes > CHUNK_BODY_BYTES_MAX);
  }

  add(item: ChunkEvent, offset = this.#events.length): void {
    this.#events.push(item);
    this.#offsets.push(offset);
    this.#bodyBytes += item.event.body?.length ?? 0;
  }

  finish(): ChunkParts {
    const strings = new StringTable();
    const marks = new MarkCollector();
    const { meta, events } = SCRATCH;
    meta.clear();
    events.clear();
    const base = this.#events[0]?.event.receivedAt ?? 0;
    let receivedMin = base;
    let receivedMax = base;
    let unmatched = 0;
    meta.varint(VERSION);
    meta.varint(this.#events.length);
    meta.number(base);
    for (const { id } of this.#events) meta.words(id);
    let before = -1;
    this.#events.forEach((item, index) => {
      const offset = this.#offsets[index] ?? 0;
      events.varint(offset - before - 1);
      before = offset;
      writeEvent({ out: events, strings, base }, item);
      marks.add(item.event);
      receivedMin = Math.min(receivedMin, item.event.receivedAt);
      receivedMax = Math.max(receivedMax, item.event.receivedAt);
      if (item.owed.length === 0) unmatched++;
    });
    // The strings first, so that events are read in one pass.
    strings.write(meta);
    meta.raw(events.view());
    return {
      seq: this.seq,
      count: this.#events.length,
      receivedMin,
      receivedMax,
      unmatched,
      marks: marks.make(),
      meta: meta.view(),
      body: this.#bodies(),
    };
  }

  /** A directory (offset and length of each body that is there), then the bytes of all. */
  #bodies(): Uint8Array {
    const { bodies } = SCRATCH;
    bodies.clear();
    let kept = 0;
    for (const { event } of this.#events) if (event.body !== null) kept++;
    bodies.varint(kept);
    this.#events.forEach(({ event }, index) => {
      if (event.body === null) return;
      bodies.varint(this.#offsets[index] ?? 0);
      bodies.varint(event.body.length);
    });
    for (const { event } of this.#events) if (event.body !== null) bodies.raw(event.body);
    return bodies.view();
  }
}

/** Used again for every chunk: fresh memory for a quarter of a megabyte with every commit is dear. */
const SCRATCH = { meta: new ByteWriter(), events: new ByteWriter(), bodies: new ByteWriter() };

interface EventOutput {
  readonly out: ByteWriter;
  readonly strings: StringTable;
  readonly base: number;
}

/** Slots of {@link StringTable}; those of the headers follow. */
const slots = { source: 0, type: 1, method: 2, path: 3, correlationId: 4, optional: 5, headers: 12 } as const;

/** Every field has its slot; optional ones are written in the order of their flags. */
function writeEvent({ out, strings, base }: EventOutput, item: ChunkEvent): void {
  const { event, owed, duplicateOf } = item;
  const { tenant, dedupeKey, orderKey, query, traceparent, unfit, headers } = event;
  const correlatesItself = event.correlationId === event.id;
  let flags = correlatesItself ? CORRELATES_ITSELF : 0;
  if (duplicateOf !== null) flags |= IS_DUPLICATE;
  if (item.bodiless) flags |= HAS_NO_BODY;
  if (tenant !== null) flags |= HAS_TENANT;
  if (dedupeKey !== null) flags |= HAS_DEDUPE_KEY;
  if (orderKey !== null) flags |= HAS_ORDER_KEY;
  if (query !== '') flags |= HAS_QUERY;
  if (traceparent !== null) flags |= HAS_TRACE;
  if (unfit !== null) flags |= IS_UNFIT;
  out.varint(flags);
  out.number(event.receivedAt - base);
  out.varint(item.bodyBytes);
  out.varint(strings.number(slots.source, event.source));
  out.varint(strings.number(slots.type, event.type));
  out.varint(strings.number(slots.method, event.method));
  out.varint(strings.number(slots.path, event.path));
  if (!correlatesItself) out.varint(strings.number(slots.correlationId, event.correlationId));
  if (tenant !== null) out.varint(strings.number(slots.optional, tenant));
  if (dedupeKey !== null) out.varint(strings.number(slots.optional + 1, dedupeKey));
  if (orderKey !== null) out.varint(strings.number(slots.optional + 2, orderKey));
  if (query !== '') out.varint(strings.number(slots.optional + 3, query));
  if (traceparent !== null) out.varint(strings.number(slots.optional + 4, traceparent));
  if (unfit !== null) out.varint(strings.number(slots.optional + 5, unfit));
  if (duplicateOf !== null) out.words(duplicateOf);
  out.varint(headers.length);
  for (let index = 0; index < headers.length; index++) {
    out.varint(strings.number(slots.headers + index, headers[index] ?? ''));
  }
  out.varint(owed.length);
  for (let ordinal = 0; ordinal < owed.length; ordinal++) out.varint(owed[ordinal] ?? 0);
}

/** The marks of a chunk's events. Sources, types and tenants repeat, so what was hashed last is not hashed again. */
class MarkCollector {
  readonly #hashes: number[] = [];
  #last: readonly [string, string, string | null] = ['', '', null];
  readonly #seen = new Set<number>();

  add({ source, type, tenant, dedupeKey, correlationId, id }: StoredEvent): void {
    const [lastSource, lastType, lastTenant] = this.#last;
    if (source !== lastSource || type !== lastType || tenant !== lastTenant || this.#hashes.length === 0) {
      this.#last = [source, type, tenant];
      this.#once(markOf('source', source));
      this.#once(markOf('type', type));
      if (tenant !== null) this.#once(markOf('tenant', tenant));
    }
    if (dedupeKey !== null) this.#hashes.push(markOf('dedupeKey', dedupeKey));
    // An event that correlates with itself is found by its id.
    if (correlationId !== id) this.#hashes.push(markOf('correlationId', correlationId));
  }

  make(): Uint8Array {
    return makeMarks(this.#hashes);
  }

  #once(hash: number): void {
    if (this.#seen.has(hash)) return;
    this.#seen.add(hash);
    this.#hashes.push(hash);
  }
}

/** An event as it is in a chunk, without its body. */
export interface ChunkEntry {
  readonly seq: number;
  readonly idBytes: Uint8Array;
  readonly receivedAt: number;
  readonly bodyBytes: number;
  readonly source: string;
  readonly type: string;
  readonly method: string;
  readonly path: string;
  readonly tenant: string | null;
  readonly dedupeKey: string | null;
  readonly orderKey: string | null;
  readonly query: string;
  readonly traceparent: string | null;
  readonly unfit: string | null;
  readonly correlationId: string;
  readonly duplicateOf: Uint8Array | null;
  readonly headers: HeaderList;
  readonly owed: readonly number[];
  /** Committed without a body at all. */
  readonly bodiless: boolean;
}

/** Reads the events of a chunk; the bytes are unsealed already. */
export function readChunk(seq: number, meta: Uint8Array): ChunkEntry[] {
  const place = `chunk ${seq}`;
  const from = new ByteReader(meta, place);
  const version = from.varint();
  const count = from.varint();
  if (version !== VERSION || count > from.rest) throw damaged(place);
  const base = from.number();
  const ids = from.raw(count * ID_BYTES);
  const strings = readStrings(from, place);
  const text = (): string => {
    const found = strings[from.varint()];
    if (found === undefined) throw damaged(place);
    return found;
  };
  const entries: ChunkEntry[] = [];
  let before = -1;
  for (let index = 0; index < count; index++) {
    before += from.varint() + 1;
    const idBytes = ids.subarray(index * ID_BYTES, (index + 1) * ID_BYTES);
    entries.push(readEvent({ from, text, base }, seq + before, idBytes));
  }
  return entries;
}

interface EventInput {
  readonly from: ByteReader;
  /** The next string. */
  readonly text: () => string;
  readonly base: number;
}

/** Reads what {@link writeEvent} wrote, in the same order. */
function readEvent({ from, text, base }: EventInput, seq: number, idBytes: Uint8Array): ChunkEntry {
  const flags = from.varint();
  const receivedAt = base + from.number();
  const bodyBytes = from.varint();
  const [source, type, method, path] = [text(), text(), text(), text()];
  const correlationId = (flags & CORRELATES_ITSELF) === 0 ? text() : formatId('evt', idBytes);
  const tenant = (flags & HAS_TENANT) === 0 ? null : text();
  const dedupeKey = (flags & HAS_DEDUPE_KEY) === 0 ? null : text();
  const orderKey = (flags & HAS_ORDER_KEY) === 0 ? null : text();
  const query = (flags & HAS_QUERY) === 0 ? '' : text();
  const traceparent = (flags & HAS_TRACE) === 0 ? null : text();
  const unfit = (flags & IS_UNFIT) === 0 ? null : text();
  const duplicateOf = (flags & IS_DUPLICATE) === 0 ? null : from.raw(ID_BYTES);
  const headers: string[] = [];
  for (let left = from.varint(); left > 0; left--) headers.push(text());
  const owed: number[] = [];
  for (let left = from.varint(); left > 0; left--) owed.push(from.varint());
  const bodiless = (flags & HAS_NO_BODY) !== 0;
  const first = { seq, idBytes, receivedAt, bodyBytes, source, type, method, path, correlationId, tenant, dedupeKey };
  return { ...first, orderKey, query, traceparent, unfit, duplicateOf, headers, owed, bodiless };
}

/** The bodies in a body blob, by seq: views of its bytes. */
export function readBodies(seq: number, raw: Uint8Array): Map<number, Uint8Array> {
  const place = `body ${seq}`;
  const from = new ByteReader(raw, place);
  const count = from.varint();
  if (count > from.rest) throw damaged(place);
  const directory = Array.from({ length: count }, () => [from.varint(), from.varint()] as const);
  return new Map(directory.map(([offset, length]) => [seq + offset, from.raw(length)]));
}
