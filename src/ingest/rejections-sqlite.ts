/**
 * Rejections in an SQLite file of their own, so that a restart with the corrected secret still finds them. Written in
 * batches off the request's way, without waiting for the disk: a crash may lose the newest second of them.
 */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import type { Clock, Timer } from '../core/clock.ts';
import type { HeaderList } from '../core/event.ts';
import type { Observer } from '../core/observer.ts';
import type { ErrorCode } from '../errors.ts';
import type { Listed, Page } from '../store/store.ts';
import {
  type Rejection,
  type RejectionBounds,
  RejectionBook,
  rejectionBytes,
  type RejectionCounts,
  type RejectionFilter,
  type RejectionLog,
  type RejectionStep,
  type RejectionSummary,
} from './rejections.ts';

export interface SqliteRejectionsOptions extends RejectionBounds {
  readonly path: string;
  readonly observer: Observer;
}

/** How long a rejection waits to be written with others, and how many may. */
const WRITE_MS = 200;
const WAITING_MAX = 256;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS rejections (
    id TEXT PRIMARY KEY, source TEXT NOT NULL, reason TEXT NOT NULL, receivedAt INTEGER NOT NULL, bytes INTEGER NOT NULL,
    method TEXT NOT NULL, path TEXT NOT NULL, query TEXT NOT NULL, headers TEXT NOT NULL, remoteAddress TEXT NOT NULL,
    step TEXT NOT NULL, code TEXT NOT NULL, detail TEXT, correlationId TEXT NOT NULL, verifiable INTEGER NOT NULL,
    body BLOB NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS rejections_by_kind ON rejections (source, reason, id);
`;
const SUMMARY =
  'id, source, reason, receivedAt, method, path, query, remoteAddress, step, code, detail, correlationId, verifiable, length(body) AS bodyBytes';

type Row = Record<string, SQLOutputValue>;

interface Opened {
  readonly db: DatabaseSync;
  readonly insert: StatementSync;
  readonly oldest: StatementSync;
  readonly remove: StatementSync;
}

export class SqliteRejections implements RejectionLog {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #book: RejectionBook;
  #opened: Opened | null = null;
  #waiting: Rejection[] = [];
  #timer: Timer | null = null;
  #failing = false;

  constructor({ path, observer, ...bounds }: SqliteRejectionsOptions) {
    this.#path = path;
    this.#observer = observer;
    this.#clock = bounds.clock;
    this.#book = new RejectionBook(bounds);
  }

  open(): Promise<void> {
    if (this.#opened !== null) return Promise.resolve();
    try {
      this.#open();
    } catch (error) {
      if (!isDamaged(error)) throw error;
      // It is no part of what was promised: a damaged one is put aside rather than keep the gateway from starting.
      putAside(this.#path);
      this.#open();
      this.#observer.note('error', 'the rejection log was damaged and begins anew', { error: messageOf(error) });
    }
    return Promise.resolve();
  }

  /** Counting reads every page: damage that opening does not meet is met here. */
  #open(): void {
    const opened = openFile(this.#path);
    try {
      this.#count(opened);
    } catch (error) {
      opened.db.close();
      throw error;
    }
    this.#opened = opened;
  }

  add(rejection: Rejection): void {
    if (this.#opened === null || !this.#book.admit(rejection)) return;
    if (this.#waiting.length >= WAITING_MAX) this.#write();
    this.#waiting.push(rejection);
    this.#timer ??= this.#clock.schedule(WRITE_MS, () => this.#write());
  }

  list(filter: RejectionFilter, page: Page): Promise<Listed<RejectionSummary>> {
    const opened = this.#written();
    if (opened === null) return Promise.resolve({ rows: [], cursor: null });
    const { where, values } = conditions(filter, page);
    const order = page.oldestFirst === true ? 'ASC' : 'DESC';
    const found = opened.db
      .prepare(`SELECT ${SUMMARY} FROM rejections ${where} ORDER BY id ${order} LIMIT ?`)
      .all(...values, page.limit + 1);
    const rows = found.slice(0, page.limit).map(toSummary);
    return Promise.resolve({ rows, cursor: found.length > page.limit ? (rows.at(-1)?.id ?? null) : null });
  }

  get(id: string): Promise<Rejection | null> {
    const row = this.#written()?.db.prepare(`SELECT ${SUMMARY}, headers, body FROM rejections WHERE id = ?`).get(id);
    return Promise.resolve(row === undefined ? null : toRejection(row));
  }

  counts(): Promise<RejectionCounts> {
    this.#write();
    return Promise.resolve(this.#book.counts());
  }

  delete(ids: readonly string[]): Promise<number> {
    const opened = this.#written();
    return Promise.resolve(opened === null ? 0 : ids.filter((id) => this.#remove(opened, id)).length);
  }

  close(): Promise<void> {
    this.#write();
    this.#opened?.db.close();
    this.#opened = null;
    return Promise.resolve();
  }

  #written(): Opened | null {
    this.#write();
    return this.#opened;
  }

  #write(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const rejections = this.#waiting;
    this.#waiting = [];
    if (this.#opened === null || rejections.length === 0) return;
    const { db } = this.#opened;
    try {
      db.exec('BEGIN');
      for (const rejection of rejections) this.#insert(this.#opened, rejection);
      this.#bound(this.#opened);
      db.exec('COMMIT');
      this.#failing = false;
    } catch (error) {
      this.#failed(this.#opened, rejections, error);
    }
  }

  #insert({ insert }: Opened, rejection: Rejection): void {
    const { source, reason, body } = rejection;
    const bytes = rejectionBytes(rejection);
    insert.run(
      rejection.id,
      source,
      reason,
      rejection.receivedAt,
      bytes,
      rejection.method,
      rejection.path,
      rejection.query,
      JSON.stringify(rejection.headers),
      rejection.remoteAddress,
      rejection.step,
      rejection.code,
      rejection.detail,
      rejection.correlationId,
      rejection.verifiable ? 1 : 0,
      body,
    );
    this.#book.change(source, reason, { count: 1, bytes });
  }

  /** What is kept is what the file says. */
  #count({ db }: Opened): void {
    this.#book.clear();
    const kinds = db.prepare(
      'SELECT source, reason, count(*) AS count, sum(bytes) AS bytes FROM rejections GROUP BY source, reason',
    );
    for (const row of kinds.all()) {
      this.#book.change(String(row['source']), String(row['reason']), {
        count: Number(row['count']),
        bytes: Number(row['bytes']),
      });
    }
  }

  /** The oldest of the fullest kind give way. */
  #bound(opened: Opened): void {
    for (let group = this.#book.fullest(); group !== null; group = this.#book.fullest()) {
      const oldest = opened.oldest.get(group.source, group.reason);
      if (oldest === undefined || !this.#remove(opened, String(oldest['id']))) return;
      this.#book.drop();
    }
  }

  #remove({ remove }: Opened, id: string): boolean {
    const row = remove.get(id);
    if (row === undefined) return false;
    this.#book.change(String(row['source']), String(row['reason']), { count: -1, bytes: -Number(row['bytes']) });
    return true;
  }

  /** They are lost, and counted: a full disk has better uses. */
  #failed(opened: Opened, rejections: readonly Rejection[], error: unknown): void {
    try {
      if (opened.db.isTransaction) opened.db.exec('ROLLBACK');
      this.#count(opened);
    } catch {
      // It cannot be read either. Counts are wrong from now on, and nobody waits for them.
    }
    for (const _ of rejections) this.#book.drop();
    if (!this.#failing) this.#observer.note('error', 'rejections cannot be written', { error: messageOf(error) });
    this.#failing = true;
  }
}

function openFile(path: string): Opened {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (!existsSync(path)) {
    closeSync(openSync(path, 'a', 0o600));
    chmodSync(path, 0o600);
  }
  const db = new DatabaseSync(path);
  try {
    // NORMAL: a power cut may take the newest of them, never the file.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 1000;');
    db.exec(SCHEMA);
    return {
      db,
      insert: db.prepare(`INSERT OR REPLACE INTO rejections VALUES (${new Array(16).fill('?').join(', ')})`),
      oldest: db.prepare('SELECT id FROM rejections WHERE source = ? AND reason = ? ORDER BY id LIMIT 1'),
      remove: db.prepare('DELETE FROM rejections WHERE id = ? RETURNING source, reason, bytes'),
    };
  } catch (error) {
    db.close();
    throw error;
  }
}

const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

function isDamaged(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
}

function putAside(path: string): void {
  renameSync(path, `${path}.damaged`);
  for (const end of ['-wal', '-shm']) rmSync(path + end, { force: true });
}

function conditions(filter: RejectionFilter, page: Page): { where: string; values: (string | number)[] } {
  const { source, code, reason, ids, since, until } = filter;
  const all: [string, string | number | undefined][] = [
    ['source = ?', source],
    ['code = ?', code],
    ['reason = ?', reason],
    ['id IN (SELECT value FROM json_each(?))', ids === undefined ? undefined : JSON.stringify(ids)],
    ['receivedAt >= ?', since],
    ['receivedAt < ?', until],
    [page.oldestFirst === true ? 'id > ?' : 'id < ?', page.cursor],
  ];
  const given = all.filter((one): one is [string, string | number] => one[1] !== undefined);
  const where = given.length === 0 ? '' : `WHERE ${given.map(([condition]) => condition).join(' AND ')}`;
  return { where, values: given.map(([, value]) => value) };
}

function toSummary(row: Row): RejectionSummary {
  return {
    id: String(row['id']),
    source: String(row['source']),
    receivedAt: Number(row['receivedAt']),
    method: String(row['method']),
    path: String(row['path']),
    query: String(row['query']),
    remoteAddress: String(row['remoteAddress']),
    // Only `add` writes them.
    step: String(row['step']) as RejectionStep,
    code: String(row['code']) as ErrorCode,
    reason: String(row['reason']),
    detail: row['detail'] === null ? null : String(row['detail']),
    correlationId: String(row['correlationId']),
    verifiable: row['verifiable'] === 1,
    bodyBytes: Number(row['bodyBytes']),
  };
}

function toRejection(row: Row): Rejection {
  const { bodyBytes: _bodyBytes, ...summary } = toSummary(row);
  const body = row['body'];
  return {
    ...summary,
    headers: JSON.parse(String(row['headers'])) as HeaderList,
    body: body instanceof Uint8Array ? body : new Uint8Array(0),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
