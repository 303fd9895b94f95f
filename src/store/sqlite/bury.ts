/** Open deliveries that nobody has claimed become dead letters, oldest first, up to a limit. */
import type { DeadReason } from '../../core/delivery.ts';
import { rowEvent } from './deliveries-of.ts';
import { type Page, STARTED } from './page.ts';
import { seqOf } from './position.ts';
import { endRows, insertRow, newRow, type RowEnd, takeFromPage } from './row-writes.ts';
import { type DeliveryRow, rowStates, toDeliveryRow } from './rows.ts';
import type { Txn } from './txn.ts';

export interface Burial {
  readonly destination: string;
  readonly reason: DeadReason;
  readonly limit: number;
  /** Only what was committed before this time. */
  readonly before: number;
}

/** Where an open delivery is. */
interface Found {
  readonly position: number;
  readonly number: number;
  readonly committedAt: number;
  readonly paged: { readonly seq: number; readonly index: number } | null;
  readonly row: DeliveryRow | null;
}

export async function buryOpen(txn: Txn, burial: Burial): Promise<number> {
  const found: Found[] = [];
  for (const number of txn.state.destinations.numbers(burial.destination)) {
    found.push(...(await openInPages(txn, number, burial)), ...(await openRows(txn, number, burial)));
  }
  const chosen = found.toSorted((a, b) => a.position - b.position).slice(0, burial.limit);
  const { reason } = burial;
  const rows = chosen.flatMap(({ row }) => (row === null ? [] : [row]));
  endRows(
    txn,
    rows.map((row) => [row, deadOf(row, reason)]),
  );
  for (const delivery of chosen) if (delivery.row === null) buryEntry(txn, delivery, reason);
  return chosen.length;
}

function deadOf(row: DeliveryRow, reason: DeadReason): RowEnd {
  const { attempts, last_error: lastError } = row;
  return { state: rowStates.dead, attempts, reason, note: null, lastError, holdKey: false };
}

function buryEntry(txn: Txn, { position, number, committedAt, paged }: Found, reason: DeadReason): void {
  const seq = seqOf(position);
  const event = rowEvent(txn, seq);
  takeFromPage(txn, { destination: number, paged });
  const given = { position, event: seq, destination: number, order_key: null, committed_at: committedAt };
  insertRow(txn, newRow(event, { ...given, state: rowStates.dead, reason, ended_at: txn.now }));
}

async function openInPages(txn: Txn, number: number, { limit, before }: Burial): Promise<Found[]> {
  const found: Found[] = [];
  let cursor = -1;
  const sql = `SELECT seq FROM page INDEXED BY page_open WHERE destination = ? AND seq > ? AND open > 0
    ORDER BY seq LIMIT 64`;
  while (found.length < limit) {
    const rows = await txn.query(sql, number, cursor);
    for (const row of rows) {
      cursor = Number(row['seq']);
      const page = txn.page({ destination: number, seq: cursor });
      if (page === null) continue;
      if (page.committedAt >= before && isAhead(txn, page.committedAt)) continue;
      if (page.committedAt >= before) return found;
      const open = [...page.entries(STARTED)].filter((index) => !txn.isClaimed(page.position(index)));
      for (const index of open) found.push(entryFound(page, index));
    }
    if (rows.length < 64) break;
  }
  return found;
}

/** Committed while the clock was ahead: what comes behind it may be older. Otherwise what comes behind is younger. */
function isAhead(txn: Txn, committedAt: number): boolean {
  return committedAt > txn.now;
}

function entryFound(page: Page, index: number): Found {
  const { destination: number, seq } = page.key;
  const { committedAt } = page;
  return { position: page.position(index), number, committedAt, paged: { seq, index }, row: null };
}

async function openRows(txn: Txn, number: number, { limit, before }: Burial): Promise<Found[]> {
  const found: Found[] = [];
  let cursor = -1;
  const sql = `SELECT * FROM delivery WHERE state = 0 AND destination = ? AND position > ?
    ORDER BY position LIMIT 256`;
  while (found.length < limit) {
    const rows = (await txn.query(sql, number, cursor)).map(toDeliveryRow);
    for (const row of rows) {
      cursor = row.position;
      if (row.committed_at >= before && isAhead(txn, row.committed_at)) continue;
      if (row.committed_at >= before) return found;
      if (txn.isClaimed(row.position) || found.length >= limit) continue;
      found.push({ position: row.position, number, committedAt: row.committed_at, paged: null, row });
    }
    if (rows.length < 256) break;
  }
  return found;
}
