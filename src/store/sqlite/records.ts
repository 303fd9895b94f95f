/** Deliveries as History shows them, from rows and from entries of pages. */
import type { DeliveryState } from '../../core/delivery.ts';
import { formatId } from '../../core/id.ts';
import type { DeliveryRecord } from '../store.ts';
import type { ChunkEntry } from './chunk.ts';
import { deliveryIdOf } from './claim-of.ts';
import { type Page, SUCCEEDED } from './page.ts';
import { positionOf } from './position.ts';
import { type DeliveryRow, rowStates } from './rows.ts';
import type { State } from './state.ts';

/** A record with its position, by which lists are ordered. */
export interface Placed {
  readonly position: number;
  readonly record: DeliveryRecord;
}

const endedStates: Readonly<Record<number, DeliveryState>> = {
  [rowStates.succeeded]: 'succeeded',
  [rowStates.skipped]: 'skipped',
  [rowStates.dead]: 'dead',
  [rowStates.cancelled]: 'cancelled',
};

export function ofRow(state: State, row: DeliveryRow, now: number): Placed {
  const deliveryState = stateOfRow(state, row, now);
  const record: DeliveryRecord = {
    id: deliveryIdOf(row.event_id, row.position),
    eventId: formatId('evt', row.event_id),
    destination: state.destinations.name(row.destination),
    source: row.source,
    type: row.type,
    tenant: row.tenant,
    orderKey: row.order_key,
    state: deliveryState,
    attempts: row.attempts,
    crashes: row.crashes,
    receivedAt: row.received_at,
    committedAt: row.committed_at,
    dueAt: row.state === rowStates.open && deliveryState !== 'claimed' && row.due > now ? row.due : null,
    endedAt: row.ended_at,
    reason: row.reason,
    note: row.note,
    resolved:
      row.resolved_at === null
        ? null
        : { at: row.resolved_at, by: row.resolved_by ?? '', note: row.resolved_note ?? '' },
    replayOf: row.replay_of === null ? null : deliveryIdOf(row.event_id, row.replay_of),
    replayId: row.replay_id === null ? null : formatId('rpl', row.replay_id),
    lastError: row.last_error,
  };
  return { position: row.position, record };
}

/** An entry of a page; not one that has moved. */
export function ofEntry(state: State, page: Page, at: { index: number; entry: ChunkEntry }): Placed {
  const { index, entry } = at;
  const position = positionOf(entry.seq, page.ordinal(index));
  const succeeded = page.state(index) === SUCCEEDED;
  const open = state.slots.has(position) ? 'claimed' : 'ready';
  const record: DeliveryRecord = {
    id: deliveryIdOf(entry.idBytes, position),
    eventId: formatId('evt', entry.idBytes),
    destination: state.destinations.name(page.key.destination),
    source: entry.source,
    type: entry.type,
    tenant: entry.tenant,
    orderKey: null,
    state: succeeded ? 'succeeded' : open,
    attempts: succeeded ? 1 : 0,
    crashes: 0,
    receivedAt: entry.receivedAt,
    committedAt: page.committedAt,
    dueAt: null,
    endedAt: succeeded ? page.endedAt(index) : null,
    reason: null,
    note: null,
    resolved: null,
    replayOf: null,
    replayId: null,
    lastError: null,
  };
  return { position, record };
}

/** The entries of a chunk's event in the pages of what it owes. */
export function entriesOf(state: State, chunkSeq: number, entry: ChunkEntry): Placed[] {
  return [...new Set(entry.owed)].flatMap((destination) => {
    const page = state.pages.get({ destination, seq: chunkSeq });
    if (page === null) return [];
    const indexes: number[] = [];
    for (let index = 0; index < page.count; index++) {
      if (page.seq(index) === entry.seq && page.state(index) <= SUCCEEDED) indexes.push(index);
    }
    return indexes.map((index) => ofEntry(state, page, { index, entry }));
  });
}

function stateOfRow(state: State, row: DeliveryRow, now: number): DeliveryState {
  const ended = endedStates[row.state];
  if (ended !== undefined) return ended;
  if (state.slots.has(row.position)) return 'claimed';
  if (row.blocked === 1) return 'blocked';
  return row.due > now ? 'due' : 'ready';
}
