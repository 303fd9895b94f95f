/** What a commit means for the lanes: what it brought them, what falls due, what it made ready for anybody. */
import type { Observer } from '../core/observer.ts';
import type {
  Append,
  Claim,
  CommitAnswers,
  CommitBatch,
  CommittedEvent,
  EventAnswer,
  NewEvent,
  Settlement,
  SettleAnswer,
} from '../store/store.ts';
import type { Feeder } from './feeder.ts';
import type { Intake } from './intake.ts';
import type { Lanes } from './lanes.ts';
import type { Offers } from './offers.ts';

export interface ArrivalsOptions {
  readonly lanes: Lanes;
  readonly intake: Intake;
  readonly feeder: Feeder;
  readonly observer: Observer;
  /** `null`: no queue. */
  readonly offers: Offers | null;
  readonly release: (claims: readonly Claim[]) => void;
}

export class Arrivals {
  readonly #options: ArrivalsOptions;
  readonly #undone = new WeakSet<Append>();

  constructor(options: ArrivalsOptions) {
    this.#options = options;
  }

  /** The caller was told that this append failed: its places in the lanes are given back. It may come after all. */
  undo(append: Append): void {
    this.#undone.add(append);
    this.#options.intake.withdraw(append.events);
  }

  committed(batch: CommitBatch, answers: CommitAnswers): void {
    const { feeder, lanes } = this.#options;
    for (let index = 0; index < batch.appends.length; index++) {
      const append = batch.appends[index];
      const answer = answers.appends[index];
      if (append !== undefined)
        this.#appended(append.events, answer?.status === 'committed' ? answer.events : null, this.#undone.has(append));
    }
    for (let index = 0; index < batch.settlements.length; index++) {
      const settlement = batch.settlements[index];
      const answer = answers.settlements[index];
      if (settlement !== undefined) this.settled(settlement, answer ?? null, batch.now);
    }
    for (const row of batch.releases) if (row.delayMs > 0) feeder.wakeAt(batch.now + row.delayMs);
    for (const [index, { destination }] of batch.replays.entries()) {
      if (answers.replays[index]?.status === 'committed') this.#replayed(destination);
    }
    for (const name of answers.ready) lanes.get(name)?.wake();
  }

  /** An outcome, with what was emitted, in a commit of `now`. */
  settled({ emits, outcome }: Settlement, answer: SettleAnswer | null, now: number): void {
    this.#appended(emits, answer?.status === 'committed' ? answer.emits : null, false);
    if (outcome.kind === 'retry') this.#options.feeder.wakeAt(now + outcome.delayMs);
  }

  #appended(events: readonly NewEvent[], answers: readonly EventAnswer[] | null, undone: boolean): void {
    for (let index = 0; index < events.length; index++) {
      const event = events[index];
      const answer = answers?.[index];
      if (event === undefined) continue;
      if (answer?.status === 'committed') this.#arrived(event, answer, undone);
      else if (!undone) this.#options.intake.withdraw([event]);
      if (answer?.status === 'duplicate')
        this.#options.observer.duplicate(event.event.source, answer.eventId, answer.differs);
    }
  }

  #arrived({ event, deliveries }: NewEvent, { claims, offers }: CommittedEvent, undone: boolean): void {
    const { observer, lanes, feeder, release } = this.#options;
    observer.accepted(event, deliveries.length);
    for (let index = 0; index < deliveries.length; index++) {
      const delivery = deliveries[index];
      const lane = delivery === undefined ? undefined : lanes.get(delivery.destination);
      const claim = claims[index] ?? null;
      // Its endpoint was deleted while it was being committed: whoever deletes it ends this one too.
      if (lane === undefined && claim !== null) release([claim]);
      if (delivery === undefined || lane === undefined) continue;
      const bytes = event.body?.length ?? 0;
      if (undone) lane.inflow.restore(delivery.handOff, bytes);
      if (delivery.dead !== null) {
        lane.inflow.leave(delivery.handOff, bytes);
        observer.died(delivery.destination, event, delivery.dead, null);
        continue;
      }
      observer.queued(delivery.destination);
      lane.arrived(delivery, claim, bytes);
      const offer = offers?.[index] ?? null;
      if (offer !== null && !lanes.isHeld(delivery.destination)) this.#options.offers?.add(delivery.destination, offer);
      if (delivery.dueAt !== null) feeder.wakeAt(delivery.dueAt);
      lane.pump();
    }
  }

  #replayed(destination: string): void {
    const lane = this.#options.lanes.get(destination);
    if (lane === undefined) return;
    lane.open++;
    lane.wake();
  }
}
