/** Reading events: chunks are decoded whole, and the last few are kept, because claims and lists go on in them. */
import { formatId, idBytes } from '../../core/id.ts';
import type { StoredEvent } from '../../core/event.ts';
import { type ChunkEntry, readBodies, readChunk } from './chunk.ts';
import { damaged } from './failure.ts';
import type { Reader } from './reader.ts';
import type { Row } from './script.ts';
import { unseal } from './sealed.ts';

/** Decoded bytes that are kept. */
const KEPT_BYTES_MAX = 6 * 1024 * 1024;
/** What a decoded entry costs in memory, about. */
const ENTRY_BYTES = 600;

export interface Chunk {
  readonly seq: number;
  readonly committedAt: number;
  readonly entries: readonly ChunkEntry[];
}

export class Chunks {
  readonly #reader: Reader;
  /** By seq, in the order of use. */
  readonly #chunks = new Map<number, Chunk>();
  readonly #bodies = new Map<number, Map<number, Uint8Array>>();
  readonly #weights = new Map<number, number>();
  #weight = 0;
  #last: Chunk | null = null;
  /** Retention has been at chunks below this seq, and above it at those in `kept`. */
  purgedTo = 0;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** The chunk that holds this seq; `null`: none does. */
  holding(seq: number): Chunk | null {
    // Claims and lists go on in the chunk they are in.
    const last = this.#last;
    if (last !== null && seq >= last.seq && seq <= (last.entries.at(-1)?.seq ?? -1)) return last;
    const row = this.#reader.first({ sql: 'SELECT seq FROM chunk WHERE seq <= ? ORDER BY seq DESC LIMIT 1' }, seq);
    this.#last = row === null ? null : this.get(Number(row['seq']));
    return this.#last;
  }

  /** The chunk that begins with this seq. */
  get(seq: number): Chunk | null {
    const known = this.#chunks.get(seq);
    if (known !== undefined) return known;
    const row = this.#reader.first({ sql: 'SELECT seq, committed_at, meta FROM chunk WHERE seq = ?' }, seq);
    if (row === null) return null;
    const chunk = decodeChunk(row);
    this.#chunks.set(seq, chunk);
    this.#weigh(seq, chunk.entries.length * ENTRY_BYTES);
    return chunk;
  }

  /** The entry of an event by its seq. */
  entry(seq: number): ChunkEntry | null {
    return entryOf(this.holding(seq), seq);
  }

  /** Where the event with this id is; `null`: nowhere. */
  find(id: string): { readonly chunk: Chunk; readonly entry: ChunkEntry } | null {
    const bytes = id.startsWith('evt_') ? idBytes(id) : null;
    if (bytes === null) return null;
    const row = this.#reader.first('chunkWithId', bytes);
    const chunk = row === null ? null : this.get(Number(row['seq']));
    const entry = chunk?.entries.find((entry) => equal(entry.idBytes, bytes));
    if (chunk !== null && entry !== undefined) return { chunk, entry };
    const stray = this.#reader.first('stray', bytes);
    if (stray === null) return null;
    const holder = this.holding(Number(stray['seq']));
    const found = entryOf(holder, Number(stray['seq']));
    return holder === null || found === null ? null : { chunk: holder, entry: found };
  }

  /** Whether the event with this id is there. Where retention has not been, that is told without reading its chunk. */
  has(id: string): boolean {
    const bytes = idBytes(id);
    const row = bytes === null ? null : this.#reader.first('chunkWithId', bytes);
    // Behind a chunk whose ids are all lower, and where nothing has gone, it is in the one that it must be in.
    const between = row === null ? null : this.#reader.first('chunkBetween', this.purgedTo, Number(row['seq']));
    return between !== null || this.find(id) !== null;
  }

  /** The whole event, with its body unless that was purged. */
  event(chunk: Chunk, entry: ChunkEntry): StoredEvent {
    // A copy: a view would keep the bodies of a whole chunk in memory for one event.
    const body = entry.bodiless ? null : (this.#bodiesOf(chunk.seq).get(entry.seq)?.slice() ?? null);
    if (body !== null && body.length !== entry.bodyBytes) throw damaged(`body ${chunk.seq}`);
    return {
      id: formatId('evt', entry.idBytes),
      source: entry.source,
      type: entry.type,
      tenant: entry.tenant,
      dedupeKey: entry.dedupeKey,
      orderKey: entry.orderKey,
      receivedAt: entry.receivedAt,
      method: entry.method,
      path: entry.path,
      query: entry.query,
      headers: entry.headers,
      body,
      correlationId: entry.correlationId,
      traceparent: entry.traceparent,
      unfit: entry.unfit,
      duplicateOf: entry.duplicateOf === null ? null : formatId('evt', entry.duplicateOf),
    };
  }

  /** Whether the body of an event is still there. */
  hasBody(chunk: Chunk, entry: ChunkEntry): boolean {
    return !entry.bodiless && this.#bodiesOf(chunk.seq).has(entry.seq);
  }

  forget(seq: number): void {
    if (this.#last?.seq === seq) this.#last = null;
    this.#chunks.delete(seq);
    this.#bodies.delete(seq);
    this.#weight -= this.#weights.get(seq) ?? 0;
    this.#weights.delete(seq);
  }

  #bodiesOf(seq: number): Map<number, Uint8Array> {
    const known = this.#bodies.get(seq);
    if (known !== undefined) return known;
    const row = this.#reader.first('body', seq);
    if (row === null && !this.#mayLackBodies(seq)) throw damaged(`body ${seq}`);
    const raw = row === null ? null : unseal('body', seq, row['data'] as Uint8Array);
    const bodies = raw === null ? new Map<number, Uint8Array>() : readBodies(seq, raw);
    this.#bodies.set(seq, bodies);
    this.#weigh(seq, raw?.length ?? 0);
    return bodies;
  }

  /** Only what retention has been at may have lost its bodies; anywhere else a missing body is damage. */
  #mayLackBodies(seq: number): boolean {
    return seq < this.purgedTo || this.#reader.first({ sql: 'SELECT 1 FROM kept WHERE seq = ?' }, seq) !== null;
  }

  #weigh(seq: number, bytes: number): void {
    this.#weights.set(seq, (this.#weights.get(seq) ?? 0) + bytes);
    this.#weight += bytes;
    for (const oldest of this.#weights.keys()) {
      if (this.#weight <= KEPT_BYTES_MAX || this.#weights.size === 1) break;
      if (oldest !== seq) this.forget(oldest);
      else break;
    }
  }
}

/** A row of `chunk` with `seq`, `committed_at` and `meta`, decoded. */
export function decodeChunk(row: Row): Chunk {
  const seq = Number(row['seq']);
  const entries = readChunk(seq, unseal('chunk', seq, row['meta'] as Uint8Array));
  return { seq, committedAt: Number(row['committed_at']), entries };
}

/** Entries rise by seq, mostly without gaps. */
export function entryOf(chunk: Chunk | null, seq: number): ChunkEntry | null {
  if (chunk === null) return null;
  const likely = chunk.entries[seq - chunk.seq];
  if (likely?.seq === seq) return likely;
  return chunk.entries.find((entry) => entry.seq === seq) ?? null;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  for (let index = 0; index < 16; index++) if (a[index] !== b[index]) return false;
  return true;
}
