/** Claiming what is ready. A claim is a read: nothing is written, and a crash ends it. */
import { formatId } from '../../core/id.ts';
import type { Claim, ClaimAnswer, ClaimRef, ClaimRequest, ClaimWant, WakeUps } from '../store.ts';
import { claimOf } from './claim-of.ts';
import { entryOf } from './chunks.ts';
import { damaged } from './failure.ts';
import type { Lane, Suggestion } from './lane.ts';
import { STARTED } from './page.ts';
import { belongsTo, ordinalOf, positionIn, seqOf } from './position.ts';
import { type DeliveryRow, rowStates, toDeliveryRow } from './rows.ts';
import type { State } from './state.ts';

/**
 * Retries that are passed over in one call to find first attempts: a row is read for each. Behind so many first attempts are
 * looked for in pages only, which hold nothing else.
 */
const PASSED_MAX = 4096;

/** Where to look for what is ready. */
interface Look {
  readonly now: number;
  /** Among what was never attempted and needs no row: by far the most of it, and no retry. Default: everywhere. */
  readonly fromPages?: boolean;
}

/** A delivery that is ready now. */
interface Ready {
  readonly position: number;
  readonly number: number;
  readonly paged: { readonly seq: number; readonly index: number } | null;
  readonly row: DeliveryRow | null;
}

/** Claims what is ready of the destinations wanted, or just the ids named. */
export function claim(state: State, request: ClaimRequest): ClaimAnswer {
  state.expire();
  const { wants, ids, now } = request;
  const claims: Claim[] = [];
  try {
    for (const want of wants) {
      if (ids === undefined) claimFirst(state, request, { want, claims });
      else claimThese(state, request, { want, ids, claims });
    }
  } catch (error) {
    giveBack(state, claims);
    throw error;
  }
  const more = wants.map((want) => want.destination).filter((name) => nextReady(state, name, { now }) !== null);
  return { claims, more };
}

/** Extends leases; answers the claims that are stale. */
export function renew(state: State, claims: readonly ClaimRef[], leaseMs: number): readonly ClaimRef[] {
  state.expire();
  return claims.filter((ref) => {
    const slot = state.slots.current(ref);
    if (slot !== null) state.slots.renew(slot, leaseMs);
    return slot === null;
  });
}

/** What has work and when to look again. From memory, but for destinations that nobody has looked at yet. */
export function wakeUps(state: State, destinations: readonly string[], now: number): WakeUps {
  state.expire();
  const ready = destinations.filter((destination) => nextReady(state, destination, { now }) !== null);
  const wanted = new Set<number>();
  let nextAt = Number.POSITIVE_INFINITY;
  for (const destination of destinations) {
    for (const lane of state.lanes(destination)) {
      wanted.add(lane.number);
      nextAt = Math.min(nextAt, lane.nextDue(now) ?? nextAt);
    }
  }
  const monotonic = state.clock.monotonic();
  for (const slot of state.slots.all()) {
    if (wanted.has(slot.destination)) nextAt = Math.min(nextAt, now + slot.leaseEnd - monotonic);
  }
  return { ready, nextAt: nextAt === Number.POSITIVE_INFINITY ? null : nextAt };
}

/** Claims that nobody will be told of. */
function giveBack(state: State, claims: readonly Claim[]): void {
  for (const claim of claims) {
    const slot = state.slots.current(claim);
    if (slot === null) continue;
    state.slots.end(slot);
    state.lane(slot.destination).offer(slot.position);
  }
}

function claimFirst(state: State, request: ClaimRequest, { want, claims }: { want: ClaimWant; claims: Claim[] }): void {
  let bytes = 0;
  const passed: Ready[] = [];
  for (let made = 0; made < want.slots && bytes <= want.bytesMax;) {
    const next = nextReady(state, want.destination, { now: request.now, fromPages: passed.length >= PASSED_MAX });
    if (next === null) break;
    next.suggestion.skip();
    if (want.firsts === true && (next.ready.row?.attempts ?? 0) > 0) {
      passed.push(next.ready);
      continue;
    }
    const claim = claimReady(state, next.ready, request.leaseMs);
    made++;
    claims.push(claim);
    bytes += claim.event.body?.length ?? 0;
  }
  for (const { number, position } of passed) state.lane(number).offer(position);
}

function claimThese(
  state: State,
  request: ClaimRequest,
  { want, ids, claims }: { want: ClaimWant; ids: readonly string[]; claims: Claim[] },
): void {
  const numbers = state.destinations.numbers(want.destination);
  const found = [...new Set(ids)].flatMap((id) => {
    const position = positionIn(id);
    const ready = position === null ? null : readyAmong(state, numbers, { position, now: request.now });
    return ready !== null && isIdOf(state, id, ready) ? [ready] : [];
  });
  for (const ready of found.toSorted((a, b) => a.position - b.position)) {
    claims.push(claimReady(state, ready, request.leaseMs));
  }
}

/** Whether anything is ready under this number of a destination. */
export function hasReady(state: State, number: number, now: number): boolean {
  return nextOf(state, state.lane(number), { now }) !== null;
}

/** Whether the delivery at this position is ready. */
export function isReady(
  state: State,
  number: number,
  at: { readonly position: number; readonly now: number },
): boolean {
  return readyAt(state, state.lane(number), { ...at, paged: null }) !== null;
}

/** Rows and pages whose receipts are compared for {@link oldestReady}. */
const OLDEST_AMONG = { rows: 256, pages: 4 };

/**
 * When the oldest ready delivery was received; `null`: none is ready. Looked for among the first to be claimed: what
 * was committed much later was received later.
 */
export function oldestReady(state: State, destination: string, now: number): number | null {
  const next = nextReady(state, destination, { now });
  if (next === null) return null;
  const times: number[] = [];
  const timeOf = (position: number): number | undefined => state.chunks.entry(seqOf(position))?.receivedAt;
  times.push(next.ready.row?.received_at ?? timeOf(next.ready.position) ?? Number.POSITIVE_INFINITY);
  for (const number of state.destinations.numbers(destination)) {
    for (const row of state.reader.all('readyRows', number, now, OLDEST_AMONG.rows)) {
      if (!state.slots.has(Number(row['position']))) times.push(Number(row['received_at']));
    }
    for (const row of state.reader.all('openPages', number, -1, state.nextSeq, OLDEST_AMONG.pages)) {
      const page = state.pages.get({ destination: number, seq: Number(row['seq']) });
      const open = page === null ? [] : [...page.entries(STARTED)].map((index) => page.position(index));
      const unclaimed = open.filter((position) => !state.slots.has(position));
      times.push(...unclaimed.map((position) => timeOf(position) ?? Number.POSITIVE_INFINITY));
    }
  }
  return Math.min(...times);
}

function readyAmong(state: State, numbers: readonly number[], at: { position: number; now: number }): Ready | null {
  for (const number of numbers) {
    const ready = readyAt(state, state.lane(number), { ...at, paged: null });
    if (ready !== null) return ready;
  }
  return null;
}

/** The ready delivery of a destination that was committed first. */
function nextReady(
  state: State,
  destination: string,
  look: Look,
): { readonly ready: Ready; readonly suggestion: Suggestion } | null {
  let best: { readonly ready: Ready; readonly suggestion: Suggestion } | null = null;
  for (const lane of state.lanes(destination)) {
    const found = nextOf(state, lane, look);
    if (found !== null && (best === null || found.ready.position < best.ready.position)) best = found;
  }
  return best;
}

function nextOf(
  state: State,
  lane: Lane,
  { now, fromPages = false }: Look,
): { readonly ready: Ready; readonly suggestion: Suggestion } | null {
  const next = (): Suggestion | null => (fromPages ? lane.nextEntry() : lane.next(now));
  for (let suggestion = next(); suggestion !== null; suggestion = next()) {
    const { position, paged } = suggestion;
    const ready = readyAt(state, lane, { position, paged, now });
    if (ready !== null) return { ready, suggestion };
    suggestion.skip();
  }
  return null;
}

interface Place {
  readonly position: number;
  readonly paged: Ready['paged'];
  readonly now: number;
}

/** What a suggestion comes to: the delivery, if it is ready indeed. */
function readyAt(state: State, lane: Lane, { position, paged, now }: Place): Ready | null {
  if (state.slots.has(position)) return null;
  const { number } = lane;
  // From a cursor over pages: open there, as of what is committed.
  if (paged !== null) return { position, number, paged, row: null };
  const found = state.reader.first('row', position);
  if (found === null) return pagedAt(state, number, position);
  const row = toDeliveryRow(found);
  if (row.destination !== number || row.state !== rowStates.open || row.blocked === 1) return null;
  if (row.due <= now) return { position, number, paged: null, row };
  lane.postpone(position, row.due);
  return null;
}

function pagedAt(state: State, number: number, position: number): Ready | null {
  const seq = seqOf(position);
  if (seq >= state.nextSeq) return null;
  const chunk = state.chunks.holding(seq);
  const page = chunk === null ? null : state.pages.get({ destination: number, seq: chunk.seq });
  if (page === null) return null;
  const index = page.find(seq, ordinalOf(position));
  return index >= 0 && page.isOpen(index) ? { position, number, paged: { seq: page.key.seq, index }, row: null } : null;
}

function isIdOf(state: State, id: string, ready: Ready): boolean {
  const entry = state.chunks.entry(ready.row?.event ?? seqOf(ready.position));
  return entry !== null && belongsTo(id, formatId('evt', entry.idBytes));
}

function claimReady(state: State, ready: Ready, leaseMs: number): Claim {
  const { position, number, paged, row } = ready;
  const seq = row?.event ?? seqOf(position);
  const chunk = state.chunks.holding(seq);
  const entry = entryOf(chunk, seq);
  // Whoever claims has gone on behind it: damage is told once, and what lies behind it can be claimed.
  if (chunk === null || entry === null) throw damaged(`the event of seq ${seq}`);
  const event = state.chunks.event(chunk, entry);
  const page = paged === null ? null : state.pages.get({ destination: number, seq: paged.seq });
  const committedAt = row?.committed_at ?? page?.committedAt ?? chunk.committedAt;
  const answered = state.hasAnswers && state.reader.first('answerExists', entry.idBytes) !== null;
  const slot = state.slots.make({ position, destination: number, event, paged, row }, leaseMs);
  return claimOf(slot, { destination: state.destinations.name(number), committedAt, answered });
}
