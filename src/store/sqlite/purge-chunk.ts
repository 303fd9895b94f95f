/** One chunk under retention: what of it may go now, and when to look at the rest again. */
import type { PurgeRequest, Retention } from '../store.ts';
import { ChunkBuilder, type ChunkEntry } from './chunk.ts';
import type { Chunk } from './chunks.ts';
import { MOVED, SUCCEEDED, type Page } from './page.ts';
import { positionOf, seqOf } from './position.ts';
import { freeHead } from './row-writes.ts';
import { type DeliveryRow, rowStates, toDeliveryRow } from './rows.ts';
import type { Txn } from './txn.ts';
import { bytesWords } from './words.ts';

export interface Looked {
  readonly bodies: number;
  readonly events: number;
  readonly deadLetters: number;
  readonly deliveries: number;
  /** `null`: nothing of it is left. */
  readonly lookAgainAt: number | null;
}

/** What became of an event: everything retention asks about. */
interface Fate {
  readonly entry: ChunkEntry;
  readonly rows: DeliveryRow[];
  deliveries: number;
  isOpen: boolean;
  unresolved: number;
  /** Its receipt, or the last end of its deliveries. */
  since: number;
}

/** @param at.isBuried Deliveries were buried in this transaction: what is committed is not what there is */
export async function lookAt(
  txn: Txn,
  request: PurgeRequest,
  { seq, isBuried }: { readonly seq: number; readonly isBuried: boolean },
): Promise<Looked> {
  const { state } = txn;
  const chunk = state.chunks.get(seq);
  if (chunk === null) return { bodies: 0, events: 0, deadLetters: 0, deliveries: 0, lookAgainAt: null };
  const pages = pagesOf(txn, chunk);
  const fates = await fatesOf(txn, chunk, { pages, isBuried });
  const goes = fates.filter((fate) => goesNow(fate, request));
  const stays = fates.filter((fate) => !goesNow(fate, request));
  const bodies = stays.filter(({ entry }) => state.chunks.hasBody(chunk, entry));
  const bodiesGo = new Set(bodies.filter((fate) => bodyGoesNow(fate, request)).map(({ entry }) => entry.seq));
  for (const fate of goes) removeEvent(txn, fate);
  removeByIds(txn, goes);
  removeExchanges(txn, stays.length === 0 ? fates : [], goes);
  if (goes.length > 0) removeEntries(txn, pages, new Set(goes.map(({ entry }) => entry.seq)));
  if (stays.length === 0) removeChunk(txn, seq);
  else if (goes.length > 0 || bodiesGo.size > 0) rewrite(txn, chunk, { stays, bodiesGo, metaToo: goes.length > 0 });
  if (goes.length > 0 || bodiesGo.size > 0) txn.afterwards(() => state.chunks.forget(seq));
  const withBodies = new Set(bodies.map(({ entry }) => entry.seq).filter((one) => !bodiesGo.has(one)));
  const times = stays.map((fate) => nextTime(fate, request, withBodies.has(fate.entry.seq)));
  return {
    bodies: bodiesGo.size,
    events: goes.length,
    deadLetters: goes.reduce((sum, { unresolved }) => sum + unresolved, 0),
    deliveries: goes.reduce((sum, { deliveries }) => sum + deliveries, 0),
    lookAgainAt: stays.length === 0 ? null : Math.min(...times),
  };
}

function isUnmatched({ entry, deliveries }: Fate): boolean {
  return deliveries === 0 && entry.duplicateOf === null;
}

/** The clock of an event; `null`: it stays. */
function clockOf(fate: Fate, retention: Retention): number | null {
  if (fate.isOpen) return null;
  if (fate.unresolved > 0) return retention.deadLettersMs;
  return isUnmatched(fate) ? retention.unmatchedMs : retention.eventsMs;
}

function goesNow(fate: Fate, { retention, now }: PurgeRequest): boolean {
  const clock = clockOf(fate, retention);
  return clock !== null && now - fate.since >= clock;
}

function bodyGoesNow(fate: Fate, { retention, now }: PurgeRequest): boolean {
  if (fate.isOpen || fate.unresolved > 0 || isUnmatched(fate) || retention.bodiesMs === null) return false;
  return now - fate.since >= retention.bodiesMs;
}

/**
 * The earliest time at which something of an event that stays may go. Whatever may yet happen to it (an open delivery
 * ends, a dead letter is resolved, a replay is made) ends after now, and its clock counts from then.
 */
function nextTime(fate: Fate, { retention, now }: PurgeRequest, hasBody: boolean): number {
  const { bodiesMs, eventsMs, deadLettersMs } = retention;
  const changed =
    now + Math.min(...[bodiesMs, eventsMs, deadLettersMs].map((clock) => clock ?? Number.POSITIVE_INFINITY));
  const clock = clockOf(fate, retention);
  const whole = clock === null ? Number.POSITIVE_INFINITY : fate.since + clock;
  const usual = !fate.isOpen && fate.unresolved === 0 && !isUnmatched(fate);
  const body = usual && hasBody && bodiesMs !== null ? fate.since + bodiesMs : Number.POSITIVE_INFINITY;
  return Math.min(changed, whole, body);
}

function pagesOf(txn: Txn, chunk: Chunk): Page[] {
  const owed = new Set(chunk.entries.flatMap((entry) => entry.owed));
  return [...owed].flatMap((destination) => txn.page({ destination, seq: chunk.seq }) ?? []);
}

async function fatesOf(
  txn: Txn,
  chunk: Chunk,
  { pages, isBuried }: { readonly pages: readonly Page[]; readonly isBuried: boolean },
): Promise<Fate[]> {
  const fates = new Map<number, Fate>();
  for (const entry of chunk.entries) {
    fates.set(entry.seq, { entry, rows: [], deliveries: 0, isOpen: false, unresolved: 0, since: entry.receivedAt });
  }
  for (const page of pages)
    for (let index = 0; index < page.count; index++) addEntry(fates.get(page.seq(index)), page, index);
  const last = chunk.entries.at(-1)?.seq ?? chunk.seq;
  const sql = `SELECT * FROM delivery WHERE position >= ?1 AND position < ?2
    UNION SELECT * FROM delivery WHERE event >= ?3 AND event <= ?4 AND replay_id IS NOT NULL`;
  const params = [positionOf(chunk.seq, 0), positionOf(last + 1, 0), chunk.seq, last];
  // Nobody else writes meanwhile, so reading needs no round trip to the writer.
  const found = isBuried ? await txn.query(sql, ...params) : txn.state.reader.all({ sql }, ...params);
  for (const row of found.map(toDeliveryRow)) addRow(fates.get(row.event), row);
  return [...fates.values()];
}

function addEntry(fate: Fate | undefined, page: Page, index: number): void {
  if (fate === undefined || page.state(index) > SUCCEEDED) return;
  fate.deliveries++;
  if (page.isOpen(index)) fate.isOpen = true;
  else fate.since = Math.max(fate.since, page.endedAt(index));
}

function addRow(fate: Fate | undefined, row: DeliveryRow): void {
  if (fate === undefined) return;
  fate.deliveries++;
  fate.rows.push(row);
  if (row.state === rowStates.open) fate.isOpen = true;
  if (row.state === rowStates.dead && row.resolved_at === null) fate.unresolved++;
  fate.since = Math.max(fate.since, row.resolved_at ?? row.ended_at ?? 0);
}

function removeEvent(txn: Txn, { entry, rows }: Fate): void {
  txn.source(entry.source).kept--;
  for (const row of rows) {
    txn.step({ statement: { sql: 'DELETE FROM delivery WHERE position = ?' }, params: [row.position] });
    txn.step({ statement: { sql: 'DELETE FROM attempt WHERE position = ?' }, params: [row.position] });
    if (row.state === rowStates.dead && row.resolved_at === null) txn.count(row.destination, 'unresolved', -1);
    if (row.queue !== null) freeHead(txn, row.queue);
  }
}

/** What is kept of events by their ids: by one statement a table, since nearly none of them has any. */
function removeByIds(txn: Txn, goes: readonly Fate[]): void {
  if (goes.length === 0) return;
  const ids = JSON.stringify(goes.map(({ entry }) => Buffer.from(entry.idBytes).toString('hex')));
  const tables = [
    ['duplicate', 'event_id'],
    ['stray', 'id'],
    ...(txn.state.hasAnswers ? [['answer', 'event_id']] : []),
  ];
  for (const [table, column] of tables) {
    const sql = `DELETE FROM ${table} WHERE ${column} IN (SELECT unhex(value) FROM json_each(?))`;
    txn.step({ statement: { sql }, params: [ids] });
  }
}

/** Of a chunk that goes whole by one range, else event by event. */
function removeExchanges(txn: Txn, whole: readonly Fate[], goes: readonly Fate[]): void {
  const statement = { sql: 'DELETE FROM exchange WHERE position >= ? AND position < ?' };
  const remove = (first: number, last: number): void =>
    txn.step({ statement, params: [positionOf(first, 0), positionOf(last + 1, 0)] });
  const [first, last] = [whole.at(0)?.entry.seq, whole.at(-1)?.entry.seq];
  if (first !== undefined && last !== undefined) remove(first, last);
  else for (const { entry } of goes) remove(entry.seq, entry.seq);
  for (const { rows } of goes) for (const { position } of rows) remove(seqOf(position), seqOf(position));
}

function removeEntries(txn: Txn, pages: readonly Page[], seqs: ReadonlySet<number>): void {
  for (const page of pages) {
    const { key } = page;
    if (page.open > 0) {
      // Claims and cursors of lanes know its entries by their places.
      markRemoved(txn.draft(key), seqs);
      continue;
    }
    const rest = page.without((index) => seqs.has(page.seq(index)) || page.state(index) === MOVED);
    if (rest.count > 0) {
      txn.putPage(rest);
      continue;
    }
    txn.dropPage(key);
    const sql = 'DELETE FROM page WHERE destination = ? AND seq = ?';
    txn.step({ statement: { sql }, params: [key.destination, key.seq] });
    txn.afterwards(() => txn.state.pages.forget(key));
  }
}

/** Their entries stay, and say nothing. */
function markRemoved(page: Page | null, seqs: ReadonlySet<number>): void {
  if (page === null) return;
  for (let index = 0; index < page.count; index++) if (seqs.has(page.seq(index))) page.mark(index, MOVED);
}

function removeChunk(txn: Txn, seq: number): void {
  for (const table of ['chunk', 'body']) {
    txn.step({ statement: { sql: `DELETE FROM ${table} WHERE seq = ?` }, params: [seq] });
  }
  // A seq is never used again, though the row that tells the highest may be gone.
  txn.step({ statement: 'setMeta', params: ['nextSeq', txn.nextSeq] });
}

interface Rest {
  readonly stays: readonly Fate[];
  readonly bodiesGo: ReadonlySet<number>;
  readonly metaToo: boolean;
}

/** Writes a chunk again with what stays of it, at the same places. */
function rewrite(txn: Txn, chunk: Chunk, { stays, bodiesGo, metaToo }: Rest): void {
  const { chunks } = txn.state;
  const builder = new ChunkBuilder(chunk.seq);
  for (const { entry } of stays) {
    const whole = chunks.event(chunk, entry);
    const event = bodiesGo.has(entry.seq) ? { ...whole, body: null } : whole;
    const { idBytes, owed, bodyBytes, bodiless } = entry;
    const duplicateOf = entry.duplicateOf && bytesWords(entry.duplicateOf);
    const item = { event, id: bytesWords(idBytes), owed, bodyBytes, duplicateOf, bodiless };
    builder.add(item, entry.seq - chunk.seq);
  }
  const { seq, count, receivedMin, receivedMax, unmatched, marks, meta, body } = builder.finish();
  if (metaToo) {
    const sql = `UPDATE chunk SET count = ?, received_min = ?, received_max = ?, unmatched = ?, marks = ?, meta = ?
      WHERE seq = ?`;
    const sealed = txn.blob('chunk', seq, meta);
    txn.step({ statement: { sql }, params: [count, receivedMin, receivedMax, unmatched, marks, sealed, seq] });
  }
  const sealed = txn.blob('body', seq, body);
  txn.step({ statement: { sql: 'UPDATE body SET data = ? WHERE seq = ?' }, params: [sealed, seq] });
}
