/** Every statement of the hot path and of claims, named after what it does. The others lie beside their use. */
import { rowColumns } from './rows.ts';

const OPEN_ROW = 'state = 0 AND blocked = 0';

export const statements = {
  // -- commit: the short way
  insertChunk: `INSERT INTO chunk (seq, count, committed_at, received_min, received_max, received_high, early,
    unmatched, high_id, marks, meta) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  insertBody: 'INSERT INTO body (seq, data) VALUES (?, ?)',
  noteEarly: 'INSERT OR REPLACE INTO kept (seq, fresh, look_at) VALUES (?, 1, ?)',
  insertStray: 'INSERT INTO stray (id, seq) VALUES (?, ?)',
  writePage: `INSERT OR REPLACE INTO page (destination, seq, open, started, succeeded, data)
    VALUES (?, ?, ?, ?, ?, ?)`,
  insertRecent: 'INSERT INTO recent (turn, bucket, data) VALUES (?, ?, ?)',
  insertDestination: `INSERT INTO destination (number, name, head, received, succeeded, skipped, failed, dead,
    open_paged, open_rows, blocked, unresolved) VALUES (?, ?, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)`,
  countDestination: `UPDATE destination SET received = received + ?2, succeeded = succeeded + ?3,
    skipped = skipped + ?4, failed = failed + ?5, dead = dead + ?6, open_paged = open_paged + ?7,
    open_rows = open_rows + ?8, blocked = blocked + ?9, unresolved = unresolved + ?10 WHERE number = ?1`,
  countSource: `INSERT INTO source (name, accepted, duplicates, differing, kept) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (name) DO UPDATE SET accepted = accepted + ?2, duplicates = duplicates + ?3,
    differing = differing + ?4, kept = kept + ?5`,
  setMeta: 'INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)',

  // -- commit: rows
  insertRow: `INSERT INTO delivery (${rowColumns.join(', ')}, blocked, started)
    VALUES (${rowColumns.map(() => '?').join(', ')}, 0, 0)`,
  /** Whatever is first in a queue is free, or nothing is, while a dead letter holds the key from an earlier place. */
  freeHead: `UPDATE delivery SET blocked = 0
    WHERE position = (SELECT position FROM delivery WHERE queue = ?1 AND state = 0 ORDER BY place, position LIMIT 1)
      AND blocked = 1
      AND place = (SELECT place FROM delivery WHERE queue = ?1 ORDER BY place, position LIMIT 1)
    RETURNING position, destination, due`,
  blockRest: `UPDATE delivery SET blocked = 1
    WHERE position = ?2 AND state = 0 AND EXISTS (SELECT 1 FROM delivery
      WHERE queue = ?1 AND (place < ?3 OR (place = ?3 AND position < ?2 AND state = 0)))
    RETURNING position`,
  readyHead: `SELECT position, destination FROM delivery WHERE position = (SELECT position FROM delivery
    WHERE queue = ?1 AND state = 0 ORDER BY place, position LIMIT 1) AND ${OPEN_ROW} AND due <= ?2`,
  startRow: 'UPDATE delivery SET started = 1 WHERE position = ?',
  endRow: `UPDATE delivery SET state = ?2, attempts = ?3, started = 0, blocked = 0, ended_at = ?4, reason = ?5,
    note = ?6, last_error = ?7, queue = CASE WHEN ?8 THEN queue ELSE NULL END WHERE position = ?1`,
  retryRow: 'UPDATE delivery SET due = ?2, attempts = ?3, last_error = ?4, started = 0 WHERE position = ?1',
  releaseRow: 'UPDATE delivery SET due = ?2, started = 0 WHERE position = ?1',
  /** A delivery keeps its newest 100 attempts; turns are never used again. */
  insertAttempt: `INSERT INTO attempt (position, turn, number, started_at, duration_ms, outcome, status, error, worker)
    VALUES (?1, (SELECT coalesce(max(turn), 0) + 1 FROM attempt WHERE position = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8)`,
  dropOldAttempts: `DELETE FROM attempt WHERE position = ?1
    AND turn <= (SELECT max(turn) FROM attempt WHERE position = ?1) - 100`,
  insertExchange: `INSERT INTO exchange (position, turn, data)
    VALUES (?1, (SELECT coalesce(max(turn), 1) FROM attempt WHERE position = ?1), CAST(?2 AS BLOB))`,
  dropOldExchanges: `DELETE FROM exchange WHERE position = ?1
    AND turn <= (SELECT max(turn) FROM attempt WHERE position = ?1) - 100`,
  insertAnswer: 'INSERT OR IGNORE INTO answer (event_id, status, headers, body) VALUES (?, ?, ?, ?)',
  insertDuplicate: `INSERT INTO duplicate (event_id, turn, received_at, differs, correlation_id)
    VALUES (?1, (SELECT coalesce(max(turn), 0) + 1 FROM duplicate WHERE event_id = ?1), ?2, ?3, ?4)`,
  dropOldDuplicates: `DELETE FROM duplicate WHERE event_id = ?1
    AND turn <= (SELECT max(turn) FROM duplicate WHERE event_id = ?1) - 10`,
  /** The dead letter that a replay repeated successfully, and what that one repeated, is resolved. */
  resolveRepeated: `WITH RECURSIVE repeated (position) AS (
      SELECT ?1 UNION SELECT delivery.replay_of FROM repeated JOIN delivery USING (position)
      WHERE delivery.replay_of IS NOT NULL)
    UPDATE delivery SET resolved_at = ?2, resolved_by = 'replay', resolved_note = 'replayed'
    WHERE position IN (SELECT position FROM repeated) AND state = 3 AND resolved_at IS NULL
    RETURNING position, destination, queue`,
  leaveQueue: 'UPDATE delivery SET queue = NULL WHERE position = ?',

  // -- claims
  openPages: `SELECT seq FROM page INDEXED BY page_open
    WHERE destination = ? AND seq > ? AND seq < ? AND open > 0 ORDER BY seq LIMIT ?`,
  page: 'SELECT data FROM page WHERE destination = ? AND seq = ?',
  rowsAtOnce: `SELECT position FROM delivery WHERE destination = ? AND due = 0 AND position > ? AND position < ? AND ${OPEN_ROW}
    ORDER BY position LIMIT ?`,
  rowsDue: `SELECT due, position FROM delivery WHERE destination = ?1 AND ${OPEN_ROW}
    AND (due, position) > (?2, ?3) AND due <= ?4 ORDER BY due, position LIMIT ?5`,
  nextDue: `SELECT due FROM delivery WHERE destination = ?1 AND ${OPEN_ROW} AND (due, position) > (?2, ?3)
    ORDER BY due, position LIMIT 1`,
  countDue: `SELECT count(*) AS due FROM delivery WHERE destination = ? AND ${OPEN_ROW} AND due > ?`,
  /** The row so many further on than a time and position. */
  dueFurther: `SELECT due, position FROM delivery WHERE destination = ? AND ${OPEN_ROW} AND (due, position) > (?, ?)
    ORDER BY due, position LIMIT 1 OFFSET ?`,
  countDueAfter: `SELECT count(*) AS due FROM delivery WHERE destination = ? AND ${OPEN_ROW} AND (due, position) > (?, ?)`,
  readyRows: `SELECT position, received_at FROM delivery WHERE destination = ? AND ${OPEN_ROW} AND due <= ?
    ORDER BY due, position LIMIT ?`,
  row: 'SELECT * FROM delivery WHERE position = ?',
  answerExists: 'SELECT 1 FROM answer WHERE event_id = ?',

  // -- finding events
  chunkWithId: 'SELECT seq FROM chunk WHERE high_id >= ? ORDER BY high_id, seq LIMIT 1',
  chunkBetween: 'SELECT seq FROM chunk WHERE seq >= ? AND seq < ? LIMIT 1',
  stray: 'SELECT seq FROM stray WHERE id = ?',
  body: 'SELECT data FROM body WHERE seq = ?',
  answer: 'SELECT status, headers, body FROM answer WHERE event_id = ?',
} as const;

export type StatementName = keyof typeof statements;
