/** From what a runner reports to outcomes that are committed, and to what is told of them once they are. */
import { hostname } from 'node:os';
import type { Committer } from '../commit/committer.ts';
import type { Clock, Random } from '../core/clock.ts';
import type { IdMaker } from '../core/id.ts';
import type { Observer } from '../core/observer.ts';
import { describeError, isFinal } from '../deliver/outcomes.ts';
import type { Attempted, Emitted, Result } from '../deliver/runner.ts';
import type { Claim, NewEvent, Settlement } from '../store/store.ts';
import type { Answers } from './answers.ts';
import type { HandOffBudget } from './budget.ts';
import { dueAt, EMIT_WINDOW_MS, emittedEvent, type Origin } from './emitted.ts';
import type { Intake } from './intake.ts';
import type { Lane } from './lane.ts';
import { operationalEvent, type Report } from './operational.ts';
import type { Running } from './running.ts';
import { deathOf, type Ended, outcomeOf } from './settle.ts';

export interface SettlingParts {
  readonly clock: Clock;
  readonly ids: IdMaker;
  readonly observer: Observer;
  readonly random: Random;
  /** Version that is kept with every attempt. */
  readonly release: string;
  readonly intake: Intake;
  readonly answers: Answers;
  readonly budget: HandOffBudget;
  readonly committer: Committer;
}

export class Settling {
  readonly #parts: SettlingParts;
  readonly #worker: string;

  constructor(parts: SettlingParts) {
    this.#parts = parts;
    this.#worker = `${hostname()}:${process.pid}/${parts.release}`;
  }

  /** Every outcome of the attempt is on its way into a commit when this returns, or was committed by its code. */
  settle(lane: Lane, running: Running, attempted: Attempted): void {
    if (running.settled) {
      this.#leave(lane, running, attempted.late ?? null);
      return;
    }
    for (const { ended, emitted } of this.#endedOf(running, attempted)) {
      void this.#settled(lane, ended.claim, this.#settlement(lane, ended, emitted));
    }
  }

  /**
   * What the attempt is to commit in a transaction of its code. Places in lanes are reserved for what was emitted.
   * @throws HoldfastError backlog_full, having reserved nothing
   */
  prepared(lane: Lane, running: Running, attempted: Attempted): readonly Settlement[] {
    const settlements: Settlement[] = [];
    try {
      for (const { ended, emitted } of this.#endedOf(running, attempted))
        settlements.push(this.#settlementOf(lane, ended, emitted));
    } catch (error) {
      this.withdrawn(settlements);
      throw error;
    }
    return settlements;
  }

  /** They are not going to be committed after all. */
  withdrawn(settlements: readonly Settlement[]): void {
    for (const { emits } of settlements) this.#parts.intake.withdraw(emits);
  }

  /** They were committed in a transaction of the code. */
  committed(lane: Lane, running: Running, settlements: readonly Settlement[]): void {
    for (const [index, claim] of running.claims.entries()) {
      const settlement = settlements[index];
      if (settlement === undefined) continue;
      this.#ended(lane, claim, settlement);
      this.#parts.answers.settled(claim.event.id, lane.destination.name, settlement.answer);
    }
  }

  /** Too many processes ended while they attempted it: it becomes a dead letter without being tried again. */
  crashed(lane: Lane, claim: Claim): void {
    const { name, onDead } = lane.destination;
    const note = `${claim.crashes} processes ended while they attempted it`;
    const outcome = { kind: 'dead', reason: 'crashed', note, holdKey: onDead === 'hold', attempt: null } as const;
    const emits = this.reported(deathOf(name, claim, outcome));
    void this.#settled(lane, claim, { claim, outcome, emits, answer: null });
  }

  /** An event of the application's own, routed and ready to be appended. @throws HoldfastError backlog_full */
  emitted(emitted: Emitted, origin: Origin | null): NewEvent {
    const event = emittedEvent(emitted, origin, this.#parts);
    return {
      event,
      dedupeWindowMs: emitted.windowMs ?? EMIT_WINDOW_MS,
      deliveries: this.#parts.intake.deliveries(event, dueAt(emitted)),
    };
  }

  /** An event of Holdfast's own, if anybody takes it. */
  reported(report: Report | null): NewEvent[] {
    return report === null ? [] : this.#parts.intake.reported(operationalEvent(report, this.#parts));
  }

  /** One for each claim that the attempt says something of. */
  *#endedOf(running: Running, attempted: Attempted): Iterable<{ ended: Ended; emitted: readonly Emitted[] }> {
    const { clock, random } = this.#parts;
    const durationMs = Math.round(clock.monotonic() - running.since);
    const times = { startedAt: running.startedAt, durationMs, worker: this.#worker };
    for (let index = 0; index < running.claims.length; index++) {
      const claim = running.claims[index];
      const result = attempted.results[index];
      if (claim === undefined || result === undefined) continue;
      const exchange = attempted.exchanges?.[index] ?? null;
      const ended = { claim, result, exchange, times, random, spared: running.spared };
      yield { ended, emitted: attempted.emitted[index] ?? [] };
    }
  }

  #settlement(lane: Lane, ended: Ended, emitted: readonly Emitted[]): Settlement {
    try {
      return this.#settlementOf(lane, ended, emitted);
    } catch (error) {
      // A destination of what it emitted refuses more: this attempt failed, and nothing of it is left behind.
      const result: Result = { kind: 'failed', error: describeError(error), delayMs: null, status: null };
      return {
        claim: ended.claim,
        outcome: outcomeOf(lane.destination, { ...ended, result }),
        emits: [],
        answer: null,
      };
    }
  }

  /** @throws HoldfastError backlog_full */
  #settlementOf({ destination }: Lane, ended: Ended, emitted: readonly Emitted[]): Settlement {
    const { claim, result } = ended;
    const answer = this.#parts.answers.answerOf(claim.event, destination.name, result);
    const emits: NewEvent[] = [];
    try {
      if (isFinal(result)) for (const one of emitted) emits.push(this.emitted(one, claim.event));
    } catch (error) {
      this.#parts.intake.withdraw(emits);
      throw error;
    }
    const outcome = outcomeOf(destination, ended);
    if (outcome.kind === 'dead') emits.push(...this.reported(deathOf(destination.name, claim, outcome)));
    return { claim, outcome, emits, answer };
  }

  async #settled(lane: Lane, claim: Claim, settlement: Settlement): Promise<void> {
    try {
      const answer = await this.#parts.committer.settle(settlement);
      if (answer.status === 'committed') this.#ended(lane, claim, settlement);
    } catch {
      // Not committed, because the process ends or the store does not take it: the delivery is attempted again.
      this.#parts.intake.withdraw(settlement.emits);
    }
    this.#parts.budget.give(claim.event.body?.length ?? 0);
    this.#parts.answers.settled(claim.event.id, lane.destination.name, settlement.answer);
  }

  /** The attempt is over, and was settled before. */
  #leave({ destination }: Lane, { claims }: Running, late: string | null): void {
    for (const { event } of claims) this.#parts.budget.give(event.body?.length ?? 0);
    if (late === null) return;
    const told = { destination: destination.name, deliveryId: claims[0]?.deliveryId, error: late };
    this.#parts.observer.note('error', 'a handler failed after its transaction: what that settled stays so', told);
  }

  #ended(lane: Lane, claim: Claim, { outcome }: Settlement): void {
    const { clock, observer } = this.#parts;
    const lagMs = clock.now() - claim.committedAt;
    if (outcome.attempt !== null) observer.attemptEnded(lane.destination.name, claim.event, outcome.attempt, lagMs);
    if (outcome.kind === 'retry') return;
    lane.open--;
    if (outcome.kind !== 'dead') return;
    observer.died(lane.destination.name, claim.event, outcome.reason, outcome.note);
    this.#supersede(claim);
  }

  /**
   * A replay that died is the dead letter now, in the place of the one it repeats: else there would be two to replay next
   * time, then four. Where the process ends before this is committed, both are left.
   */
  #supersede({ deliveryId, replayOf }: Claim): void {
    if (replayOf === null) return;
    const note = `replayed as ${deliveryId}, which is the dead letter now`;
    this.#parts.committer.act({ kind: 'resolve', deliveryIds: [replayOf], note, by: 'replay' }).catch(() => undefined);
  }
}
