/**
 * The tables. What decides their shape:
 *
 * - `delivery` holds what still matters: open deliveries and dead letters nobody has resolved. It is narrow and small, its
 *   partial indexes are in the order in which claims, wake-ups and order keys read, and a row leaves it when it has ended.
 * - `ended`, `event`, `attempt` and `answer` only grow, and are partitioned by the day of the event (`bucket`), so that
 *   retention drops whole days. Bucket 0 is for what outlives its day.
 * - `dedupe` is partitioned by epochs: all commits insert into the newest, whose unique index settles races; older ones
 *   are only read, and dropped whole.
 * - Totals are sums of rows that are only inserted, and what an epoch has to remember is the greatest of such rows: two
 *   gateways that commit at once never wait for a counter, nor for a transaction of the application's that stays open.
 */

/** Days since 1970 of a time; 1 at least, since 0 is the bucket of what is kept longer. */
export const BUCKET_MS = 86_400_000;

/** Tables that have a partition for every bucket. */
export const BUCKETED = ['event', 'ended', 'attempt', 'answer'] as const;

/** Much is updated and deleted here: vacuum comes by the number of dead rows, not by their share. */
const BUSY = `(
  fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
  autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0
)`;

const FEW = `(
  fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000
)`;

/**
 * What is claimed is read in the order of "seq + 0", which only its index gives. By "seq" alone the planner may think it
 * finds the first few sooner along the primary key, past everything that is not ready.
 */
const delivery = `
CREATE TABLE delivery (
  seq bigint PRIMARY KEY,
  event_seq bigint NOT NULL,
  place bigint NOT NULL,
  committed_at bigint NOT NULL,
  received_at bigint NOT NULL,
  wake_at bigint,
  ended_at bigint,
  replay_of bigint,
  replay_of_at bigint,
  bucket integer NOT NULL,
  bytes integer NOT NULL,
  claim integer NOT NULL DEFAULT 0,
  owner integer,
  attempts integer NOT NULL DEFAULT 0,
  crashes integer NOT NULL DEFAULT 0,
  records integer NOT NULL DEFAULT 0,
  claimed boolean NOT NULL DEFAULT false,
  started boolean NOT NULL DEFAULT false,
  blocked boolean NOT NULL DEFAULT false,
  dead boolean NOT NULL DEFAULT false,
  holds boolean NOT NULL DEFAULT false,
  destination text COLLATE "C" NOT NULL,
  key text COLLATE "C",
  replay_id text COLLATE "C",
  reason text,
  note text,
  last_error text
) WITH ${BUSY};
COMMENT ON TABLE delivery IS 'Open deliveries, and dead letters nobody has resolved. The others are in "ended".';
COMMENT ON COLUMN delivery.wake_at IS 'ms since 1970: the end of the lease while claimed, else not before this time; null: at once';
COMMENT ON COLUMN delivery.key IS 'JSON array of tenant and order key; null: free';
COMMENT ON COLUMN delivery.blocked IS 'an earlier one of its key stands before it';
CREATE INDEX delivery_ready ON delivery (destination, (seq + 0)) WHERE wake_at IS NULL AND NOT blocked AND NOT dead;
CREATE INDEX delivery_wake ON delivery (destination, wake_at) WHERE wake_at IS NOT NULL AND (claimed OR NOT blocked);
CREATE INDEX delivery_order ON delivery (destination, key, place, seq) WHERE key IS NOT NULL AND (NOT dead OR holds);
CREATE INDEX delivery_blocked ON delivery (destination, (seq + 0)) WHERE blocked;
CREATE INDEX delivery_dead ON delivery (destination, seq) WHERE dead;
CREATE INDEX delivery_replay ON delivery (event_seq, destination) WHERE replay_id IS NOT NULL;`;

const ended = `
CREATE TABLE ended (
  seq bigint NOT NULL,
  event_seq bigint NOT NULL,
  committed_at bigint NOT NULL,
  ended_at bigint NOT NULL,
  resolved_at bigint,
  replay_of bigint,
  replay_of_at bigint,
  bucket integer NOT NULL,
  attempts integer NOT NULL,
  crashes integer NOT NULL,
  records integer NOT NULL,
  state text COLLATE "C" NOT NULL,
  destination text COLLATE "C" NOT NULL,
  key text COLLATE "C",
  replay_id text COLLATE "C",
  reason text,
  note text,
  last_error text,
  resolved_by text,
  resolved_note text,
  attempt jsonb,
  PRIMARY KEY (seq, bucket)
) PARTITION BY LIST (bucket);
COMMENT ON COLUMN ended.attempt IS 'the last attempt; earlier ones are in "attempt"';
CREATE INDEX ended_destination ON ended (destination, seq);
CREATE INDEX ended_other ON ended (seq) WHERE state <> 'succeeded';
CREATE INDEX ended_replay ON ended (event_seq, destination) WHERE replay_id IS NOT NULL;`;

const event = `
CREATE TABLE event (
  seq bigint NOT NULL,
  last_seq bigint NOT NULL,
  received_at bigint NOT NULL,
  bucket integer NOT NULL,
  owed integer NOT NULL,
  body_bytes integer NOT NULL,
  duplicates integer NOT NULL DEFAULT 0,
  encoding smallint NOT NULL DEFAULT 0,
  id text COLLATE "C" NOT NULL,
  source text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  tenant text COLLATE "C",
  dedupe_key text COLLATE "C",
  order_key text COLLATE "C",
  correlation_id text COLLATE "C" NOT NULL,
  method text NOT NULL,
  path text NOT NULL,
  query text NOT NULL,
  traceparent text,
  unfit text,
  duplicate_of text COLLATE "C",
  newest jsonb,
  headers json NOT NULL,
  body bytea,
  PRIMARY KEY (seq, bucket)
) PARTITION BY LIST (bucket);
COMMENT ON COLUMN event.last_seq IS 'seq of the last delivery it owed at first; they lie between';
COMMENT ON COLUMN event.encoding IS 'how headers and body are stored; 0: as they are';
COMMENT ON COLUMN event.newest IS 'the newest repeats of this event';
CREATE UNIQUE INDEX event_id ON event (id, bucket);

CREATE TABLE attempt (
  delivery bigint NOT NULL,
  number integer NOT NULL,
  bucket integer NOT NULL,
  record jsonb NOT NULL,
  PRIMARY KEY (delivery, number, bucket)
) PARTITION BY LIST (bucket);

CREATE TABLE answer (
  event_seq bigint NOT NULL,
  bucket integer NOT NULL,
  status integer NOT NULL,
  headers json NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (event_seq, bucket)
) PARTITION BY LIST (bucket);`;

const dedupe = `
CREATE TABLE dedupe (
  received_at bigint NOT NULL,
  until bigint NOT NULL,
  epoch integer NOT NULL,
  bucket integer NOT NULL,
  generation integer NOT NULL,
  digest bytea NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (digest, epoch)
) PARTITION BY LIST (epoch);
COMMENT ON COLUMN dedupe.digest IS 'SHA-256 of source, tenant, type and dedupe key';
COMMENT ON COLUMN dedupe.body IS 'SHA-256 of the body of the first';
CREATE TABLE dedupe_epoch (
  epoch integer PRIMARY KEY,
  opened_at bigint NOT NULL,
  forgotten_at bigint NOT NULL DEFAULT 0,
  generation integer NOT NULL DEFAULT 0
) WITH ${FEW};
CREATE TABLE dedupe_window (
  until_max bigint NOT NULL,
  window_max bigint NOT NULL,
  epoch integer NOT NULL
);
CREATE INDEX dedupe_window_until ON dedupe_window (epoch, until_max);
COMMENT ON TABLE dedupe_window IS 'What an epoch has to remember is the greatest of its rows.';`;

const rest = `
COMMENT ON COLUMN dedupe_epoch.generation IS 'rises with every purge; keys of an earlier one whose window had ended by forgotten_at are forgotten';

CREATE SEQUENCE position;

CREATE TABLE process (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE token (
  owner integer NOT NULL,
  slot smallint NOT NULL,
  number bigint NOT NULL,
  at bigint NOT NULL,
  token text COLLATE "C" NOT NULL,
  answers json NOT NULL,
  PRIMARY KEY (owner, slot)
) WITH ${FEW};
COMMENT ON TABLE token IS 'The newest commits of each process: one whose reply was lost is asked for by its token, within minutes.';

CREATE TABLE destination_total (
  received bigint NOT NULL DEFAULT 0,
  succeeded bigint NOT NULL DEFAULT 0,
  skipped bigint NOT NULL DEFAULT 0,
  failed bigint NOT NULL DEFAULT 0,
  dead bigint NOT NULL DEFAULT 0,
  destination text COLLATE "C" NOT NULL
) WITH ${BUSY};
COMMENT ON TABLE destination_total IS 'The total of a destination is the sum of its rows.';

CREATE TABLE source_total (
  accepted bigint NOT NULL DEFAULT 0,
  duplicates bigint NOT NULL DEFAULT 0,
  differing bigint NOT NULL DEFAULT 0,
  kept bigint NOT NULL DEFAULT 0,
  source text COLLATE "C" NOT NULL
) WITH ${BUSY};
COMMENT ON TABLE source_total IS 'The total of a source is the sum of its rows; "kept": its events that are here now.';

CREATE TABLE swept (
  at bigint NOT NULL,
  bucket integer PRIMARY KEY
) WITH ${FEW};
COMMENT ON TABLE swept IS 'When a day with much in it was looked through to its end, so that nobody does it again for nothing.';

CREATE TABLE document (
  version bigint NOT NULL,
  kind text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  value json,
  PRIMARY KEY (kind, key)
) WITH ${FEW};
COMMENT ON COLUMN document.value IS 'null: deleted; its version is kept';
CREATE INDEX document_version ON document (kind, version);
COMMENT ON INDEX document_version IS 'Whoever watches asks every two seconds whether versions have risen: values are not read for that.';`;

/** What people look at: bodies that are JSON as JSON, ids of deliveries as they are written elsewhere. */
const views = `
CREATE FUNCTION json_or_null(body bytea) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN convert_from(body, 'UTF8')::jsonb;
EXCEPTION WHEN others THEN
  RETURN NULL;
END $$;
CREATE VIEW readable_event AS
  SELECT id, source, type, tenant, dedupe_key, order_key, to_timestamp(received_at / 1000.0) AS received_at,
    method, path, query, headers, json_or_null(body) AS json, body, body_bytes, correlation_id, unfit, duplicate_of,
    owed, duplicates, seq, bucket
  FROM event;`;

/** Everything, in the order in which it can be made. */
export const tables = [delivery, ended, event, dedupe, rest, views].join('\n');
