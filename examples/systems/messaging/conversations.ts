/** The application's tables: conversations, their messages, and what providers say became of those. */
import { readFile } from 'node:fs/promises';
import type { Pool } from 'pg';

export type Channel = 'sms' | 'email';

/** What a provider calls a status, and what we call it; one that is not here is not followed. */
export const STATUSES = {
  // Twilio
  accepted: 'queued',
  queued: 'queued',
  sending: 'queued',
  sent: 'sent',
  delivered: 'delivered', // SendGrid's too
  undelivered: 'failed',
  failed: 'failed',
  read: 'read',
  // SendGrid
  processed: 'sent',
  deferred: 'sent',
  bounce: 'failed',
  dropped: 'failed',
  open: 'read',
} as const;

export type ProviderStatus = keyof typeof STATUSES;

export interface NewMessage {
  readonly channel: Channel;
  /** Whom the conversation is with. */
  readonly address: string;
  readonly direction: 'in' | 'out';
  readonly text: string;
  readonly eventId: string;
  readonly providerMessageId?: string;
}

/** Ids are text: they may exceed what a JavaScript number can hold. */
export interface Stored {
  readonly conversation: string;
  readonly message: string;
  readonly providerMessageId: string | null;
}

export class Conversations {
  readonly #db: Pool;

  constructor(db: Pool) {
    this.#db = db;
  }

  async migrate(): Promise<void> {
    await this.#db.query(await readFile(new URL('schema.sql', import.meta.url), 'utf8'));
  }

  /** Stores a message, once for each event, in the conversation with its address, which is made if there is none. */
  async store(message: NewMessage): Promise<Stored> {
    const { rows } = await this.#db.query<Stored>(
      `WITH of AS (
         INSERT INTO messaging.conversation (channel, address) VALUES ($1, $2)
         ON CONFLICT (channel, address) DO UPDATE SET address = excluded.address RETURNING id
       )
       INSERT INTO messaging.message (conversation_id, direction, text, event_id, provider_message_id)
       SELECT id, $3, $4, $5, $6 FROM of
       ON CONFLICT (event_id) DO UPDATE SET event_id = excluded.event_id
       RETURNING conversation_id AS conversation, id AS message, provider_message_id AS "providerMessageId"`,
      [
        message.channel,
        message.address,
        message.direction,
        message.text,
        message.eventId,
        message.providerMessageId ?? null,
      ],
    );
    const [stored] = rows;
    if (stored === undefined) throw new Error('PostgreSQL returned no row for a message');
    return stored;
  }

  async sent(message: string, providerMessageId: string): Promise<void> {
    await this.#db.query('UPDATE messaging.message SET provider_message_id = $2 WHERE id = $1', [
      message,
      providerMessageId,
    ]);
  }

  // #region status
  /** Keeps a status if it is further than the one before, whether or not there is such a message yet. */
  async follow(providerMessageId: string, status: ProviderStatus): Promise<{ moved: boolean; message: string | null }> {
    const { rows } = await this.#db.query<{ moved: boolean; message: string | null }>(
      `WITH moved AS (
         INSERT INTO messaging.provider_status AS known (provider_message_id, status) VALUES ($1, $2)
         ON CONFLICT (provider_message_id) DO UPDATE SET status = excluded.status, changed_at = now()
         WHERE excluded.status > known.status RETURNING 1
       )
       SELECT EXISTS (SELECT FROM moved) AS moved,
              (SELECT id FROM messaging.message WHERE provider_message_id = $1) AS message`,
      [providerMessageId, STATUSES[status]],
    );
    return rows[0] ?? { moved: false, message: null };
  }
  // #endregion

  /** A conversation with its messages, oldest first; `null` where there is none with the address. */
  async with(channel: string, address: string): Promise<unknown> {
    const { rows } = await this.#db.query<{ shown: unknown }>(
      `SELECT json_build_object('id', conversation.id::text, 'messages', (
         SELECT coalesce(json_agg(json_build_object('id', id::text, 'direction', direction, 'text', text,
                  'status', status, 'providerMessageId', provider_message_id) ORDER BY id), '[]')
         FROM messaging.message_now WHERE conversation_id = conversation.id)) AS shown
       FROM messaging.conversation WHERE channel = $1 AND address = $2`,
      [channel, address],
    );
    return rows[0]?.shown ?? null;
  }
}
