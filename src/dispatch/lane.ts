/**
 * The lane of one destination: what waits for it in memory, what runs, and when the next attempt may start. A lane
 * knows nothing of other lanes; what it shares with them (slots, commits, claims) it asks of its host.
 */
import type { Timer } from '../core/clock.ts';
import { Turnover } from '../core/turnover.ts';
import type { Claim, ClaimRef, ClaimWant, NewDelivery } from '../store/store.ts';
import type { Destination, Priority } from './destination.ts';
import { FirstLooks } from './first-looks.ts';
import { type HandOff, Inflow } from './inflow.ts';
import type { LaneHost } from './lane-host.ts';
import { CLAIM_MIN, Pace } from './pace.ts';
import { Running } from './running.ts';
import type { SlotUser } from './slots.ts';
import { Timeouts } from './timeouts.ts';
import { type Queued, Waiting } from './waiting.ts';

const CLAIM_BYTES_MAX = 4 * 1024 * 1024;

export class Lane implements SlotUser {
  readonly pace: Pace;
  readonly #host: LaneHost;
  #destination: Destination;
  /** In the order they began. */
  readonly #running = new Turnover<Running>();
  #begun = 0;
  readonly #timeouts: Timeouts;
  readonly #waiting = new Waiting();
  /** What is on its way into a commit. */
  readonly inflow: Inflow;
  /** Older ready work waits in the store: nothing newer may overtake it through memory. */
  #storeHasMore = false;
  #paused = false;
  #disabled = false;
  #closing = false;
  #flushing = false;
  #timer: Timer | null = null;
  #queuedSince = 0;
  /** For first attempts, behind retries. */
  readonly #looks: FirstLooks;
  /** Open deliveries, in the store and in memory; for the bound of the backlog. On a shared store an estimate. */
  open = 0;
  /** This process accepts for it, and leaves its deliveries to workers. */
  readonly dormant: boolean;

  constructor(destination: Destination, host: LaneHost) {
    this.#destination = destination;
    this.#host = host;
    this.dormant = !host.attempts(destination.name);
    this.inflow = new Inflow(host.budget);
    this.#looks = new FirstLooks(host.clock);
    this.#timeouts = new Timeouts(this.#running, host.clock);
    this.pace = new Pace(destination, host);
  }

  /** As it is now: an endpoint may change while it has work. */
  get destination(): Destination {
    return this.#destination;
  }

  get priority(): Priority {
    return this.destination.priority;
  }

  get running(): number {
    return this.#running.size;
  }

  get queued(): number {
    return this.#waiting.length;
  }

  get concurrency(): number {
    return this.pace.limit;
  }

  /** A person, or the endpoint's own state, holds it; or it is for other processes to work it off. */
  get paused(): boolean {
    return this.#paused || this.#disabled || this.pace.limit === 0;
  }

  /** Nothing is attempted now, and nothing should wait in memory. */
  get held(): boolean {
    return this.paused || this.pace.circuit.state === 'open';
  }

  /** Whether nothing waits or runs here that the process could still do now. */
  get idle(): boolean {
    const none = this.#running.size === 0 && this.queued === 0 && this.inflow.count === 0;
    return none && (!this.#storeHasMore || this.#closing || this.pace.limit === 0);
  }

  /** Full, counting what is on its way into a commit. */
  get full(): boolean {
    const { backlogMax } = this.destination;
    return backlogMax !== null && this.open + this.inflow.count >= backlogMax;
  }

  // ------------------------------------------------------------------------------------------- on the way in

  /** How a new delivery is to reach this lane; its place in `inflow` is left once, by `arrived` or when it is withdrawn. */
  reserve(bytes: number, direct: boolean, awaited = false): HandOff {
    const waiting = this.queued + this.inflow.reserved;
    // Somebody waits for it: it overtakes what waits in the store, which others may claim, and nobody waits for.
    const behind = !awaited && (this.#storeHasMore || this.inflow.passing > 0);
    const full = waiting >= this.pace.waitingMax;
    if (!direct || this.dormant || behind || full || this.held || !this.inflow.reserve(bytes)) {
      this.inflow.pass();
      return 'no';
    }
    if (this.#trusted) return 'claim';
    return waiting < this.pace.limit - this.#running.size && this.#host.mayStart() ? 'start' : 'claim';
  }

  /** The delivery is committed: with a claim it waits here, without one in the store. */
  arrived(delivery: NewDelivery, claim: Claim | null, bytes: number): void {
    this.inflow.leave(delivery.handOff, claim === null ? bytes : 0);
    this.open++;
    this.#looks.promising();
    if (claim !== null) this.#push({ claim, bytes, marked: delivery.handOff === 'start' });
    else if (delivery.dueAt === null) this.wake();
  }

  /** Whether it could do with more than it has, from wherever. */
  get wantsHints(): boolean {
    return !this.dormant && !this.held && !this.#closing && this.queued <= this.pace.limit;
  }

  /** The store has ready work for this lane. */
  wake(): void {
    if (this.dormant) return;
    this.#storeHasMore = true;
    this.#feed();
  }

  /** What to claim now, or `null`. Asking clears the mark that the store has more; the answer sets it again. */
  want(bytesLeft: number): ClaimWant | null {
    if (this.dormant || !this.#storeHasMore || this.held || this.#closing) return null;
    const slots = this.pace.room(this.queued, bytesLeft);
    const { name: destination } = this.destination;
    const bytesMax = Math.max(1, Math.min(CLAIM_BYTES_MAX, bytesLeft));
    // Retries come first out of the store, being older, and have filled this lane beyond their share: first attempts are
    // asked for by themselves.
    const firsts = this.#waiting.stuffed && this.pace.circuit.state !== 'half-open' && this.#looks.begin();
    if (!firsts && slots === 0) return null;
    this.#storeHasMore = false;
    return firsts ? { destination, slots: this.pace.claimMax, bytesMax, firsts } : { destination, slots, bytesMax };
  }

  /** Claims from the store. Suspects run by themselves. */
  claimed(claims: readonly Claim[], more: boolean): void {
    this.#looks.end();
    if (more) this.#storeHasMore = true;
    for (const claim of claims) {
      if (claim.attempts === 0) this.#looks.promising();
      const bytes = claim.event.body?.length ?? 0;
      this.#host.budget.hold(bytes);
      if (claim.crashes === 0 || !this.#host.crashed(this, claim)) this.#push({ claim, bytes, marked: false });
    }
    this.pump();
  }

  #push(queued: Queued): void {
    if (this.held || this.#closing) {
      this.#host.budget.give(queued.bytes);
      this.#host.release([queued.claim], 0);
      this.#storeHasMore = true;
      return;
    }
    if (this.queued === 0) this.#queuedSince = this.#host.clock.monotonic();
    this.#waiting.push(queued);
  }

  // ------------------------------------------------------------------------------------------------ attempts

  /** Starts what may start now. */
  pump(): void {
    while (this.#canStart()) {
      if (!this.#host.slots.take(this)) return;
      this.#start();
    }
    this.#feed();
  }

  useSlot(): boolean {
    if (!this.#canStart()) return false;
    this.#start();
    return true;
  }

  #canStart(): boolean {
    if (this.queued === 0 || this.held || !this.#host.mayStart()) return false;
    if (this.#running.size >= this.pace.limit) return false;
    if (!this.#batchIsDue()) return false;
    const { waitMs } = this.pace;
    return waitMs <= 0 || this.#later(waitMs);
  }

  #batchIsDue(): boolean {
    const { batch } = this.destination;
    if (batch === null || this.queued >= batch.size || this.#flushing) return true;
    const waited = this.#host.clock.monotonic() - this.#queuedSince;
    return waited >= batch.withinMs || this.#later(batch.withinMs - waited);
  }

  #later(delayMs: number): false {
    this.#timer ??= this.#host.clock.schedule(Math.max(1, delayMs), () => {
      this.#timer = null;
      this.pump();
    });
    return false;
  }

  #start(): void {
    const { clock } = this.#host;
    const queued = this.#waiting.shift(this.destination.batch?.size ?? 1);
    let [bytes, marked] = [0, true];
    for (const one of queued) {
      bytes += one.bytes;
      marked &&= one.marked || this.#trusted;
    }
    const claims = queued.map((one) => one.claim);
    const running = new Running(claims, { timeoutMs: this.destination.timeoutMs, clock, bytes, marked });
    running.waits = !marked && this.#host.starts.first(claims);
    this.pace.spend();
    this.#begin(running);
    this.#host.observer.attemptStarted(this.destination.name, running.claims.length);
    if (running.waits) void this.#runAfterStart(running);
    else {
      if (!marked) this.#host.starts.began(running);
      void this.#run(running);
    }
  }

  #begin(running: Running): void {
    this.pace.circuit.began(running);
    running.transact = this.#host.transact(this, running);
    this.#add(running);
  }

  /** As the youngest. */
  #add(running: Running): void {
    running.number = ++this.#begun;
    this.#running.set(running.number, running);
    this.#timeouts.watch(running);
  }

  async #runAfterStart(running: Running): Promise<void> {
    running.marked = true;
    const current = await this.#host.starts.commit(running.claims);
    if (current && !running.abandoned) {
      this.#running.delete(running.number);
      running.begin(this.#host.clock);
      this.#add(running);
      return this.#run(running);
    }
    this.#host.budget.give(running.bytes);
    // One claim was lost; what was claimed beside it is for others, or for another time.
    if (!running.abandoned) this.#host.release(running.claims, 0);
    this.#finish(running);
  }

  async #run(running: Running): Promise<void> {
    const attempted = await this.destination.runner.run(running);
    if (running.abandoned) return;
    const opened = this.pace.ended(running, attempted);
    this.#host.settle(this, running, attempted);
    this.#finish(running);
    if (opened) this.reconsider();
  }

  #finish(running: Running): void {
    running.ended = true;
    if (!this.#running.delete(running.number)) return;
    this.#host.slots.free();
    this.pump();
  }

  /** Makes one attempt for suspects, whatever the lane's own pace; resolves when it ended. */
  async runSuspects(claims: readonly Claim[]): Promise<void> {
    const bytes = claims.reduce((sum, { event }) => sum + (event.body?.length ?? 0), 0);
    // Also while its start is committed it may be paused, or the process be stopped.
    const mayBegin = (): boolean => !this.held && !this.#closing;
    if (!mayBegin() || !(await this.#host.starts.commit(claims)) || !mayBegin()) {
      this.#host.budget.give(bytes);
      this.#host.release(claims, 0);
      return;
    }
    const { clock, slots } = this.#host;
    const running = new Running(claims, { timeoutMs: this.destination.timeoutMs, clock, bytes, marked: true });
    slots.force();
    this.#begin(running);
    await this.#run(running);
  }

  // ------------------------------------------------------------------------------------- pause, stop, pacing

  pause(): void {
    this.#paused = true;
    this.reconsider();
  }

  resume(): void {
    this.#paused = false;
    this.reconsider();
  }

  /** Holds it, or lets it go on, by the endpoint's own state. */
  disable(disabled: boolean): void {
    if (disabled === this.#disabled) return;
    this.#disabled = disabled;
    this.reconsider();
  }

  /** Something that may hold it has changed. */
  reconsider(): void {
    if (this.held) {
      // What waits in memory goes back: it keeps neither bytes nor claims while others could do it, or nobody can.
      this.#giveBack(0);
      if (this.pace.circuit.waitMs > 0) this.#later(this.pace.circuit.waitMs);
    } else {
      this.#storeHasMore = true;
      this.pump();
    }
  }

  /** The destination was changed: what runs ends as it began, the next attempt is made as it is now. */
  update(destination: Destination): void {
    this.#destination = destination;
    this.pace.update(destination);
    this.pump();
  }

  /** Starts part-filled batches at once from now on. */
  flush(): void {
    this.#flushing = true;
    this.pump();
  }

  /** Takes nothing more; gives back what waits in memory. Running attempts go on. */
  close(): void {
    this.#closing = true;
    this.#timer?.cancel();
    this.#giveBack(0);
  }

  /** Gives up what still runs: its claims are released, its late outcomes do not count. */
  abandon(): void {
    this.#timeouts.stop();
    for (const running of this.#running.values()) this.#giveUp(running);
  }

  #giveUp(running: Running): void {
    running.abandoned = true;
    running.abort('stopped');
    if (!running.waits) this.#host.budget.give(running.bytes);
    this.#host.release(running.claims, 0);
    this.#finish(running);
  }

  /** Adapts concurrency to the lag; called about once a second. */
  adapt(): void {
    const lagMs = this.queued === 0 ? 0 : this.#host.clock.now() - (this.#waiting.oldest?.claim.committedAt ?? 0);
    const waiting = this.queued + (this.#storeHasMore ? CLAIM_MIN : 0);
    this.pace.adapt({ waiting, lagMs, running: this.#running.size });
    this.pump();
  }

  /** Every claim this lane holds, for the renewal of leases. */
  claims(): Claim[] {
    const held = this.#waiting.claims();
    for (const running of this.#running.values()) if (!running.settled) held.push(...running.claims);
    return held;
  }

  /** Claims that are another's by now: what waits does not run, and what runs is given up, with no failure of anything. */
  lost(isLost: (claim: ClaimRef) => boolean): void {
    for (const queued of this.#waiting.remove(isLost)) this.#host.budget.give(queued.bytes);
    for (const running of this.#running.values())
      if (!running.waits && !running.settled && running.claims.some(isLost)) this.#giveUp(running);
  }

  /** What it runs cannot end the process: no start has to be marked. */
  get #trusted(): boolean {
    return this.destination.runner.trusted === true;
  }

  #feed(): void {
    if (this.#storeHasMore && !this.held && !this.#closing) this.#host.hungry(this);
  }

  #giveBack(delayMs: number): void {
    const waiting = this.#waiting.clear();
    if (waiting.length === 0) return;
    for (const queued of waiting) this.#host.budget.give(queued.bytes);
    const claims = waiting.map((queued) => queued.claim);
    this.#host.release(claims, delayMs);
    this.#storeHasMore = true;
  }
}
