/** What the providers send, made by the project's simulator, about messages that the application knows. */
import { type Load, simulation } from 'holdfast/testing';
import type { Pool } from 'pg';
import { DEMO } from './demo.ts';

export type Provider = 'telnyx' | 'resend';

const SETTINGS = {
  telnyx: { publicKeys: DEMO.telnyxPublicKey, privateKeys: DEMO.telnyxPrivateKey },
  resend: { secrets: DEMO.resendSecret },
};
const TYPES = {
  telnyx: { sent: 'message.sent', delivered: 'message.finalized' },
  resend: { sent: 'email.sent', delivered: 'email.delivered' },
};

/** A batch of messages that were sent: `<name>-0`, `<name>-1`… are their ids at the provider. Answers the batch's own id. */
export async function sendBatch(pool: Pool, name: string, count: number): Promise<number> {
  const { rows } = await pool.query<{ id: number }>(
    `WITH batch AS (INSERT INTO batches (name) VALUES ($1) RETURNING id), sent AS (
       INSERT INTO recipients ("batchId", "messageId")
       SELECT batch.id, $1 || '-' || number FROM batch, generate_series(0, $2 - 1) AS number
     ) SELECT id::int FROM batch`,
    [name, count],
  );
  return rows[0]?.id ?? 0;
}

/** Receipts of the messages of a batch; to be given to `sendLoad`. */
export function receiptsOf(
  provider: Provider,
  name: string,
  status: 'sent' | 'delivered' = 'delivered',
): Pick<Load, 'verifier' | 'make'> {
  const path = `/webhooks/${provider}`;
  const { verifier, make } = simulation(provider, {
    settings: SETTINGS[provider],
    path,
    type: TYPES[provider][status],
  });
  return {
    verifier,
    make: (index) => {
      const request = make(index);
      const body = JSON.parse(Buffer.from(request.body).toString()) as {
        data: { email_id?: string; payload?: { id: string } };
      };
      if (body.data.payload === undefined) body.data.email_id = `${name}-${index}`;
      else body.data.payload.id = `${name}-${index}`;
      return { ...request, body: Buffer.from(JSON.stringify(body)) };
    },
  };
}

/** What the application knows of a batch. */
export interface Tally {
  /** The counter. */
  readonly counted: number;
  /** The rows that it should count. */
  readonly delivered: number;
}

export async function tallyOf(pool: Pool, batchId: number): Promise<Tally> {
  const { rows } = await pool.query<Tally>(
    `SELECT "deliveredCount"::int AS counted, (SELECT count(*)::int FROM recipients WHERE "batchId" = $1 AND delivered) AS delivered
     FROM batches WHERE id = $1`,
    [batchId],
  );
  return rows[0] ?? { counted: 0, delivered: 0 };
}
