/** Claiming what is ready, and recovering what was claimed when the process ended. */
import type { Claim, ClaimAnswer, ClaimRef, ClaimRequest, ClaimWant, WakeUps } from '../store.ts';
import type { DeliveryRow } from './rows.ts';
import type { Tables } from './tables.ts';

/** Claims what is ready of the destinations wanted, or just the ids named. */
export function claim(tables: Tables, request: ClaimRequest): ClaimAnswer {
  const { wants, ids, now } = request;
  const claims = wants.flatMap((want) =>
    ids === undefined ? claimFirst(tables, request, want) : claimThese(tables, { request, want, ids }),
  );
  const more = wants.map((want) => want.destination).filter((name) => tables.lanes.nextReady(name, now) !== null);
  return { claims, more };
}

function claimFirst(tables: Tables, { now, leaseMs }: ClaimRequest, want: ClaimWant): Claim[] {
  const claims: Claim[] = [];
  const passed: DeliveryRow[] = [];
  let bytes = 0;
  while (claims.length < want.slots && bytes <= want.bytesMax) {
    const row = tables.lanes.nextReady(want.destination, now);
    if (row === null) break;
    if (want.firsts === true && row.attempts > 0) {
      passed.push(tables.lanes.pass(row));
      continue;
    }
    claims.push(tables.claim(row, leaseMs));
    bytes += row.event.event.body?.length ?? 0;
  }
  for (const row of passed) tables.lanes.place(row);
  return claims;
}

function claimThese(
  tables: Tables,
  asked: { readonly request: ClaimRequest; readonly want: ClaimWant; readonly ids: readonly string[] },
): Claim[] {
  const { request, want, ids } = asked;
  const rows = [...new Set(ids)].flatMap((id) => tables.deliveries.get(id) ?? []);
  return rows
    .filter((row) => row.destination === want.destination && tables.lanes.stateOf(row, request.now) === 'ready')
    .toSorted((a, b) => a.seq - b.seq)
    .map((row) => tables.claim(row, request.leaseMs));
}

/** Extends leases; answers the claims that are stale. */
export function renew(tables: Tables, claims: readonly ClaimRef[], leaseMs: number): readonly ClaimRef[] {
  const leaseUntil = tables.clock.monotonic() + leaseMs;
  return claims.filter((ref) => {
    const row = tables.claimed(ref);
    if (row !== null) tables.update(row, { leaseUntil });
    return row === null;
  });
}

/** What has work and when to look again. */
export function wakeUps(tables: Tables, destinations: readonly string[], now: number): WakeUps {
  const ready: string[] = [];
  let nextAt: number | null = null;
  for (const destination of destinations) {
    if (tables.lanes.nextReady(destination, now) !== null) ready.push(destination);
    const at = tables.lanes.nextAt(destination, now, tables.clock.monotonic());
    if (at !== null && (nextAt === null || at < nextAt)) nextAt = at;
  }
  return { ready, nextAt };
}

/** Ends every claim. After an unclean stop, what was marked started is a suspect: it counts one crash more. */
export function endClaims(tables: Tables, unclean: boolean): void {
  for (const row of tables.deliveries.values()) {
    if (row.leaseUntil === null && !row.started) continue;
    tables.update(row, { leaseUntil: null, started: false, crashes: row.crashes + (unclean && row.started ? 1 : 0) });
  }
}
