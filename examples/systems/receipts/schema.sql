-- The application's own tables. Run at every start, by several processes at once if need be.
SELECT pg_advisory_xact_lock(hashtext('receipts schema'));

-- In the order a message passes through them: a status only ever moves to the right. What was delivered stays so, whatever
-- else is said of it later.
DO $$ BEGIN
  CREATE TYPE receipt_status AS ENUM ('queued', 'sent', 'failed', 'delivered');
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

CREATE TABLE IF NOT EXISTS batches (
  id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name              text NOT NULL,
  "deliveredCount"  bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50); -- a counter is written again and again: room for its next version beside it

CREATE TABLE IF NOT EXISTS recipients (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  "batchId"     bigint NOT NULL REFERENCES batches,
  -- What the provider called the message when it took it.
  "messageId"   text NOT NULL UNIQUE,
  status        receipt_status NOT NULL DEFAULT 'queued',
  delivered     boolean GENERATED ALWAYS AS (status = 'delivered') STORED,
  "deliveredAt" timestamptz,
  -- When the last receipt was written here.
  "recordedAt"  timestamptz
) WITH (fillfactor = 80);
