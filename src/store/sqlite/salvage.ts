/**
 * Takes what is intact out of a damaged file. Reads row by row, believes only what its seal confirms, and goes on behind
 * whatever cannot be read. Writes nothing into the file.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { HeaderList } from '../../core/event.ts';
import { formatId } from '../../core/id.ts';
import { type ChunkEntry, readBodies } from './chunk.ts';
import { type Chunk, decodeChunk } from './chunks.ts';
import { connectReader } from './connection.ts';
import { damaged } from './failure.ts';
import { Page, SUCCEEDED } from './page.ts';
import { ORDINALS, positionOf, SEQ_MAX } from './position.ts';
import { rowStates } from './rows.ts';
import type { Row } from './script.ts';
import { unseal } from './sealed.ts';

/** A delivery as far as the file still tells. */
export interface SalvagedDelivery {
  readonly destination: string;
  /** `unknown`: what was known of it is damaged; take it to be open. */
  readonly state: 'open' | 'succeeded' | 'skipped' | 'dead' | 'cancelled' | 'unknown';
}

export interface SalvagedEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly tenant: string | null;
  readonly dedupeKey: string | null;
  readonly orderKey: string | null;
  /** Milliseconds since 1970. */
  readonly receivedAt: number;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: HeaderList;
  /** `null`: purged, or damaged; then a problem says so. */
  readonly body: Uint8Array | null;
  readonly correlationId: string;
  readonly deliveries: readonly SalvagedDelivery[];
}

export interface SalvageReport {
  readonly events: number;
  /** Of these, without their body although it was not purged. */
  readonly bodiesLost: number;
  readonly problems: number;
}

/** Told of each event in the order of commits, and of each place that cannot be read. */
export interface SalvageSink {
  event(event: SalvagedEvent): void;
  problem(place: string, error: unknown): void;
}

const STATES = new Map<number, keyof typeof rowStates>(
  Object.entries(rowStates).map(([name, number]) => [number, name as keyof typeof rowStates]),
);

/** So far behind damage every place is tried, about a second; further on with steps that double. */
const NEAR = 32 * 1024;

/** @throws HoldfastError store_corrupt when the file cannot be opened as a database at all */
export function salvage(path: string, sink: SalvageSink): SalvageReport {
  const database = connect(path);
  try {
    return new Salvage(database, sink).run();
  } finally {
    database.close();
  }
}

function connect(path: string): DatabaseSync {
  try {
    return connectReader(path);
  } catch (error) {
    throw damaged('the head of the file', error);
  }
}

class Salvage {
  readonly #database: DatabaseSync;
  readonly #sink: SalvageSink;
  readonly #names = new Map<number, string>();
  #events = 0;
  #bodiesLost = 0;
  #problems = 0;

  constructor(database: DatabaseSync, sink: SalvageSink) {
    this.#database = database;
    this.#sink = sink;
  }

  run(): SalvageReport {
    this.#try('destination', () => {
      for (const row of this.#all('SELECT number, name FROM destination')) {
        this.#names.set(Number(row['number']), String(row['name']));
      }
    });
    let after = -1;
    for (let row = this.#next(after); row !== null; row = this.#next(after)) {
      after = Number(row['seq']);
      const found = row;
      const chunk = this.#try(`chunk ${after}`, () => decodeChunk(found));
      if (chunk !== null) this.#export(chunk);
    }
    return { events: this.#events, bodiesLost: this.#bodiesLost, problems: this.#problems };
  }

  /** The next chunk that can be read at all; behind damage, the first one after it. */
  #next(after: number): Row | null {
    const read = (from: number): Row | null =>
      this.#all('SELECT seq, committed_at, meta FROM chunk WHERE seq > ? ORDER BY seq LIMIT 1', from)[0] ?? null;
    try {
      return read(after);
    } catch (error) {
      this.#problem(`chunks after ${after}`, error);
    }
    const readable = (from: number): { readonly row: Row | null } | null => {
      try {
        return { row: read(from) };
      } catch {
        return null;
      }
    };
    // What is intact between two damaged places may be short.
    for (let from = after + 1; from <= after + NEAR; from++) {
      const found = readable(from);
      if (found !== null) return found.row;
    }
    let low = after + NEAR;
    let step = 2 * NEAR;
    while (readable(after + step) === null && after + step < SEQ_MAX) {
      low = after + step;
      step *= 2;
    }
    let high = after + step;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (readable(middle) === null) low = middle;
      else high = middle;
    }
    return readable(high)?.row ?? null;
  }

  #export({ seq, entries }: Chunk): void {
    const bodies = this.#bodies(seq);
    const pages = new Map<number, Page | null>();
    for (const entry of entries) {
      const body = bodies?.get(entry.seq) ?? null;
      if (body === null && bodies === null && !entry.bodiless) this.#bodiesLost++;
      this.#events++;
      this.#sink.event({
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
        deliveries: this.#deliveries(seq, entry, pages),
      });
    }
  }

  /** The bodies of a chunk: none where they were purged, `null` where they are damaged. */
  #bodies(seq: number): Map<number, Uint8Array> | null {
    return this.#try(`body ${seq}`, () => {
      const [row] = this.#all('SELECT data FROM body WHERE seq = ?', seq);
      return row === undefined
        ? new Map<number, Uint8Array>()
        : readBodies(seq, unseal('body', seq, row['data'] as Uint8Array));
    });
  }

  #deliveries(chunk: number, entry: ChunkEntry, pages: Map<number, Page | null>): SalvagedDelivery[] {
    const rows = this.#try(`deliveries of event ${entry.seq}`, () =>
      this.#all(
        'SELECT destination, state FROM delivery WHERE position BETWEEN ? AND ?',
        positionOf(entry.seq, 0),
        positionOf(entry.seq, ORDINALS - 1),
      ),
    );
    const states = new Map(
      (rows ?? []).map((row) => [Number(row['destination']), STATES.get(Number(row['state'])) ?? ('unknown' as const)]),
    );
    return entry.owed.map((destination, ordinal) => {
      const state = states.get(destination) ?? this.#paged(chunk, { entry, destination, ordinal }, pages);
      return { destination: this.#names.get(destination) ?? `destination ${destination}`, state };
    });
  }

  #paged(
    chunk: number,
    { entry, destination, ordinal }: { entry: ChunkEntry; destination: number; ordinal: number },
    pages: Map<number, Page | null>,
  ): SalvagedDelivery['state'] {
    let page = pages.get(destination);
    if (page === undefined) {
      page = this.#try(`page ${destination}/${chunk}`, () => {
        const [row] = this.#all('SELECT data FROM page WHERE destination = ? AND seq = ?', destination, chunk);
        return row === undefined ? null : Page.decode({ destination, seq: chunk }, row['data'] as Uint8Array);
      });
      pages.set(destination, page);
    }
    const index = page?.find(entry.seq, ordinal) ?? -1;
    if (page === null || index < 0) return 'unknown';
    if (page.isOpen(index)) return 'open';
    return page.state(index) === SUCCEEDED ? 'succeeded' : 'unknown';
  }

  #try<Result>(place: string, read: () => Result): Result | null {
    try {
      return read();
    } catch (error) {
      this.#problem(place, error);
      return null;
    }
  }

  #problem(place: string, error: unknown): void {
    this.#problems++;
    this.#sink.problem(place, error);
  }

  #all(sql: string, ...params: number[]): readonly Row[] {
    return this.#database.prepare(sql).all(...params) as unknown as readonly Row[];
  }
}
