/** The tables, and the steps that lead from one format to the next. */

/** The format this version writes. */
export const FORMAT = 3;
/** The oldest format whose readers still understand what this version writes. */
export const OLDEST_READER = 3;

/**
 * Step n leads from format n to n + 1. A migration expands first and contracts one release later, so that the release
 * before can still read; it runs in one transaction.
 */
export const migrations: readonly string[] = [
  `
  -- Single facts: format, oldestReader, boot, clean, retention, purge cursors.
  CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;

  -- Destinations by number, with totals and what is there now. A rename onto an existing name leaves two numbers with
  -- one name: nothing is rewritten. head: the number that new deliveries of the name take.
  CREATE TABLE destination (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    head INTEGER NOT NULL,
    received INTEGER NOT NULL, succeeded INTEGER NOT NULL, skipped INTEGER NOT NULL,
    failed INTEGER NOT NULL, dead INTEGER NOT NULL,
    open_paged INTEGER NOT NULL, open_rows INTEGER NOT NULL, blocked INTEGER NOT NULL, unresolved INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE source (
    name TEXT PRIMARY KEY,
    accepted INTEGER NOT NULL, duplicates INTEGER NOT NULL, differing INTEGER NOT NULL, kept INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- The events of one commit. high_id: the highest event id in this and all chunks before, so that the one chunk that
  -- can hold an id is found by one seek; events whose id is lower than that of a chunk before are in stray.
  CREATE TABLE chunk (
    seq INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    committed_at REAL NOT NULL,
    received_min REAL NOT NULL, received_max REAL NOT NULL,
    unmatched INTEGER NOT NULL,
    high_id BLOB NOT NULL,
    marks BLOB NOT NULL,
    meta BLOB NOT NULL
  ) STRICT;
  CREATE INDEX chunk_by_id ON chunk (high_id, seq);
  CREATE TABLE stray (id BLOB PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE body (seq INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

  CREATE TABLE page (
    destination INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    open INTEGER NOT NULL,
    started INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (destination, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX page_open ON page (destination, seq) WHERE open > 0;
  CREATE INDEX page_started ON page (destination, seq) WHERE started > 0;

  -- Deliveries that left the short way or never took it. state: 0 open, 1 succeeded, 2 skipped, 3 dead, 4 cancelled.
  -- due: 0 at once. queue: what it waits in while its order key matters (open, or a dead letter that holds the key);
  -- place: its turn there.
  CREATE TABLE delivery (
    position INTEGER PRIMARY KEY,
    event INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    destination INTEGER NOT NULL,
    state INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    due REAL NOT NULL,
    queue BLOB,
    place INTEGER NOT NULL,
    order_key TEXT,
    source TEXT NOT NULL, type TEXT NOT NULL, tenant TEXT,
    received_at REAL NOT NULL, committed_at REAL NOT NULL,
    attempts INTEGER NOT NULL, crashes INTEGER NOT NULL, started INTEGER NOT NULL,
    ended_at REAL, reason TEXT, note TEXT, last_error TEXT,
    resolved_at REAL, resolved_by TEXT, resolved_note TEXT,
    replay_of INTEGER, replay_id BLOB
  ) STRICT;
  CREATE INDEX delivery_ready ON delivery (destination, due, position) WHERE state = 0 AND blocked = 0;
  CREATE INDEX delivery_queue ON delivery (queue, place, position) WHERE queue IS NOT NULL;
  CREATE INDEX delivery_open ON delivery (destination, position) WHERE state = 0;
  CREATE INDEX delivery_dead ON delivery (destination, position) WHERE state = 3;
  CREATE INDEX delivery_dead_at ON delivery (position) WHERE state = 3;
  CREATE INDEX delivery_started ON delivery (position) WHERE started = 1;
  CREATE INDEX delivery_replayed ON delivery (event) WHERE replay_id IS NOT NULL;
  CREATE INDEX delivery_of_replay ON delivery (replay_id, position) WHERE replay_id IS NOT NULL;

  CREATE TABLE attempt (
    position INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    number INTEGER NOT NULL,
    started_at REAL NOT NULL, duration_ms REAL NOT NULL,
    outcome TEXT NOT NULL, status INTEGER, error TEXT, worker TEXT NOT NULL,
    PRIMARY KEY (position, turn)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE answer (event_id BLOB PRIMARY KEY, status INTEGER NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL)
    STRICT, WITHOUT ROWID;
  CREATE TABLE duplicate (
    event_id BLOB NOT NULL,
    turn INTEGER NOT NULL,
    received_at REAL NOT NULL, differs INTEGER NOT NULL, correlation_id TEXT NOT NULL,
    PRIMARY KEY (event_id, turn)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE document (
    kind TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, value TEXT,
    PRIMARY KEY (kind, key)
  ) STRICT, WITHOUT ROWID;

  -- Dedupe keys: those of the newest buckets as they were committed, older ones as sorted runs with a filter each.
  CREATE TABLE recent (turn INTEGER PRIMARY KEY, bucket INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
  CREATE TABLE run (
    number INTEGER PRIMARY KEY,
    blocks INTEGER NOT NULL, entries INTEGER NOT NULL, expires_at REAL NOT NULL, sealed INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE run_block (place INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
  CREATE TABLE run_filter (place INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

  -- Retention goes through chunks in order. Apart from that order, chunks it has seen and that keep something (look_at:
  -- when something of them may go), and fresh ones whose events were received before their turn (look_at: when).
  CREATE TABLE kept (seq INTEGER PRIMARY KEY, fresh INTEGER NOT NULL, look_at REAL NOT NULL) STRICT;
  CREATE INDEX kept_by_time ON kept (fresh, look_at);
  `,
  `
  -- What an endpoint was sent and answered, beside the attempt of the same turn; turn 1 of a delivery that succeeded at
  -- the first try, whose attempt is in its page. data: a byte for its encoding (0: JSON), and the rest.
  CREATE TABLE exchange (
    position INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (position, turn)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Lists go along an index whatever they ask for. received_high: the latest receipt in this and all chunks before, so
  -- that a time is found by a few seeks; early: a receipt in it is well before that of chunks before it (see times.ts).
  ALTER TABLE chunk ADD COLUMN received_high REAL NOT NULL DEFAULT 0;
  ALTER TABLE chunk ADD COLUMN early INTEGER NOT NULL DEFAULT 0;
  UPDATE chunk SET received_high = highest.received FROM
    (SELECT seq, max(received_max) OVER (ORDER BY seq) AS received FROM chunk) AS highest WHERE highest.seq = chunk.seq;
  UPDATE chunk SET early = 1 WHERE received_min <
    (SELECT before.received_high FROM chunk AS before WHERE before.seq < chunk.seq ORDER BY before.seq DESC LIMIT 1) - 1000;
  CREATE INDEX chunk_early ON chunk (seq) WHERE early = 1;
  CREATE INDEX chunk_unmatched ON chunk (seq) WHERE unmatched > 0;

  -- Of pages from before, any may hold something that succeeded.
  ALTER TABLE page ADD COLUMN succeeded INTEGER NOT NULL DEFAULT 1;
  CREATE INDEX page_succeeded ON page (destination, seq) WHERE succeeded > 0;

  CREATE INDEX delivery_put_off ON delivery (destination, position) WHERE state = 0 AND blocked = 0 AND due > 0;
  CREATE INDEX delivery_blocked ON delivery (destination, position) WHERE state = 0 AND blocked = 1;
  CREATE INDEX delivery_ended ON delivery (destination, state, position) WHERE state IN (1, 2, 4);
  DROP INDEX delivery_dead;
  CREATE INDEX delivery_dead ON delivery (destination, reason, position) WHERE state = 3 AND resolved_at IS NULL;
  CREATE INDEX delivery_resolved ON delivery (destination, reason, position) WHERE state = 3 AND resolved_at IS NOT NULL;
  CREATE INDEX delivery_replayed_at ON delivery (position) WHERE replay_id IS NOT NULL;
  `,
];
