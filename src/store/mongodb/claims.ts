/** Claiming what is ready, renewing, giving back, and when to look again. */
import type { Filter } from 'mongodb';
import type { Claim, ClaimAnswer, ClaimRef, ClaimRequest, ClaimWant, WakeUps } from '../store.ts';
import { claimRow } from './append.ts';
import { storedAnswer, storedEvent } from './changes.ts';
import type { Collections } from './collections.ts';
import { type DeliveryRow, stateOf } from './delivery.ts';
import type { DeliveryDocument, EventDocument } from './documents.ts';
import { claimed } from './settle.ts';
import type { WorkingSet } from './working.ts';

/**
 * How many that fell due, or whose leases ended, are looked at for those that were committed first. Where more wait,
 * these are the ones that fell due first.
 */
const RIPE_MAX = 1000;

/** Claims what is ready of the destinations wanted, or just the ids named. */
export function claim(set: WorkingSet, request: ClaimRequest): Promise<ClaimAnswer> {
  return request.ids === undefined ? claimFirst(set, request) : claimThese(set, request, request.ids);
}

async function claimFirst(set: WorkingSet, { wants, leaseMs }: ClaimRequest): Promise<ClaimAnswer> {
  const claims: Claim[] = [];
  const next = new Map<string, DeliveryRow | null>();
  for (const want of wants) {
    const found = await firstOf(set, want);
    claims.push(...(await claimAll(set, found.rows, leaseMs)));
    next.set(want.destination, found.next);
  }
  const more: string[] = [];
  for (const { destination } of wants) {
    if (await hasMore(set, destination, next.get(destination) ?? null)) more.push(destination);
  }
  return { claims, more };
}

/** What hints name is wanted of all destinations that share a channel: nothing is asked for each of them. */
async function claimThese(
  set: WorkingSet,
  { wants, leaseMs }: ClaimRequest,
  ids: readonly string[],
): Promise<ClaimAnswer> {
  const ready = (await set.deliveriesOf([...new Set(ids)])).filter(({ now }) => stateOf(now, set.now) === 'ready');
  const byDestination = Map.groupBy(ready, ({ now }) => now.destination);
  const wanted = wants.flatMap(({ destination }) =>
    (byDestination.get(destination) ?? []).toSorted((a, b) => a.now.seq - b.now.seq),
  );
  const claims = await claimAll(set, [...new Set(wanted)], leaseMs);
  const names = wants.map(({ destination }) => destination);
  const left = await withReady(set, names);
  return { claims, more: names.filter((name) => left.has(name)) };
}

/** Which of these destinations have something that is ready by now. */
async function withReady(set: WorkingSet, names: readonly string[]): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  const [ripe] = await Promise.all([
    set.collections.deliveries.distinct('slot', {
      _id: { $nin: [...set.deliveries.keys()] },
      slot: { $in: [...names] },
      lane: { $in: ['due', 'claimed'] },
      at: { $lte: set.now },
      free: true,
    }),
    set.destinations.load(names),
  ]);
  const here = [...set.deliveries.values()].filter(({ now }) => stateOf(now, set.now) === 'ready');
  const counted = names.filter((name) => set.destination(name).lanes.ready > 0);
  return new Set([...counted, ...here.map(({ now }) => now.destination), ...ripe.map(String)]);
}

/** What to claim, and one that is ready after that; `null`: there is none. */
interface Found {
  readonly rows: readonly DeliveryRow[];
  readonly next: DeliveryRow | null;
}

/** Whether there is work after what was claimed. Who stood next may have been claimed for another want since. */
async function hasMore(set: WorkingSet, destination: string, next: DeliveryRow | null): Promise<boolean> {
  if (next === null) return false;
  return stateOf(next.now, set.now) === 'ready' || (await readyRows(set, { slot: destination, limit: 1 })).length > 0;
}

/** What is ready first, as much as is wanted. */
async function firstOf(set: WorkingSet, { destination, slots, bytesMax, firsts }: ClaimWant): Promise<Found> {
  const rows: DeliveryRow[] = [];
  let bytes = 0;
  for (const row of await readyRows(set, { slot: destination, limit: slots + 1, firsts })) {
    if (rows.length >= slots || bytes > bytesMax) return { rows, next: row };
    rows.push(row);
    bytes += row.now.bytes;
  }
  if (firsts !== true) return { rows, next: null };
  const others = await readyRows(set, { slot: destination, limit: rows.length + 1 });
  return { rows, next: others.find((row) => !rows.includes(row)) ?? null };
}

interface Wanted {
  readonly slot: string;
  readonly limit: number;
  /** Only those with no attempt spent. */
  readonly firsts?: boolean | undefined;
}

/** Up to `limit` ready deliveries in the order of their commits. */
async function readyRows(set: WorkingSet, wanted: Wanted): Promise<readonly DeliveryRow[]> {
  const { slot, limit, firsts = false } = wanted;
  // What was claimed just now is still ready in the database.
  const most = limit + set.deliveries.size;
  const attempts = firsts ? { attempts: 0 } : {};
  const ripe = {
    slot,
    lane: { $in: ['due', 'claimed'] },
    at: { $lte: set.now },
    free: true,
    ...attempts,
  } as Filter<DeliveryDocument>;
  const found = await Promise.all([
    set.find({ slot, lane: 'ready', at: 0, ...attempts }, { seq: 1 }, most),
    set.find(ripe, { at: 1 }, Math.max(RIPE_MAX, most)),
  ]);
  return [...new Set(found.flat())]
    .filter(({ now }) => now.destination === slot && stateOf(now, set.now) === 'ready')
    .filter(({ now }) => !firsts || now.attempts === 0)
    .toSorted((a, b) => a.now.seq - b.now.seq)
    .slice(0, limit);
}

async function claimAll(set: WorkingSet, rows: readonly DeliveryRow[], leaseMs: number): Promise<readonly Claim[]> {
  const events = await readEvents(
    set.collections,
    rows.map((row) => row.now.eventId),
  );
  await set.queues.load(
    rows.flatMap(({ now }): (readonly [string, string])[] => (now.line === null ? [] : [[now.destination, now.line]])),
  );
  const claims: Claim[] = [];
  for (const row of rows) {
    const event = events.get(row.now.eventId);
    if (event === undefined) continue;
    const how = { leaseMs, event: storedEvent(event), answered: storedAnswer(event.answer) !== null, started: false };
    claims.push(await claimRow(set, row, how));
  }
  return claims;
}

async function readEvents(
  { events }: Collections,
  ids: readonly string[],
): Promise<ReadonlyMap<string, EventDocument>> {
  if (ids.length === 0) return new Map();
  const found = await events.find({ _id: { $in: [...new Set(ids)] } }).toArray();
  return new Map(found.map((event) => [event._id, event]));
}

/** Extends leases; answers the claims that are stale. */
export async function renew(
  set: WorkingSet,
  claims: readonly ClaimRef[],
  leaseMs: number,
): Promise<readonly ClaimRef[]> {
  await set.deliveriesOf(claims.map((ref) => ref.deliveryId));
  const stale: ClaimRef[] = [];
  for (const ref of claims) {
    const row = await claimed(set, ref);
    if (row === null) stale.push(ref);
    else set.assign(row, { leaseUntil: set.now + leaseMs });
  }
  return stale;
}

/** Ends the claims of this process. */
export async function giveBack(set: WorkingSet): Promise<void> {
  const busy = await set.collections.destinations.find({ 'lanes.claimed': { $gt: 0 } }).toArray();
  const slot = { $in: busy.map((destination) => destination._id) };
  for (const row of await set.find({ slot, lane: 'claimed', owner: set.owner }, { seq: 1 })) {
    await set.change(row, { leaseUntil: null, started: false });
  }
}

/** What has work and when to look again. */
export async function wakeUps(
  { deliveries, destinations }: Collections,
  names: readonly string[],
  times: { readonly database: number; readonly caller: number },
): Promise<WakeUps> {
  const slot = { $in: [...names] };
  const at = times.database;
  const [known, ripe, next] = await Promise.all([
    destinations.find({ _id: slot, 'lanes.ready': { $gt: 0 } }, { projection: { _id: 1 } }).toArray(),
    deliveries.distinct('slot', {
      slot,
      lane: { $in: ['due', 'claimed'] },
      at: { $lte: at },
      free: true,
    }),
    deliveries
      .find({ slot, lane: { $in: ['due', 'claimed'] }, at: { $gt: at } }, { projection: { at: 1 } })
      .sort({ at: 1 })
      .limit(1)
      .toArray(),
  ]);
  const ready = new Set<unknown>([...known.map((row) => row._id), ...ripe]);
  const nextAt = next[0] === undefined ? null : times.caller + next[0].at - at;
  return { ready: names.filter((name) => ready.has(name)), nextAt };
}
