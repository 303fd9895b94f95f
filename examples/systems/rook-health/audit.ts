/** The audit record of a user: what Holdfast has kept, in the words of the application. No copy of it is made. */
import { HoldfastError } from 'holdfast';
import type { HealthGateway } from './config.ts';

/** One webhook as an auditor asks for it. */
export interface Webhook {
  readonly provider: string;
  readonly externalUserId: string | null;
  readonly dataStructure: string;
  /** As it came; `null` when the time that bodies are kept is over. */
  readonly payload: string | null;
  readonly receivedAt: string;
  readonly processed: boolean;
  readonly processedAt: string | null;
  /** Why it was not processed, or nothing was made of it. */
  readonly error: string | null;
}

// #region audit
/** The newest first, with what became of each: one that was replayed comes once for each time. */
export async function webhooksOf(
  gateway: HealthGateway,
  externalId: string,
  cursor?: string,
): Promise<{ readonly rows: readonly Webhook[]; readonly cursor: string | null }> {
  const operations = gateway.operations({ tenant: externalId }); // sees this user's only
  const page = await operations.deliveries({ source: 'rook', cursor });
  const rows = page.rows.map(async (delivery) => ({
    provider: delivery.source,
    externalUserId: delivery.tenant,
    dataStructure: delivery.type,
    payload: await operations.body(delivery.eventId).then(textOf, purged),
    receivedAt: delivery.receivedAt,
    processed: delivery.state === 'succeeded' || delivery.state === 'skipped',
    processedAt: delivery.endedAt,
    error: delivery.lastError ?? delivery.note,
  }));
  return { rows: await Promise.all(rows), cursor: page.cursor };
}
// #endregion

function textOf(body: Uint8Array): string {
  return Buffer.from(body).toString();
}

function purged(error: unknown): null {
  if (error instanceof HoldfastError && error.code === 'body_purged') return null;
  throw error;
}
