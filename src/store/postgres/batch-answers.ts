/** What the server says of a commit, made into the answers of its rows. */
import type {
  ActionAnswer,
  Append,
  AppendAnswer,
  Claim,
  CommitAnswers,
  CommitBatch,
  DocumentAnswer,
  EventAnswer,
  NewDelivery,
  NewEvent,
  Refused,
  RefusedReason,
  ReplayAnswer,
  RowAnswer,
  SettleAnswer,
  StoredAnswer,
} from '../store.ts';
import type { Turns, Verdicts } from './batch-rows.ts';
import { deliveryId } from './delivery-id.ts';
import { givenText } from './text.ts';

/** What the function of a commit answers. */
export interface Told {
  readonly now: number;
  /** Of each claim the batch refers to: whether it was current. */
  readonly current: readonly boolean[] | null;
  /** The positions drawn, in the order of events and their deliveries: emits first. */
  readonly positions: readonly number[];
  /** Index, id of the first, whether the body differs, and where its answer is. */
  readonly repeats: readonly (readonly [number, string, boolean, readonly [number, number] | null])[] | null;
  readonly replays: readonly (readonly [RefusedReason | null, number | null])[];
  readonly actions: readonly number[];
  readonly documents: readonly (number | null)[];
  readonly ready: readonly string[] | null;
}

/** How a batch was sent, and what came back. */
export interface Exchanged {
  readonly batch: CommitBatch;
  readonly verdicts: Verdicts;
  readonly turns: Turns;
  readonly told: Told;
  /** The answers of the firsts of repeats, by their positions. */
  readonly answers: ReadonlyMap<number, StoredAnswer>;
}

const stale: Refused = { status: 'refused', reason: 'stale_claim' };
const committed: RowAnswer = { status: 'committed' };

export function answersOf(exchanged: Exchanged): CommitAnswers {
  const { batch, told, turns, verdicts } = exchanged;
  const isCurrent = (turn: number | null): boolean => turn !== null && told.current?.[turn] === true;
  const events = new Events(exchanged);
  const settlements = batch.settlements.map((item, index): SettleAnswer => {
    const reason = verdicts.settlements[index] ?? null;
    if (!isCurrent(turns.settlements[index] ?? null)) {
      if (reason === null && turns.settlements[index] !== null) events.skip(item.emits);
      return stale;
    }
    return reason === null
      ? { status: 'committed', emits: item.emits.map((event) => events.answer(event)) }
      : { status: 'refused', reason };
  });
  return {
    settlements,
    appends: batch.appends.map((append, index) => appendAnswer(append, verdicts.appends[index] ?? null, events)),
    starts: turns.starts.map((turn) => (isCurrent(turn) ? committed : stale)),
    releases: turns.releases.map((turn) => (isCurrent(turn) ? committed : stale)),
    replays: told.replays.map(([reason, seq]) => replayAnswer(reason, seq, told.now)),
    actions: told.actions.map((affected): ActionAnswer => ({ status: 'committed', affected })),
    documents: told.documents.map(documentAnswer),
    ready: (told.ready ?? []).map((name) => givenText(name)),
  };
}

function appendAnswer({ events }: Append, reason: RefusedReason | null, answers: Events): AppendAnswer {
  if (reason !== null) return { status: 'refused', reason };
  return { status: 'committed', events: events.map((event) => answers.answer(event)) };
}

function replayAnswer(reason: RefusedReason | null, seq: number | null, now: number): ReplayAnswer {
  if (reason !== null) return { status: 'refused', reason };
  return { status: 'committed', deliveryId: deliveryId({ seq: seq ?? 0, committedAt: now }) };
}

function documentAnswer(version: number | null): DocumentAnswer {
  return version === null ? { status: 'refused', reason: 'conflict' } : { status: 'committed', version };
}

/** Walks the events as they were sent, and the positions as they were drawn. */
class Events {
  readonly #exchanged: Exchanged;
  readonly #repeats: ReadonlyMap<number, NonNullable<Told['repeats']>[number]>;
  #index = 0;
  #position = 0;

  constructor(exchanged: Exchanged) {
    this.#exchanged = exchanged;
    this.#repeats = new Map((exchanged.told.repeats ?? []).map((repeat) => [repeat[0], repeat]));
  }

  /** Events that were sent and not taken, since the outcome they came with was stale. */
  skip(events: readonly NewEvent[]): void {
    this.#index += events.length;
  }

  answer(item: NewEvent): EventAnswer {
    const repeat = this.#repeats.get(this.#index++);
    if (repeat !== undefined) {
      const [, first, differs, at] = repeat;
      if (differs) this.#position++;
      const answer = at === null ? null : (this.#exchanged.answers.get(at[0]) ?? null);
      return { status: 'duplicate', eventId: givenText(first), differs, answer };
    }
    this.#position++;
    const claims: (Claim | null)[] = [];
    const offers: (string | null)[] = [];
    for (const delivery of item.deliveries) {
      const seq = this.#exchanged.told.positions[this.#position++];
      const waits = seq === undefined || !this.#isDue(delivery);
      const claim = waits ? null : this.#handedOff(item, delivery, seq);
      claims.push(claim);
      offers.push(waits || claim !== null ? null : deliveryId({ seq, committedAt: this.#exchanged.told.now }));
    }
    return { status: 'committed', eventId: item.event.id, claims, offers };
  }

  #isDue({ dead, dueAt }: NewDelivery): boolean {
    return dead === null && (dueAt === null || Math.ceil(dueAt) <= this.#exchanged.told.now);
  }

  /** The server claims at birth what is asked for, free, and due: so it need not say so. */
  #handedOff({ event }: NewEvent, delivery: NewDelivery, seq: number): Claim | null {
    const { now } = this.#exchanged.told;
    const { handOff, orderKey, destination } = delivery;
    if (handOff === 'no' || orderKey !== null) return null;
    return {
      deliveryId: deliveryId({ seq, committedAt: now }),
      claim: 1,
      ref: null,
      destination,
      event,
      orderKey: null,
      attempts: 0,
      crashes: 0,
      committedAt: now,
      replayOf: null,
      answered: false,
    };
  }
}
