/** Commands that are rows of a commit: what they add to the batch that is being gathered. */
import type { DeadReason } from '../../core/delivery.ts';
import type { Action, NewDelivery, NewEvent, Outcome, StoredAnswer } from '../../store/store.ts';
import type { CommandName, Dice } from './command.ts';
import type { ClaimPair, Pair, Rows } from './pair.ts';

/** The destinations that histories know. */
export const DESTINATIONS = ['till', 'ledger', 'desk'] as const;

type AddRow = (pair: Pair, dice: Dice, rows: Rows) => Promise<void> | void;

/** An empty batch. */
export function noRows(): Rows {
  return { appends: [], starts: [], settlements: [], releases: [], replays: [], actions: [], documents: [] };
}

/** How each command that is a row adds itself; the others are not rows. */
export const addRow: Partial<Record<CommandName, AddRow>> = {
  append: (pair, dice, rows) => {
    const events = [newEvent(pair, dice)];
    if (dice.roll(4) === 3) events.push(newEvent(pair, dice));
    rows.appends.push({ events });
  },
  start: (pair, dice, rows) => {
    const claim = pickClaim(pair, dice);
    if (claim !== undefined) rows.starts.push(claim);
  },
  settle: (pair, dice, rows) => {
    const claim = pickClaim(pair, dice);
    if (claim === undefined) return;
    const outcome = newOutcome(pair, dice);
    const answer = dice.roll(4) === 3 ? newAnswer(dice) : null;
    const emits = dice.roll(4) === 3 ? [newEvent(pair, dice)] : [];
    rows.settlements.push({ claim, outcome, emits, answer });
  },
  release: (pair, dice, rows) => {
    const claim = pickClaim(pair, dice);
    if (claim !== undefined) rows.releases.push({ claim, delayMs: dice.of(0, 0, 500, 5_000) });
  },
  replay: addReplay,
  resolve: async (pair, dice, rows) => {
    const dead = (await pair.deliveries()).filter((row) => row.state === 'dead' || dice.roll(8) === 7);
    const deliveryIds = dead.slice(0, 1 + dice.roll(3)).map((row) => row.id);
    rows.actions.push({ kind: 'resolve', deliveryIds, note: 'by hand', by: 'ada' });
  },
  bury: (_, dice, rows) => {
    const reason = dice.of<DeadReason>('cleared', 'destination_deleted');
    rows.actions.push({ kind: 'bury', destination: dice.of(...DESTINATIONS), reason, limit: 1 + dice.roll(3) });
  },
  cancel: async (pair, dice, rows) => {
    const row = dice.pick((await pair.deliveries()).filter((one) => one.endedAt === null));
    if (row !== undefined) rows.actions.push({ kind: 'cancel', eventId: row.eventId });
  },
  rename: (_, dice, rows) => {
    const rename: Action = {
      kind: 'rename',
      from: dice.of('desk', 'ledger', 'office'),
      to: dice.of('till', 'office', 'desk'),
    };
    rows.actions.push(rename);
  },
  document: (_, dice, rows) => {
    const key = dice.of('a', 'b');
    const value = dice.of<string | number | null>('x', 1, null);
    rows.documents.push({ kind: 'note', key, value, ifVersion: dice.of(null, 0, 1, 2) });
  },
};

async function addReplay(pair: Pair, dice: Dice, rows: Rows): Promise<void> {
  const deliveries = await pair.deliveries();
  const ended = deliveries.filter((row) => row.endedAt !== null);
  const row = dice.pick(dice.roll(4) === 3 || ended.length === 0 ? deliveries : ended);
  if (row === undefined) return;
  const replayId = pair.build.replayId();
  const ordered = dice.roll(4) !== 3;
  const { eventId } = row;
  if (dice.roll(4) === 3)
    rows.replays.push({ replayId, eventId, destination: dice.of(...DESTINATIONS), of: null, ordered });
  else rows.replays.push({ replayId, eventId, destination: row.destination, of: row.id, ordered });
}

/** One of the newest claims: mostly one that may be current, now and then a stale one. */
export function pickClaim(pair: Pair, dice: Dice): ClaimPair | undefined {
  const { current, stale } = pair.claims;
  const claims = dice.roll(5) === 4 ? stale : current;
  return dice.pick([...claims].slice(-6).toReversed());
}

function newEvent(pair: Pair, dice: Dice): NewEvent {
  const dedupeKey = dice.of(null, 'd1', 'd1', 'd2');
  const orderKey = dice.of(null, 'k', 'k', 'l');
  const body = dice.of(new Uint8Array([0, 255, 10]), new Uint8Array([0, 255, 10]), new Uint8Array([254, 255, 10, 1]));
  const source = dice.of('shop', 'shop', 'shop', 'stall');
  const tenant = dice.of(null, null, null, 'acme');
  const dedupeWindowMs = dice.of(60_000, 1_000, 500, 0);
  const deliveries = newDeliveries(pair, dice);
  const receivedAt = pair.now - dice.of(0, 0, 500);
  return {
    ...pair.build.event({ dedupeKey, orderKey, body, source, tenant, dedupeWindowMs, receivedAt }),
    deliveries: deliveries.map((delivery) => ({ ...delivery, orderKey })),
  };
}

function newDeliveries(pair: Pair, dice: Dice): readonly Omit<NewDelivery, 'orderKey'>[] {
  const first = dice.roll(DESTINATIONS.length);
  const count = dice.of(1, 1, 2, 0);
  const handOff = dice.of<NewDelivery['handOff']>('no', 'claim', 'start', 'start');
  const dueAt = dice.of(null, null, null, pair.now + 500, pair.now + 5_000);
  const dead = dice.roll(12) === 11 ? ('backlog_full' as const) : null;
  return Array.from({ length: count }, (_, index) => ({
    destination: DESTINATIONS[(first + index) % DESTINATIONS.length] ?? 'till',
    handOff,
    dueAt,
    dead,
  }));
}

function newOutcome(pair: Pair, dice: Dice): Outcome {
  const { build } = pair;
  switch (dice.roll(8)) {
    case 0:
      return build.succeeded();
    case 1:
      return { kind: 'succeeded', attempt: build.attempt({ status: 200, exchange: build.exchange() }) };
    case 2:
      return build.skipped('no need');
    case 3:
      return build.retry(dice.of(0, 500, 5_000), { error: dice.of('one', 'two', null) });
    case 4:
      return build.unavailable(dice.of(0, 500));
    case 5:
      return build.dead('exhausted', false);
    case 6:
      return build.dead('rejected', true);
    default: {
      const reason = dice.of<DeadReason>('body_purged', 'crashed');
      return { kind: 'dead', reason, note: null, holdKey: dice.roll(2) === 1, attempt: null };
    }
  }
}

function newAnswer(dice: Dice): StoredAnswer {
  return { status: 200 + dice.roll(3), headers: [['X-A', 'b']], body: new Uint8Array([dice.roll(256), 0]) };
}
