/**
 * The spool in an SQLite file of its own, with the ownership, the settings and the writer's thread of the embedded store.
 * Every change is one transaction, so that a crash leaves each append whole or not there.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../../core/clock.ts';
import type { StoredEvent } from '../../core/event.ts';
import { HoldfastError } from '../../errors.ts';
import type { AsideRow, SpoolCounts, SpooledAppend, SpooledRow, SpoolFile, SpoolOpened } from '../spool.ts';
import { StoreError } from '../store.ts';
import { assertVersion, connectWriter, createFile, readBack } from './connection.ts';
import { ScriptError, storeErrorOf } from './executor.ts';
import { damaged, isDamage, toStoreError } from './failure.ts';
import { check } from './open.ts';
import { fileBehind, type Ownership, takeOwnership } from './ownership.ts';
import type { Param, Row, Step } from './script.ts';
import { columnsOf, decodeRow, encodeAppend } from './spool-rows.ts';
import { StillThere } from './still-there.ts';
import { ThreadWriter, type Writer } from './writer.ts';

export interface SqliteSpoolOptions {
  /** The database file; `-wal`, `-shm` and `.lock` lie beside it. Its directory is made when it is not there. */
  readonly path: string;
  readonly clock: Clock;
}

const FORMAT = 1;
const SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
  CREATE TABLE spooled (
    place INTEGER PRIMARY KEY,
    spooled_at INTEGER NOT NULL,
    events INTEGER NOT NULL, bytes INTEGER NOT NULL,
    doubtful INTEGER NOT NULL,
    aside_at INTEGER, reason TEXT,
    encoding INTEGER NOT NULL, sum INTEGER NOT NULL, meta TEXT NOT NULL, bodies BLOB NOT NULL
  ) STRICT;
  CREATE INDEX spooled_aside ON spooled (place) WHERE aside_at IS NOT NULL;
  CREATE TABLE spooled_event (id TEXT PRIMARY KEY, place INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

const INSERT = `INSERT INTO spooled (place, spooled_at, events, bytes, doubtful, encoding, sum, meta, bodies)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const NEXT = `SELECT * FROM spooled WHERE place IN (
    SELECT place FROM (
      SELECT place, sum(bytes) OVER (ORDER BY place) - bytes AS before
      FROM (SELECT place, bytes FROM spooled WHERE aside_at IS NULL ORDER BY place LIMIT ?))
    WHERE before < ?)
  ORDER BY place`;
const COUNTS = `SELECT count(*) FILTER (WHERE aside_at IS NULL) AS appends,
    coalesce(sum(events) FILTER (WHERE aside_at IS NULL), 0) AS events,
    coalesce(sum(bytes), 0) AS bytes,
    min(spooled_at) FILTER (WHERE aside_at IS NULL) AS oldestAt,
    count(*) FILTER (WHERE aside_at IS NOT NULL) AS aside
  FROM spooled`;
const OLDEST = 'SELECT spooled_at FROM spooled WHERE aside_at IS NULL ORDER BY place LIMIT 1';
const PLACES = 'SELECT value FROM json_each(?)';
const ASIDE_MAX = 100;
/** Log written since the last checkpoint that asks for one. */
const LOG_BYTES = 16 * 1024 * 1024;

/** A spool in one SQLite file. Owned by one process from `open` to `close`. */
export function sqliteSpool(options: SqliteSpoolOptions): SpoolFile {
  return new SqliteSpool(options);
}

interface Opened {
  readonly ownership: Ownership;
  readonly writer: Writer;
  readonly stillThere: StillThere;
  readonly report: SpoolOpened;
}

class SqliteSpool implements SpoolFile {
  readonly #options: SqliteSpoolOptions;
  #opened: Opened | null = null;
  #counts: SpoolCounts = { appends: 0, events: 0, bytes: 0, oldestAt: null, aside: 0 };
  #nextPlace = 1;
  #offeredTo = 0;
  #logBytes = 0;

  constructor(options: SqliteSpoolOptions) {
    this.#options = options;
  }

  async open(): Promise<SpoolOpened> {
    if (this.#opened !== null) return this.#opened.report;
    const path = fileBehind(this.#options.path);
    const ownership = takeOwnership(path);
    try {
      createFile(path);
      const report = { settings: this.#prepare(path) };
      const stillThere = new StillThere(path, this.#options.clock);
      this.#opened = { ownership, writer: new ThreadWriter({ path, synchronous: 'FULL' }), stillThere, report };
      return report;
    } catch (error) {
      ownership.release();
      throw isDamage(error) ? damaged('the structure of the spool', error) : toStoreError(error, true);
    }
  }

  async put(appends: readonly SpooledAppend[]): Promise<void> {
    const now = this.#options.clock.now();
    const steps: Step[] = [];
    const more = { events: 0, bytes: 0 };
    let place = this.#nextPlace;
    for (const append of appends) {
      const encoded = encodeAppend(append);
      const { events, doubtful } = append;
      steps.push(
        step(INSERT, place, now, events.length, encoded.bytes, Number(doubtful), ...columnsOf(encoded)),
        ...events.map(({ event }) => step('INSERT INTO spooled_event (id, place) VALUES (?, ?)', event.id, place)),
      );
      more.events += events.length;
      more.bytes += encoded.bytes;
      place++;
    }
    // Also when it fails: places never come twice.
    this.#nextPlace = place;
    await this.#commit(steps);
    this.#counts = { ...this.#plus({ appends: appends.length, ...more }), oldestAt: this.#counts.oldestAt ?? now };
    await this.#wrote(more.bytes);
  }

  async next(rowsMax: number, bytesMax: number): Promise<readonly SpooledRow[]> {
    const rows: SpooledRow[] = [];
    for (const row of await this.#read(NEXT, rowsMax, bytesMax)) {
      try {
        rows.push(decodeRow(row, this.#offeredTo));
      } catch (error) {
        await this.setAside(Number(row['place']), error instanceof Error ? error.message : String(error));
      }
    }
    return rows;
  }

  async offer(place: number): Promise<void> {
    if (place <= this.#offeredTo) return;
    await this.#commit([step('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)', 'offeredTo', place)]);
    this.#offeredTo = place;
  }

  async remove(rows: readonly SpooledRow[]): Promise<void> {
    if (rows.length === 0) return;
    const ids = rows.flatMap(({ events }) => events.map(({ event }) => event.id));
    const places = JSON.stringify(rows.map(({ place }) => place));
    const [, removed = [], oldest = []] = await this.#run(
      [
        step(`DELETE FROM spooled_event WHERE id IN (${PLACES})`, JSON.stringify(ids)),
        step(`DELETE FROM spooled WHERE place IN (${PLACES}) RETURNING events, bytes`, places),
        step(OLDEST),
      ],
      true,
    );
    const less = { appends: -removed.length, events: -sumOf(removed, 'events'), bytes: -sumOf(removed, 'bytes') };
    this.#counts = { ...this.#plus(less), oldestAt: oldest.length === 0 ? null : Number(oldest[0]?.['spooled_at']) };
    if (this.#counts.appends === 0) await this.#shrink();
  }

  async setAside(place: number, reason: string): Promise<void> {
    const now = this.#options.clock.now();
    await this.#commit([step('UPDATE spooled SET aside_at = ?, reason = ? WHERE place = ?', now, reason, place)]);
    await this.#recount();
  }

  async takeBack(): Promise<number> {
    const { aside } = this.#counts;
    // It may have been on its way into the store when it was set aside.
    await this.#commit([step('UPDATE spooled SET aside_at = NULL, reason = NULL, doubtful = 1 WHERE aside_at > 0')]);
    await this.#recount();
    return aside;
  }

  async asideRows(): Promise<readonly AsideRow[]> {
    const sql = `SELECT place, spooled_at, aside_at, reason,
        (SELECT json_group_array(id) FROM spooled_event AS e WHERE e.place = s.place) AS ids
      FROM spooled AS s WHERE aside_at IS NOT NULL ORDER BY place LIMIT ?`;
    return (await this.#read(sql, ASIDE_MAX)).map((row) => ({
      place: Number(row['place']),
      eventIds: JSON.parse(String(row['ids'])) as string[],
      spooledAt: Number(row['spooled_at']),
      asideAt: Number(row['aside_at']),
      reason: String(row['reason']),
    }));
  }

  async find(eventId: string): Promise<StoredEvent | null> {
    const sql = 'SELECT * FROM spooled WHERE place = (SELECT place FROM spooled_event WHERE id = ?)';
    const [row] = await this.#read(sql, eventId);
    if (row === undefined) return null;
    const { events } = decodeRow(row, this.#offeredTo);
    return events.find(({ event }) => event.id === eventId)?.event ?? null;
  }

  counts(): SpoolCounts {
    return this.#counts;
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    await opened?.writer.close();
    opened?.ownership.release();
  }

  /** Migrates and looks at the file, on a connection of its own. Answers the settings as read back. */
  #prepare(path: string): Record<string, string | number> {
    const database = connectWriter(path, 'FULL');
    try {
      const settings = { sqlite: assertVersion(database), ...readBack(database, 'FULL') };
      check(database, path);
      migrate(database, path);
      const one = (sql: string): Row => (database.prepare(sql).get() ?? {}) as Row;
      this.#offeredTo = Number(one("SELECT value FROM meta WHERE key = 'offeredTo'")['value'] ?? 0);
      const last = Number(one('SELECT max(place) AS place FROM spooled')['place'] ?? 0);
      // Above every place that may have been offered: what is new is not doubtful.
      this.#nextPlace = Math.max(last, this.#offeredTo) + 1;
      this.#counts = countsOf(one(COUNTS));
      return settings;
    } finally {
      database.close();
    }
  }

  #plus(more: { readonly appends: number; readonly events: number; readonly bytes: number }): SpoolCounts {
    const { appends, events, bytes, ...rest } = this.#counts;
    return { ...rest, appends: appends + more.appends, events: events + more.events, bytes: bytes + more.bytes };
  }

  async #recount(): Promise<void> {
    const [row] = await this.#read(COUNTS);
    if (row !== undefined) this.#counts = countsOf(row);
  }

  async #commit(steps: readonly Step[]): Promise<void> {
    await this.#run(steps, true);
  }

  async #read(sql: string, ...params: readonly Param[]): Promise<readonly Row[]> {
    const [rows] = await this.#run([step(sql, ...params)], false);
    return rows ?? [];
  }

  async #run(steps: readonly Step[], commit: boolean): Promise<readonly (readonly Row[])[]> {
    if (this.#opened === null) throw new StoreError('unavailable', 'The spool is not open.');
    this.#opened.stillThere.look();
    try {
      return (await this.#opened.writer.run({ begin: commit, steps, commit })).rows;
    } catch (error) {
      throw error instanceof ScriptError ? storeErrorOf(error) : error;
    }
  }

  /** There is one connection, so a checkpoint moves the whole log, and the log starts anew. */
  async #wrote(bytes: number): Promise<void> {
    this.#logBytes += bytes;
    if (this.#logBytes < LOG_BYTES) return;
    this.#logBytes = 0;
    await this.#read('PRAGMA wal_checkpoint(PASSIVE)');
  }

  /** Gives the disk back what the spool took. */
  async #shrink(): Promise<void> {
    this.#logBytes = 0;
    await this.#read('PRAGMA incremental_vacuum');
    await this.#read('PRAGMA wal_checkpoint(TRUNCATE)');
  }
}

function step(sql: string, ...params: readonly Param[]): Step {
  return { statement: { sql }, params };
}

function sumOf(rows: readonly Row[], column: 'events' | 'bytes'): number {
  return rows.reduce((sum, row) => sum + Number(row[column]), 0);
}

function countsOf(row: Row): SpoolCounts {
  return {
    appends: Number(row['appends']),
    events: Number(row['events']),
    bytes: Number(row['bytes']),
    oldestAt: row['oldestAt'] === null ? null : Number(row['oldestAt']),
    aside: Number(row['aside']),
  };
}

/** @throws HoldfastError config_invalid for a database of something else, store_format */
function migrate(database: DatabaseSync, path: string): void {
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  if (tables.length === 0) {
    database.exec(`BEGIN IMMEDIATE; ${SCHEMA} INSERT INTO meta VALUES ('spoolFormat', ${FORMAT}); COMMIT`);
    return;
  }
  const known = tables.some(({ name }) => name === 'spooled');
  if (!known)
    throw new HoldfastError('config_invalid', { detail: `spool: ${path} is no spool, but another database.` });
  const format = Number(database.prepare("SELECT value FROM meta WHERE key = 'spoolFormat'").get()?.['value'] ?? 0);
  if (format > FORMAT)
    throw new HoldfastError('store_format', {
      detail: `The spool has format ${format}; this version reads ${FORMAT}.`,
    });
}
