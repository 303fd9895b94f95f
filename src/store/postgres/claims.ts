/** Claims, their renewal, and wake-ups: one call each. */
import type { Claim, ClaimAnswer, ClaimRef, ClaimRequest, WakeUps } from '../store.ts';
import type { Committing } from './commit.ts';
import { deliveryId, deliveryPlace } from './delivery-id.ts';
import type { Row } from './connection.ts';
import { eventOf, numberIn, orderKeyOf, replayOfIn, textIn } from './rows.ts';
import { givenText, storedText } from './text.ts';

/** More than any number of slots that is meant. */
const SLOTS_MAX = 1_000_000;

export async function claim(to: Committing, request: ClaimRequest): Promise<ClaimAnswer> {
  const { wants, ids } = request;
  if (wants.length === 0) return { claims: [], more: [] };
  const values = [
    to.owner,
    Math.ceil(request.leaseMs),
    wants.map((want) => storedText(want.destination)),
    wants.map(({ slots }) => Math.max(0, Math.min(SLOTS_MAX, Math.floor(slots)))),
    wants.map(({ bytesMax }) => Math.min(Number.MAX_SAFE_INTEGER, Math.floor(bytesMax))),
    wants.map(({ firsts }) => firsts === true),
    ids === undefined ? null : ids.flatMap((id) => deliveryPlace(id)?.seq ?? []),
  ];
  const rows = await to.connections.run([
    { text: `SELECT * FROM ${to.schema}.claim_1($1, $2, $3, $4, $5, $6, $7)`, values },
  ]);
  const more = rows.at(-1)?.['more'] as readonly string[] | undefined;
  return { claims: rows.slice(0, -1).map(claimOf), more: (more ?? []).map((name) => givenText(name)) };
}

function claimOf(row: Row): Claim {
  const key = row['key'];
  return {
    deliveryId: deliveryId({ seq: numberIn(row, 'seq'), committedAt: numberIn(row, 'committed_at') }),
    claim: numberIn(row, 'claim'),
    ref: key,
    destination: textIn(row, 'destination'),
    event: eventOf(row),
    orderKey: orderKeyOf(key),
    attempts: numberIn(row, 'attempts'),
    crashes: numberIn(row, 'crashes'),
    committedAt: numberIn(row, 'committed_at'),
    replayOf: replayOfIn(row),
    answered: row['answered'] === true,
  };
}

/** Those that are no longer current, in the order given. */
export async function renew(
  { connections, schema }: Committing,
  claims: readonly ClaimRef[],
  leaseMs: number,
): Promise<readonly ClaimRef[]> {
  if (claims.length === 0) return [];
  const seqs = claims.map(({ deliveryId: id }) => deliveryPlace(id)?.seq ?? 0);
  const values = [seqs, claims.map(({ claim: number }) => number), Math.ceil(leaseMs)];
  const [row] = await connections.run([{ text: `SELECT ${schema}.renew_1($1, $2, $3) AS current`, values }]);
  const current = row?.['current'] as readonly boolean[];
  return claims.filter((_, index) => current[index] !== true);
}

export async function wakeUps(
  { connections, schema }: Committing,
  destinations: readonly string[],
  now: number,
): Promise<WakeUps> {
  if (destinations.length === 0) return { ready: [], nextAt: null };
  const names = destinations.map((name) => storedText(name));
  const [row] = await connections.read(`SELECT o_ready, o_in FROM ${schema}.wake_ups_1($1)`, [names]);
  const ready = (row?.['o_ready'] ?? []) as readonly string[];
  const inMs = row?.['o_in'] ?? null;
  // By the database's clock it is so long from now; the caller's may show another time.
  return { ready: ready.map((name) => givenText(name)), nextAt: inMs === null ? null : now + Number(inMs) };
}
