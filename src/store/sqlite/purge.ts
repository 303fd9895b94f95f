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

/** Chunks looked at in one step: decoding one costs a fraction of a millisecond. */
const CHUNKS_MAX = 8;
/** A damaged chunk is left alone and looked at again a day later. */
const DAMAGED_AGAIN_MS = 86_400_000;
/** Later than any time: there is no clock left to run out. */
const NEVER = 1e15;
/** Free pages that are given back to the file system in one step, once they are a good part of the file. */
const FREE_PAGES_STEP = 256;
const FREE_SHARE = 4;

export async function purge(txn: Txn, request: PurgeRequest): Promise<PurgeAnswer> {
  const sums = { bodies: 0, events: 0, deadLetters: 0, dedupeKeys: 0, held: 0 };
  let left = request.limit;
  for (const { destination, before } of request.heldBefore) {
    const limit = Math.max(0, left - sums.held);
    if (limit > 0) sums.held += await buryOpen(txn, { destination, reason: 'held_too_long', limit, before });
  }
  left -= sums.held;
  await noteRetention(txn, request.retention);
  let chunks = 0;
  let next = left > 0 ? await nextChunk(txn, request) : null;
  for (; next !== null && left > 0 && chunks < CHUNKS_MAX; chunks++) {
    const looked = await look(txn, request, next);
    sums.bodies += looked.bodies;
    sums.events += looked.events;
    sums.deadLetters += looked.deadLetters;
    left -= looked.bodies + looked.events + looked.deliveries;
    next = await nextChunk(txn, request);
  }
  const expired = left > 0 && next === null ? txn.state.dedupe.expire(request.now) : null;
  const forgotten = left > 0 && next === null ? txn.state.dedupe.forget(request.now) : null;
  for (const stage of [expired?.stage, forgotten]) {
    for (const step of stage?.steps ?? []) txn.step(step);
    if (stage) txn.afterwards(() => stage.apply());
  }
  sums.dedupeKeys = expired?.keys ?? 0;
  if (next === null && left > 0) await giveBackSpace(txn);
  await txn.commit();
  const more = left <= 0 || next !== null || expired !== null;
  if (!more) txn.state.sweep.keptAfter = -1;
  return { ...sums, more };
}

/** Other retention than last time: what was looked at under the old one is looked at again. */
async function noteRetention(txn: Txn, retention: Retention): Promise<void> {
  const text = JSON.stringify(retention);
  const [row] = await txn.query("SELECT value FROM meta WHERE key = 'retention'");
  if (row?.['value'] === text) return;
  txn.step({ statement: { sql: 'UPDATE kept SET look_at = 0 WHERE fresh = 0' }, params: [] });
  txn.step({ statement: 'setMeta', params: ['retention', text] });
  txn.state.sweep.keptAfter = -1;
}

/** The shortest of the clocks: nothing younger needs to be looked at. */
function shortest({ bodiesMs, eventsMs, unmatchedMs, deadLettersMs }: Retention): number {
  const clocks = [bodiesMs, eventsMs, unmatchedMs, deadLettersMs].map((clock) => clock ?? NEVER);
  return Math.min(...clocks);
}

/** The next chunk to look at: one of `kept` whose time has come, or the next in order; `null`: none is old enough. */
async function nextChunk(txn: Txn, request: PurgeRequest): Promise<number | null> {
  const { chunks, sweep } = txn.state;
  const clock = shortest(request.retention);
  if (clock === NEVER) return null;
  const oldest = request.now - clock;
  const kept = `SELECT min(seq) AS seq FROM kept
    WHERE seq > ?1 AND ((fresh = 0 AND look_at <= ?2) OR (fresh = 1 AND look_at <= ?3))`;
  const [again] = await txn.query(kept, sweep.keptAfter, request.now, oldest);
  if (typeof again?.['seq'] === 'number') return again['seq'];
  const fresh = `SELECT seq, received_min FROM chunk
    WHERE seq >= ? AND seq NOT IN (SELECT seq FROM kept) ORDER BY seq LIMIT 1`;
  const [row] = await txn.query(fresh, Math.max(chunks.purgedTo, txn.purgedTo));
  return row !== undefined && Number(row['received_min']) <= oldest ? Number(row['seq']) : null;
}

/** Looks at one chunk, drops what may go, and notes when to look again. */
async function look(txn: Txn, request: PurgeRequest, seq: number): Promise<Looked> {
  const { state } = txn;
  const looked = await lookAt(txn, request, seq).catch((error: unknown): Looked => {
    if (!isDamage(error)) throw error;
    return { bodies: 0, events: 0, deadLetters: 0, deliveries: 0, lookAgainAt: request.now + DAMAGED_AGAIN_MS };
  });
  const [kept] = await txn.query('SELECT 1 AS kept FROM kept WHERE seq = ?', seq);
  if (kept === undefined) {
    // In order: everything up to it has been looked at.
    txn.purgedTo = seq + 1;
    txn.step({ statement: 'setMeta', params: ['purgedTo', seq + 1] });
    txn.afterwards(() => void (state.chunks.purgedTo = Math.max(state.chunks.purgedTo, seq + 1)));
  }
  // Not again in this sweep, whatever its clock says.
  state.sweep.keptAfter = Math.max(state.sweep.keptAfter, seq);
  const note = 'INSERT OR REPLACE INTO kept (seq, fresh, look_at) VALUES (?, 0, ?)';
  const forget = 'DELETE FROM kept WHERE seq = ?';
  if (looked.lookAgainAt === null) txn.step({ statement: { sql: forget }, params: [seq] });
  else txn.step({ statement: { sql: note }, params: [seq, Math.min(looked.lookAgainAt, NEVER)] });
  return looked;
}

/** Shrinks the file a little, when a good part of it is free. */
async function giveBackSpace(txn: Txn): Promise<void> {
  const [free] = await txn.query('PRAGMA freelist_count');
  const [all] = await txn.query('PRAGMA page_count');
  const pages = Number(free?.['freelist_count'] ?? 0);
  if (pages * FREE_SHARE < Number(all?.['page_count'] ?? 0) || pages < FREE_PAGES_STEP) return;
  txn.step({ statement: { sql: `PRAGMA incremental_vacuum(${FREE_PAGES_STEP})` }, params: [] });
}
