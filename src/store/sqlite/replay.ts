/** New deliveries for past events. */
import type { ReplayAnswer, ReplayRow, RefusedReason } from '../store.ts';
import { idBytes } from '../../core/id.ts';
import type { StoredEvent } from '../../core/event.ts';
import { deliveriesOf, findEvent, type FoundDelivery } from './deliveries-of.ts';
import { deliveryId, positionOf } from './position.ts';
import { insertRow, newRow } from './row-writes.ts';
import { rowStates } from './rows.ts';
import type { Txn } from './txn.ts';

interface Repeated {
  readonly event: StoredEvent;
  readonly seq: number;
  readonly original: FoundDelivery | null;
}

/** The replays of one batch. What an event owes is read once for all of them. */
export class Replayer {
  readonly #txn: Txn;
  /** By event and destination. */
  readonly #owed = new Map<string, Map<string, FoundDelivery[]>>();
  /** What this batch has replayed. */
  readonly #made = new Set<string>();

  constructor(txn: Txn) {
    this.#txn = txn;
  }

  async replay(row: ReplayRow): Promise<ReplayAnswer> {
    const event = findEvent(this.#txn, row.eventId);
    if (event === null) return { status: 'refused', reason: 'not_found' };
    const owed = this.#owed.get(row.eventId) ?? (await this.#read(event));
    const deliveries = owed.get(row.destination) ?? [];
    const original = row.of === null ? null : (deliveries.find(({ id }) => id === row.of) ?? null);
    const reason = this.#whyNot(row, { ...event, original }, deliveries);
    if (reason !== null) return { status: 'refused', reason };
    this.#made.add(originalOf(row));
    return { status: 'committed', deliveryId: this.#add(row, { ...event, original }) };
  }

  async #read(event: Omit<Repeated, 'original'>): Promise<Map<string, FoundDelivery[]>> {
    const owed = Map.groupBy(await deliveriesOf(this.#txn, event), ({ destination }) => destination);
    this.#owed.set(event.event.id, owed);
    return owed;
  }

  #whyNot(row: ReplayRow, { event, original }: Repeated, deliveries: readonly FoundDelivery[]): RefusedReason | null {
    if (row.of !== null && original === null) return 'not_found';
    if (event.body === null) return 'body_purged';
    if (original?.isOpen === true) return 'conflict';
    if (this.#made.has(originalOf(row))) return 'replay_open';
    const replayId = idBytes(row.replayId);
    const isOpenOrOurs = ({ replayOf, row: made, isOpen }: FoundDelivery): boolean =>
      made !== null &&
      made.replay_id !== null &&
      replayOf === row.of &&
      (isOpen || (replayId !== null && Buffer.compare(made.replay_id, replayId) === 0));
    return deliveries.some(isOpenOrOurs) ? 'replay_open' : null;
  }

  #add(row: ReplayRow, { event, seq, original }: Repeated): string {
    const txn = this.#txn;
    const destination = txn.destination(row.destination);
    const position = positionOf(txn.nextSeq++, 0);
    const order_key = row.ordered ? (original?.orderKey ?? event.orderKey) : null;
    const made = newRow(event, { position, event: seq, destination, order_key, committed_at: txn.now });
    // It takes the place of the dead letter that holds its key, or joins the tail.
    const held = original?.row ?? null;
    const holds = held !== null && held.state === rowStates.dead && held.queue !== null && order_key !== null;
    const place = holds ? held.place : position;
    const queue = holds ? held.queue : made.queue;
    txn.count(destination, 'received');
    const replay_id = idBytes(row.replayId);
    insertRow(txn, { ...made, place, queue, replay_of: original?.position ?? null, replay_id });
    return deliveryId(event.id, position);
  }
}

/** What is replayed at most once at a time. */
function originalOf({ eventId, destination, of }: ReplayRow): string {
  return `${eventId} ${destination} ${of ?? ''}`;
}
