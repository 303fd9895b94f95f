/**
 * Retention, in small steps. Chunks are looked at in the order of their commits, once for every clock that may run out
 * in them; `kept` says when a chunk that keeps something is to be looked at again. Nothing is ever scanned twice for
 * nothing, and a step is one short transaction.
 */
import type { PurgeAnswer, PurgeRequest, Retention } from '../store.ts';
import { buryOpen } from './bury.ts';
import { isDamage } from './failure.ts';
import { lookAt, type Looked } from './purge-chunk.ts';
import type { Txn } from './txn.ts';

/** What a step should take, from its begin to its commit: commits wait for it. The next takes more or fewer chunks. */
const STEP_MS = 5;
const CHUNKS_MAX = 64;
/** A damaged chunk is left alone and looked at again a day later. */
const DAMAGED_AGAIN_MS = 86_400_000;
/** Later than any time: there is no clock left to run out. */
const NEVER = 1e15;
/** Free pages that are given back to the file system in one step, once they are a good part of the file. */
const FREE_PAGES_STEP = 64;
const FREE_SHARE = 4;

export async function purge(txn: Txn, request: PurgeRequest): Promise<PurgeAnswer> {
  const { clock } = txn.state;
  const start = clock.monotonic();
  const sums = { bodies: 0, events: 0, deadLetters: 0, dedupeKeys: 0, held: 0 };
  let left = request.limit;
  for (const { destination, before } of request.heldBefore) {
    const limit = Math.max(0, left - sums.held);
    if (limit > 0) sums.held += await buryOpen(txn, { destination, reason: 'held_too_long', limit, before });
  }
  left -= sums.held;
  await noteRetention(txn, request.retention);
  const looked =
    left > 0 ? await lookAtChunks(txn, request, { until: start + STEP_MS / 2, left, isBuried: sums.held > 0 }) : null;
  sums.bodies = looked?.bodies ?? 0;
  sums.events = looked?.events ?? 0;
  sums.deadLetters = looked?.deadLetters ?? 0;
  left = looked?.left ?? left;
  const isThrough = looked?.isThrough === true && left > 0;
  const expired = isThrough ? txn.state.dedupe.expire(request.now) : null;
  const forgotten = isThrough ? txn.state.dedupe.forget(request.now) : null;
  for (const stage of [expired?.stage, forgotten]) {
    for (const step of stage?.steps ?? []) txn.step(step);
    if (stage) txn.afterwards(() => stage.apply());
  }
  sums.dedupeKeys = expired?.keys ?? 0;
  const isLarge = isThrough && (await giveBackSpace(txn));
  await txn.commit();
  adapt(txn.state.sweep, clock.monotonic() - start);
  const more = !isThrough || expired !== null || isLarge;
  if (!more) txn.state.sweep.startedAt = null;
  return { ...sums, more };
}

/** As many chunks next time as would have taken the time that a step should take. One is the least. */
function adapt(sweep: { chunks: number }, tookMs: number): void {
  if (tookMs > STEP_MS) sweep.chunks = Math.max(1, Math.floor((sweep.chunks * STEP_MS) / tookMs));
  else if (tookMs < STEP_MS / 2) sweep.chunks = Math.min(CHUNKS_MAX, sweep.chunks + Math.ceil(sweep.chunks / 2));
}

/** Other retention than last time: what was looked at under the old one is looked at again. */
async function noteRetention(txn: Txn, retention: Retention): Promise<void> {
  const text = JSON.stringify(retention);
  const [row] = await txn.query("SELECT value FROM meta WHERE key = 'retention'");
  if (row?.['value'] === text) return;
  txn.step({ statement: { sql: 'UPDATE kept SET look_at = 0 WHERE fresh = 0' }, params: [] });
  txn.step({ statement: 'setMeta', params: ['retention', text] });
}

/** The shortest of the clocks: nothing younger needs to be looked at. */
function shortest({ bodiesMs, eventsMs, unmatchedMs, deadLettersMs }: Retention): number {
  const clocks = [bodiesMs, eventsMs, unmatchedMs, deadLettersMs].map((clock) => clock ?? NEVER);
  return Math.min(...clocks);
}

interface Progress {
  bodies: number;
  events: number;
  deadLetters: number;
  /** Of the rows that may be touched. */
  left: number;
  /** Whether no chunk is left to look at. */
  isThrough: boolean;
}

interface Bounds {
  /** Reading takes this thread, so it ends earlier than the step: writing is still to come. */
  readonly until: number;
  readonly left: number;
  /** Deliveries were buried in this transaction. */
  readonly isBuried: boolean;
}

/** Looks at chunk after chunk, as long as there is time. */
async function lookAtChunks(txn: Txn, request: PurgeRequest, bounds: Bounds): Promise<Progress> {
  const { clock, sweep } = txn.state;
  sweep.startedAt ??= request.now;
  const progress: Progress = { bodies: 0, events: 0, deadLetters: 0, left: bounds.left, isThrough: false };
  const chunks = await nextChunks(txn, request, { startedAt: sweep.startedAt, ahead: sweep.chunks });
  for (const chunk of chunks) {
    const looked = await look(txn, request, { ...chunk, isBuried: bounds.isBuried });
    progress.bodies += looked.bodies;
    progress.events += looked.events;
    progress.deadLetters += looked.deadLetters;
    progress.left -= looked.bodies + looked.events + looked.deliveries;
    if (progress.left <= 0 || clock.monotonic() >= bounds.until) return progress;
  }
  progress.isThrough = chunks.length < sweep.chunks;
  return progress;
}

/** A chunk to look at, and whether it is one of `kept`. */
interface NextChunk {
  readonly seq: number;
  readonly isKept: boolean;
}

/** The next chunks to look at: of `kept` those whose time has come, and the next in order, as far as they are old enough. */
async function nextChunks(
  txn: Txn,
  request: PurgeRequest,
  { startedAt, ahead }: { readonly startedAt: number; readonly ahead: number },
): Promise<NextChunk[]> {
  const clock = shortest(request.retention);
  if (clock === NEVER) return [];
  const oldest = request.now - clock;
  const sql = `SELECT seq, 1 AS kept, NULL AS received_min FROM
      (SELECT seq FROM kept WHERE fresh = 0 AND look_at <= ?1 ORDER BY look_at LIMIT ?4)
    UNION ALL SELECT seq, 1, NULL FROM
      (SELECT seq FROM kept WHERE fresh = 1 AND look_at <= ?2 ORDER BY look_at LIMIT ?4)
    UNION ALL SELECT seq, 0, received_min FROM
      (SELECT seq, received_min FROM chunk WHERE seq >= ?3 AND seq NOT IN (SELECT seq FROM kept)
        ORDER BY seq LIMIT ?4)`;
  const from = Math.max(txn.state.chunks.purgedTo, txn.purgedTo);
  const chunks: NextChunk[] = [];
  for (const row of await txn.query(sql, startedAt, oldest, from, ahead)) {
    const isKept = row['kept'] === 1;
    // In order: behind one that is too young, none is looked at.
    if (!isKept && Number(row['received_min']) > oldest) break;
    chunks.push({ seq: Number(row['seq']), isKept });
  }
  return chunks.slice(0, ahead);
}

/** Looks at one chunk, drops what may go, and notes when to look again. */
async function look(txn: Txn, request: PurgeRequest, at: NextChunk & { isBuried: boolean }): Promise<Looked> {
  const { state } = txn;
  const { seq, isKept } = at;
  const looked = await lookAt(txn, request, at).catch((error: unknown): Looked => {
    if (!isDamage(error)) throw error;
    return { bodies: 0, events: 0, deadLetters: 0, deliveries: 0, lookAgainAt: request.now + DAMAGED_AGAIN_MS };
  });
  if (!isKept) {
    // In order: everything up to it has been looked at.
    txn.purgedTo = seq + 1;
    txn.step({ statement: 'setMeta', params: ['purgedTo', seq + 1] });
    txn.afterwards(() => void (state.chunks.purgedTo = Math.max(state.chunks.purgedTo, seq + 1)));
  }
  const note = 'INSERT OR REPLACE INTO kept (seq, fresh, look_at) VALUES (?, 0, ?)';
  const forget = 'DELETE FROM kept WHERE seq = ?';
  if (looked.lookAgainAt === null) {
    if (isKept) txn.step({ statement: { sql: forget }, params: [seq] });
    return looked;
  }
  // Not again in this sweep, whatever its clock says.
  const again = Math.max(looked.lookAgainAt, (state.sweep.startedAt ?? request.now) + 1);
  txn.step({ statement: { sql: note }, params: [seq, Math.min(again, NEVER)] });
  return looked;
}

/** Shrinks the file a little, when a good part of it is free; answers whether a good part is free still. */
async function giveBackSpace(txn: Txn): Promise<boolean> {
  const before = await freePages(txn);
  if (before === 0) return false;
  txn.step({ statement: { sql: `PRAGMA incremental_vacuum(${FREE_PAGES_STEP})` }, params: [] });
  const after = await freePages(txn);
  // Not of a file that cannot shrink: then it would never end.
  return after > 0 && after < before;
}

/** Free pages, when they are a good part of the file; else 0. */
async function freePages(txn: Txn): Promise<number> {
  const [free] = await txn.query('PRAGMA freelist_count');
  const [all] = await txn.query('PRAGMA page_count');
  const pages = Number(free?.['freelist_count'] ?? 0);
  return pages * FREE_SHARE < Number(all?.['page_count'] ?? 0) || pages < FREE_PAGES_STEP ? 0 : pages;
}
