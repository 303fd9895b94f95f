-- The application's own tables. Run at every start, by several processes at once if need be.
SELECT pg_advisory_xact_lock(hashtext('messaging schema'));
CREATE SCHEMA IF NOT EXISTS messaging;

-- In the order a message passes through them: a status only ever moves to the right. A mail can bounce after it was
-- delivered, and what was read was delivered whatever else is said of it.
DO $$ BEGIN
  CREATE TYPE messaging.status AS ENUM ('queued', 'sent', 'delivered', 'failed', 'read');
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

CREATE TABLE IF NOT EXISTS messaging.conversation (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  channel    text NOT NULL CHECK (channel IN ('sms', 'email')),
  address    text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (channel, address)
);

CREATE TABLE IF NOT EXISTS messaging.message (
  id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  conversation_id     bigint NOT NULL REFERENCES messaging.conversation,
  direction           text NOT NULL CHECK (direction IN ('in', 'out')),
  text                text NOT NULL,
  -- The event it was made of. A handler may run twice for one event: it makes one message.
  event_id            text NOT NULL UNIQUE,
  -- What the provider calls it; of an outgoing one known once it was sent.
  provider_message_id text UNIQUE,
  created_at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS message_of_conversation ON messaging.message (conversation_id, id);

-- A status is the provider's word about its own id, and may come before the message has that id: so it has a table of
-- its own, and waits there until a message is given the id. Nothing has to be moved, so nothing can be missed.
CREATE TABLE IF NOT EXISTS messaging.provider_status (
  provider_message_id text PRIMARY KEY,
  status              messaging.status NOT NULL,
  changed_at          timestamptz NOT NULL DEFAULT now()
);

CREATE OR REPLACE VIEW messaging.message_now AS
SELECT message.*, CASE direction WHEN 'out' THEN coalesce(status, 'queued') END AS status
FROM messaging.message LEFT JOIN messaging.provider_status USING (provider_message_id);
