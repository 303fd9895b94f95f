/** How much there is of everything. */
import type { DestinationCounts, StoreCounts } from '../store.ts';
import type { Committing } from './commit.ts';
import { numberIn, numberOrNull, textIn } from './rows.ts';

export async function counts({ connections, schema, name }: Committing): Promise<StoreCounts> {
  const destinations = `SELECT t.*, c.blocked, c.due, c.ready, c.claimed, c.unresolved, c.oldest_ready_at
    FROM (
      SELECT destination, sum(received) AS received, sum(succeeded) AS succeeded, sum(skipped) AS skipped,
        sum(failed) AS failed, sum(dead) AS dead
      FROM ${schema}.destination_total GROUP BY destination) t
    LEFT JOIN (
      SELECT destination, count(*) FILTER (WHERE state = 'blocked') AS blocked, count(*) FILTER (WHERE state = 'due') AS due,
        count(*) FILTER (WHERE state = 'ready') AS ready, count(*) FILTER (WHERE state = 'claimed') AS claimed,
        count(*) FILTER (WHERE state = 'dead') AS unresolved,
        min(received_at) FILTER (WHERE state = 'ready') AS oldest_ready_at
      FROM (
        SELECT destination, received_at, CASE WHEN dead THEN 'dead' WHEN claimed AND wake_at > now THEN 'claimed'
          WHEN blocked THEN 'blocked' WHEN wake_at > now THEN 'due' ELSE 'ready' END AS state
        FROM ${schema}.delivery, ${schema}.now_ms() AS now) d
      GROUP BY destination) c USING (destination)
    ORDER BY destination`;
  const sources = `SELECT source, sum(accepted) AS accepted, sum(duplicates) AS duplicates, sum(differing) AS differing,
      sum(kept) AS kept
    FROM ${schema}.source_total GROUP BY source ORDER BY source`;
  const size = `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) AS bytes
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind = 'r'`;
  const [counted, sourced, sized] = await Promise.all([
    connections.read(destinations),
    connections.read(sources),
    connections.read(size, [name]),
  ]);
  return {
    destinations: counted.map((row): DestinationCounts => ({
      destination: textIn(row, 'destination'),
      blocked: numberIn(row, 'blocked'),
      due: numberIn(row, 'due'),
      ready: numberIn(row, 'ready'),
      claimed: numberIn(row, 'claimed'),
      dead: numberIn(row, 'unresolved'),
      oldestReadyAt: numberOrNull(row, 'oldest_ready_at'),
      totals: {
        received: numberIn(row, 'received'),
        succeeded: numberIn(row, 'succeeded'),
        skipped: numberIn(row, 'skipped'),
        failed: numberIn(row, 'failed'),
        dead: numberIn(row, 'dead'),
      },
    })),
    sources: sourced.map((row) => ({
      source: textIn(row, 'source'),
      accepted: numberIn(row, 'accepted'),
      duplicates: numberIn(row, 'duplicates'),
      differing: numberIn(row, 'differing'),
    })),
    events: sourced.reduce((sum, row) => sum + numberIn(row, 'kept'), 0),
    bytesOnDisk: Number(sized[0]?.['bytes'] ?? 0),
  };
}
