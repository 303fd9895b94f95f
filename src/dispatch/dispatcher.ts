/**
 * Gets every delivery attempted: hands over what was just committed, claims what waits in the store, wakes when
 * something falls due, runs suspects alone, and turns results into outcomes. One lane per destination does the pacing.
 */
import { Committer, type CommitterState } from '../commit/committer.ts';
import { Lease } from '../commit/lease.ts';
import type { Clock, Random, Timer } from '../core/clock.ts';
import { CRASHES_MAX } from '../core/delivery.ts';
import type { StoredEvent } from '../core/event.ts';
import type { IdMaker } from '../core/id.ts';
import type { Observer } from '../core/observer.ts';
import type { Attempted, Emitted, Transact } from '../deliver/runner.ts';
import type { HoldfastError } from '../errors.ts';
import type {
  Append,
  AppendAnswer,
  Claim,
  ClaimRef,
  CommitAnswers,
  CommitBatch,
  HistoryStore,
  NewDelivery,
  NewEvent,
  WorkStore,
} from '../store/store.ts';
import { Arrivals } from './arrivals.ts';
import { Answers, NO_ANSWER, type Responders, type Waited } from './answers.ts';
import type { Broker } from './broker.ts';
import { HandOffBudget } from './budget.ts';
import type { Destination } from './destination.ts';
import type { Origin } from './emitted.ts';
import { Feeder } from './feeder.ts';
import { Hinted } from './hinted.ts';
import { Intake } from './intake.ts';
import { Lane } from './lane.ts';
import type { LaneHost } from './lane-host.ts';
import { type Directory, Lanes } from './lanes.ts';
import { Offers } from './offers.ts';
import type { Report } from './operational.ts';
import type { Running } from './running.ts';
import { Settling } from './settling.ts';
import type { Shared } from './shared.ts';
import { Slots } from './slots.ts';
import { Starts } from './starts.ts';
import { Suspects } from './suspects.ts';
import { HandlerTransactions, type TransactionStore } from './transactions.ts';

export interface DispatcherOptions {
  readonly store: WorkStore;
  /** What of the store lets code of the application share a transaction with it. Default: nothing. */
  readonly transactions?: TransactionStore;
  readonly clock: Clock;
  readonly ids: IdMaker;
  readonly observer: Observer;
  readonly random: Random;
  /** Those that are there as long as the process is. */
  readonly destinations: readonly Destination[];
  /** Those that come and go. */
  readonly directory: Directory;
  /** Whether a person paused the destination of this name. */
  readonly paused: (destination: string) => boolean;
  readonly responders: Responders;
  /** The history of a store that other processes attempt from too; else `null`. */
  readonly elsewhere: HistoryStore | null;
  /** What this process does; a gateway attempts the responders only. */
  readonly role: Role;
  /** Tells workers what is ready; `null`: they hear of it from the store. */
  readonly broker: Broker | null;
  /** How often to look for work of others when nothing says that there is any, in ms. */
  readonly lookMs: number;
  /** What is shared with other processes. Default: nothing is. */
  readonly shared?: Shared;
  readonly runningMax: number;
  readonly handOffBytesMax: number;
  /** As set: a store that is slow makes leases longer. */
  readonly leaseMs: number;
  /** Version that is kept with every attempt. */
  readonly release: string;
  readonly committerChanged: (state: CommitterState, why: unknown) => void;
  /** The store found damage in what it has. */
  readonly damaged: (error: HoldfastError) => void;
}

/** What a process does: accept and attempt, only accept, only attempt. */
export type Role = 'all' | 'gateway' | 'worker';

/** Outcomes waiting for their commit, above which nothing new starts. */
const UNSETTLED_MAX = 4096;
/** How long a stop waits for what is being claimed. */
const CLAIMED_MS = 2000;

export class Dispatcher implements LaneHost {
  readonly clock: Clock;
  readonly observer: Observer;
  readonly slots: Slots;
  readonly budget: HandOffBudget;
  readonly shared: Shared | undefined;
  readonly committer: Committer;
  readonly starts: Starts;
  readonly lanes: Lanes;
  readonly intake: Intake;
  readonly answers: Answers;
  readonly #options: DispatcherOptions;
  readonly #feeder: Feeder;
  readonly #arrivals: Arrivals;
  readonly #offers: Offers | null;
  readonly #hinted: Hinted | null;
  readonly #settling: Settling;
  readonly #transactions: HandlerTransactions;
  readonly #suspects: Suspects;
  #throttled = false;
  #started = false;
  #beat: Timer | null = null;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.observer = options.observer;
    this.shared = options.shared;
    this.starts = new Starts(options.clock, () => this.committer, options.shared?.alone === false);
    this.answers = new Answers({ ...options, here: (name) => this.#here(name) });
    this.slots = new Slots(options.runningMax);
    this.budget = new HandOffBudget(options.handOffBytesMax);
    const { clock, directory, destinations, paused, observer } = options;
    const make = (destination: Destination): Lane => new Lane(destination, this);
    const rested = (name: string): void => observer.rested(name);
    const attempts = (name: string): boolean => this.attempts(name);
    this.lanes = new Lanes({ fixed: destinations, directory, clock, make, paused, rested, attempts });
    const awaits = (source: string, name: string): boolean => this.answers.awaits(source, name);
    const isShared = options.shared?.alone === false;
    this.intake = new Intake({ lanes: this.lanes, directory, isShared, started: () => this.#started, awaits });
    const lease = new Lease(clock, options.leaseMs);
    this.committer = new Committer({
      store: options.store,
      clock: options.clock,
      ids: options.ids,
      observer: options.observer,
      lease,
      starts: () => this.starts.take(),
      committed: (batch, answers) => this.#committed(batch, answers),
      changed: (state, why) => {
        options.committerChanged(state, why);
        if (state === 'open') this.#pumpAll();
      },
    });
    this.#settling = new Settling({
      ...options,
      intake: this.intake,
      answers: this.answers,
      budget: this.budget,
      committer: this.committer,
    });
    this.#suspects = new Suspects({
      quiet: () => this.slots.running === 0,
      wait: () => this.#wait(5),
      committed: () => this.committer.caughtUp(),
      over: () => this.#pumpAll(),
    });
    const { broker, lookMs } = options;
    const { lanes, budget } = this;
    const held = (): Claim[] => [...this.#suspects.claims(), ...[...lanes.values()].flatMap((lane) => lane.claims())];
    const lost = (isLost: (claim: ClaimRef) => boolean): void => this.#lost(isLost);
    this.#feeder = new Feeder({ ...options, lease, lanes, held, lost, budget, hears: broker === null, lookMs });
    this.#offers = broker === null ? null : new Offers({ broker, clock });
    this.#hinted = broker === null || options.role === 'gateway' ? null : this.#makeHinted(broker);
    this.#arrivals = new Arrivals({
      lanes: this.lanes,
      intake: this.intake,
      feeder: this.#feeder,
      observer,
      offers: this.#offers,
      release: (claims) => this.release(claims, 0),
    });
    this.#transactions = new HandlerTransactions({
      store: options.transactions ?? {},
      settling: this.#settling,
      arrivals: this.#arrivals,
      clock,
    });
  }

  // ----------------------------------------------------------------------------------------------- lifecycle

  /** Begins to claim and attempt. `unclean`: the last owner of the store did not close it. */
  start(unclean: boolean, open: ReadonlyMap<string, number>): void {
    this.#started = true;
    if (unclean) this.starts.careful();
    this.lanes.counted(open);
    this.#feeder.start();
    this.#hinted?.start();
    this.#tick();
  }

  /** Works off what is ready, then resolves. */
  async drain(deadlineMs: number): Promise<void> {
    const until = this.clock.monotonic() + deadlineMs;
    for (const lane of this.lanes.values()) lane.flush();
    while (this.clock.monotonic() < until && !this.#idle()) await this.#wait(10);
  }

  /** Takes nothing more, lets running attempts end within the grace, gives the rest back, commits it all. */
  async stop(graceMs: number): Promise<void> {
    const until = this.clock.monotonic() + graceMs;
    this.#beat?.cancel();
    await this.#hinted?.stop();
    const fed = this.#feeder.stop();
    for (const lane of this.lanes.values()) lane.flush();
    for (const lane of this.lanes.values()) lane.close();
    while (this.slots.running > 0 && this.clock.monotonic() < until) await this.#wait(10);
    for (const lane of this.lanes.values()) lane.abandon();
    // Else what was being claimed would be nobody's until its lease ends.
    await Promise.race([fed, this.#wait(CLAIMED_MS)]);
    this.release(this.#suspects.giveUp(), 0);
    this.answers.close();
    await this.#offers?.close();
    await Promise.all([...this.lanes.values()].map((lane) => lane.destination.runner.close()));
  }

  // -------------------------------------------------------------------------------------------------- intake

  /** What an event owes, and how each delivery reaches its lane. @throws HoldfastError backlog_full */
  route(event: StoredEvent): readonly NewDelivery[] {
    return this.intake.deliveries(event, null);
  }

  /** Commits an append whose deliveries came from `route`. @throws HoldfastError store_unavailable, commit_unknown, stopping */
  async append(append: Append): Promise<AppendAnswer> {
    try {
      return await this.committer.append(append);
    } catch (error) {
      this.#arrivals.undo(append);
      throw error;
    }
  }

  /** The answer of a responder to an event, if it may come now. @param repeat the event was accepted before */
  awaitAnswer(responder: string, eventId: string, repeat: boolean): Waited {
    const lane = this.lanes.get(responder);
    if (lane === undefined || lane.held || (repeat && !this.answers.mayCome(eventId, responder))) return NO_ANSWER;
    return this.answers.wait(eventId, responder, repeat);
  }

  /** An event of the application's own, routed and ready to be appended. @throws HoldfastError backlog_full */
  emitted(emitted: Emitted, origin: Origin | null): NewEvent {
    return this.#settling.emitted(emitted, origin);
  }

  /**
   * Events of the application's own for a transaction of its own, with what they owe. Nothing is reserved for them:
   * nobody says how that transaction ends. @throws HoldfastError backlog_full
   */
  emittedElsewhere(emitted: readonly Emitted[]): NewEvent[] {
    const events: NewEvent[] = [];
    try {
      for (const one of emitted) events.push(this.emitted(one, null));
    } finally {
      this.withdraw(events);
    }
    for (const { deliveries } of events)
      for (const { dueAt: at } of deliveries) if (at !== null) this.#feeder.wakeAt(at);
    return events;
  }

  #committed(batch: CommitBatch, answers: CommitAnswers): void {
    this.#arrivals.committed(batch, answers);
    if (!this.#throttled || this.committer.unsettled >= UNSETTLED_MAX / 2) return;
    this.#throttled = false;
    this.#pumpAll();
  }

  /** Routed events that are not going to be committed after all. */
  withdraw(rows: readonly NewEvent[]): void {
    this.intake.withdraw(rows);
  }

  // ---------------------------------------------------------------------------------------------- lane host

  attempts(destination: string): boolean {
    return this.#options.role !== 'gateway' || this.answers.responds(destination);
  }

  mayStart(): boolean {
    if (this.#suspects.alone || this.committer.state !== 'open') return false;
    if (this.committer.unsettled < UNSETTLED_MAX) return true;
    this.#throttled = true;
    return false;
  }

  settle(lane: Lane, running: Running, attempted: Attempted): void {
    this.#settling.settle(lane, running, attempted);
  }

  transact(lane: Lane, running: Running): Transact | undefined {
    return this.#transactions.of(lane, running);
  }

  /** Commits an event of Holdfast's own, if anybody takes it. */
  report(report: Report): void {
    const events = this.#settling.reported(report);
    if (events.length > 0) this.append({ events }).catch(() => undefined);
  }

  hungry(lane: Lane): void {
    if (this.#started) this.#feeder.hungry(lane);
  }

  release(claims: readonly Claim[], delayMs: number): void {
    for (const claim of claims) this.committer.release({ claim, delayMs }).catch(() => undefined);
  }

  // ------------------------------------------------------------------------------------------------ suspects

  crashed(lane: Lane, claim: Claim): boolean {
    const { isolation, trusted } = lane.destination.runner;
    const isSuspect = isolation === 'inline' && trusted !== true;
    if (claim.crashes >= CRASHES_MAX) this.#settling.crashed(lane, claim);
    else if (isSuspect) this.#suspects.add(lane, claim);
    else return false;
    return true;
  }

  // --------------------------------------------------------------------------------------------------- other

  #makeHinted(broker: Broker): Hinted {
    const { clock, directory } = this.#options;
    const claim = (names: readonly string[], ids: readonly string[]): Promise<boolean> =>
      this.#feeder.claimNamed(names, ids);
    return new Hinted({ broker, clock, lanes: this.lanes, directory, claim });
  }

  #lost(isLost: (claim: ClaimRef) => boolean): void {
    for (const claim of this.#suspects.lost(isLost)) this.budget.give(claim.event.body?.length ?? 0);
    for (const lane of this.lanes.values()) lane.lost(isLost);
  }

  #here(destination: string): ReadonlySet<string> {
    return new Set(
      this.lanes
        .get(destination)
        ?.claims()
        .map(({ event }) => event.id),
    );
  }

  #pumpAll(): void {
    for (const lane of this.lanes.values()) lane.pump();
  }

  #idle(): boolean {
    // An outcome makes the next of its order key ready.
    if (this.#suspects.alone || !this.#feeder.idle || this.committer.unsettled > 0) return false;
    for (const lane of this.lanes.values()) if (!lane.idle && !lane.paused) return false;
    return true;
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.schedule(ms, resolve));
  }

  #tick(): void {
    this.#beat = this.clock.schedule(1000, () => {
      for (const lane of this.lanes.values()) lane.adapt();
      this.lanes.rest();
      this.#tick();
    });
  }
}
