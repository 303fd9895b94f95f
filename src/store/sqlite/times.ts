/**
 * From a time of receipt to places in the order of commits, with a few seeks and without an index by time: chunks are
 * committed nearly in the order of their receipts, and those that were received well before their turn (a request of
 * the rejection log that was accepted later, a clock that was put back) are marked as early and looked at one by one.
 */
import type { State } from './state.ts';

/** Up to this far behind what was received before it, a chunk counts as in order. */
const DISORDER_MS = 1000;

/** Whether a chunk with this first receipt is early, behind chunks whose latest receipt is `receivedLast`. */
export function isEarly(receivedMin: number, receivedLast: number): boolean {
  return receivedMin < receivedLast - DISORDER_MS;
}

/** Chunks that can hold a receipt within `since` (included) and `until` (not). */
export interface Span {
  /** None before this seq. */
  readonly from: number;
  /** From here on only chunks that are early, and replays of what was received before. `null`: no such end. */
  readonly to: number | null;
}

export function spanOf(state: State, { since, until }: { readonly since?: number; readonly until?: number }): Span {
  const from = since === undefined ? 0 : firstReached(state, since);
  if (until === undefined) return { from, to: null };
  const reached = firstReached(state, until + DISORDER_MS);
  const next = state.reader.first({ sql: 'SELECT seq FROM chunk WHERE seq > ? ORDER BY seq LIMIT 1' }, reached);
  return { from, to: next === null ? state.nextSeq : Number(next['seq']) };
}

/** The first chunk with which receipts reach `time`; beyond the last one when none does. The latest receipt only rises. */
function firstReached(state: State, time: number): number {
  const sql = 'SELECT seq, received_high FROM chunk WHERE seq >= ? ORDER BY seq LIMIT 1';
  let low = 0;
  let high = state.nextSeq;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const row = state.reader.first({ sql }, middle);
    if (row === null || Number(row['received_high']) >= time) high = middle;
    else low = Number(row['seq']) + 1;
  }
  return Number(state.reader.first({ sql }, low)?.['seq'] ?? state.nextSeq);
}
