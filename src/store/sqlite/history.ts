/** What happened: single events and deliveries. Lists and sums lie beside. */
import type { AttemptRecord } from '../../core/delivery.ts';
import { formatId } from '../../core/id.ts';
import type { DeliveryRecord, DuplicateSummary, EventRecord, HistoryStore } from '../store.ts';
import { readAnswer } from './answers.ts';
import { entryOf } from './chunks.ts';
import { countAll } from './counts.ts';
import type { Engine } from './engine.ts';
import { listDeliveries } from './list-deliveries.ts';
import { listEvents } from './list-events.ts';
import { decodeExchange } from './exchange.ts';
import { SUCCEEDED } from './page.ts';
import { belongsTo, ordinalOf, positionIn, seqOf } from './position.ts';
import { ofEntry, ofRow } from './records.ts';
import { toDeliveryRow } from './rows.ts';
import type { Row } from './script.ts';
import type { State } from './state.ts';

/** A delivery keeps at most this many attempts. */
const ATTEMPTS_KEPT = 100;
const DUPLICATES_SHOWN = 10;

export function history(engine: Engine): HistoryStore {
  const { state } = engine;
  return {
    event: async (id) => state.reader.snapshot(() => eventRecord(state, id)),
    events: (filter, page) => listEvents(state, filter, page),
    delivery: async (id) => {
      state.expire();
      return state.reader.snapshot(() => delivery(state, id));
    },
    deliveries: (filter, page) => listDeliveries(state, filter, page),
    attempts: async (id) => state.reader.snapshot(() => attempts(state, id)),
    counts: () => countAll(state, engine.bytesOnDisk()),
  };
}

export function eventRecord(state: State, id: string): EventRecord | null {
  const found = state.chunks.find(id);
  if (found === null) return null;
  const { chunk, entry } = found;
  return {
    event: state.chunks.event(chunk, entry),
    bodyBytes: entry.bodyBytes,
    owed: entry.owed.length,
    duplicates: duplicates(state, entry.idBytes),
    answer: state.hasAnswers ? readAnswer(state.reader, entry.idBytes) : null,
  };
}

function duplicates(state: State, id: Uint8Array): DuplicateSummary {
  const sql = `SELECT turn, received_at, differs, correlation_id FROM duplicate WHERE event_id = ?
    ORDER BY turn DESC LIMIT ${DUPLICATES_SHOWN}`;
  const rows = state.reader.all({ sql }, id);
  const newest = rows.map((row) => ({
    receivedAt: Number(row['received_at']),
    differs: row['differs'] === 1,
    correlationId: String(row['correlation_id']),
  }));
  return { count: Number(rows[0]?.['turn'] ?? 0), newest };
}

function delivery(state: State, id: string): DeliveryRecord | null {
  const position = positionIn(id);
  if (position === null) return null;
  const row = state.reader.first('row', position);
  const record =
    row === null ? pagedDelivery(state, position) : ofRow(state, toDeliveryRow(row), state.clock.now()).record;
  return record?.id === id ? record : null;
}

function pagedDelivery(state: State, position: number): DeliveryRecord | null {
  const found = entryAt(state, position);
  return found === null ? null : ofEntry(state, found.page, found).record;
}

/** The entry of a position that has not moved into a row. */
function entryAt(state: State, position: number) {
  const seq = seqOf(position);
  const chunk = state.chunks.holding(seq);
  const entry = entryOf(chunk, seq);
  const destination = entry?.owed[ordinalOf(position)];
  if (chunk === null || entry === null || destination === undefined) return null;
  const page = state.pages.get({ destination, seq: chunk.seq });
  const index = page?.find(seq, ordinalOf(position)) ?? -1;
  if (page === null || index < 0 || page.state(index) > SUCCEEDED) return null;
  return { page, index, entry };
}

export function attempts(state: State, id: string): readonly AttemptRecord[] {
  const position = positionIn(id);
  if (position === null) return [];
  const sql = `SELECT number, started_at, duration_ms, outcome, status, error, worker, data
    FROM attempt LEFT JOIN exchange USING (position, turn) WHERE position = ? ORDER BY turn DESC LIMIT ${ATTEMPTS_KEPT}`;
  const rows = state.reader.all({ sql }, position);
  const row = state.reader.first('row', position);
  if (row !== null) {
    const isHis = belongsTo(id, formatId('evt', toDeliveryRow(row).event_id));
    return isHis ? rows.map(toAttempt).toReversed() : [];
  }
  const found = entryAt(state, position);
  if (found === null || found.page.state(found.index) !== SUCCEEDED) return [];
  if (!belongsTo(id, formatId('evt', found.entry.idBytes))) return [];
  const sent = state.reader.first({ sql: 'SELECT data FROM exchange WHERE position = ?' }, position);
  return [{ ...found.page.attempt(found.index), exchange: decodeExchange(sent?.['data']) }];
}

function toAttempt(row: Row): AttemptRecord {
  return {
    number: Number(row['number']),
    startedAt: Number(row['started_at']),
    durationMs: Number(row['duration_ms']),
    outcome: String(row['outcome']) as AttemptRecord['outcome'],
    status: row['status'] === null ? null : Number(row['status']),
    error: typeof row['error'] === 'string' ? row['error'] : null,
    worker: String(row['worker']),
    exchange: decodeExchange(row['data']),
  };
}
