/**
 * Brings lanes what waits in the store: one claim call at a time for all lanes that are hungry, one wake-up query for
 * the whole process when something falls due, and the renewal of leases.
 */
import type { Clock, Timer } from '../core/clock.ts';
import type { Observer } from '../core/observer.ts';
import { HoldfastError } from '../errors.ts';
import { HINT_IDS_MAX } from '../queue/queue.ts';
import type { Claim, ClaimAnswer, ClaimRef, ClaimWant, WorkStore } from '../store/store.ts';
import type { Lease } from '../commit/lease.ts';
import type { HandOffBudget } from './budget.ts';
import type { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';

export interface FeederOptions {
  readonly store: WorkStore;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly lanes: Lanes;
  /** Every claim of this process, whose leases are renewed. */
  readonly held: () => readonly Claim[];
  /** Told of claims that turned out to be another's. */
  readonly lost: (isLost: (claim: ClaimRef) => boolean) => void;
  readonly lease: Lease;
  readonly budget: HandOffBudget;
  /**
   * Whether to listen to all that other processes make ready. Hints of a queue say it better; then only to what is committed in
   * transactions of callers, which nobody can hint.
   */
  readonly hears: boolean;
  /** How often to look when nothing is known to fall due: another process, or a clock that jumped, may know better. */
  readonly lookMs: number;
  /** The store found damage in what it has. */
  readonly damaged: (error: HoldfastError) => void;
}

/** What falls due within this time is fetched by one query. */
const WAKE_STEP_MS = 10;
/** Looking takes no more than one part in so many of the time. */
const LOOK_SHARE = 8;
/** Work that nothing tells of is found within this time all the same. */
const LOOK_SLOW_MS_MAX = 2000;
/** Lanes that one claim is for: a store may look at one after the other, and takes no commit meanwhile. */
const CLAIM_LANES_MAX = 64;
const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 60_000;

export class Feeder {
  readonly #options: FeederOptions;
  readonly #hungry = new Set<Lane>();
  #claiming = false;
  /** The claims under way, to their end. */
  #feeding: Promise<void> = Promise.resolve();
  #looking = false;
  #scheduled = false;
  #running = false;
  #retryMs = RETRY_FIRST_MS;
  #wakeAt = Number.POSITIVE_INFINITY;
  #wake: Timer | null = null;
  #renewal: Timer | null = null;
  #stopHearing: (() => void) | null = null;

  constructor(options: FeederOptions) {
    this.#options = options;
  }

  get idle(): boolean {
    return !this.#claiming && this.#hungry.size === 0;
  }

  /** Looks for work that was there before. */
  start(): void {
    this.#running = true;
    const { store, lanes, clock, hears } = this.#options;
    for (const lane of lanes.values()) lane.wake();
    this.#stopHearing =
      store.onReady?.((names, callers) => {
        if (hears || callers) this.#heard(names);
      }) ?? null;
    this.wakeAt(clock.now());
    this.#renewLater();
  }

  /** Claims no more. Resolves when what is being claimed has come to its lanes, which give it back. */
  stop(): Promise<void> {
    this.#running = false;
    this.#stopHearing?.();
    this.#wake?.cancel();
    this.#renewal?.cancel();
    this.#hungry.clear();
    return this.#feeding;
  }

  /** Another process made something ready. */
  #heard(names: readonly string[] | null): void {
    if (names === null) this.wakeAt(this.#options.clock.now());
    else for (const name of names) this.#options.lanes.get(name)?.wake();
  }

  hungry(lane: Lane): void {
    if (!this.#running) return;
    this.#hungry.add(lane);
    if (this.#claiming || this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (!this.#claiming) this.#feeding = this.#feed();
    });
  }

  /** Something falls due then (ms since 1970). */
  wakeAt(time: number): void {
    if (!this.#running || time >= this.#wakeAt) return;
    this.#wakeAt = time;
    if (this.#looking) return;
    this.#wake?.cancel();
    const delayMs = Math.min(this.#options.lookMs, Math.max(0, time - this.#options.clock.now()));
    this.#wake = this.#options.clock.schedule(delayMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { store, clock, lanes, observer } = this.#options;
    const begun = clock.monotonic();
    this.#wakeAt = Number.POSITIVE_INFINITY;
    // One look at a time, however slow the store is: what falls due meanwhile is for the next one.
    this.#looking = true;
    let next = clock.now() + RETRY_FIRST_MS;
    try {
      const found = await store.wakeUps(lanes.working(), clock.now());
      for (const name of found.ready) lanes.get(name)?.wake();
      // A store that takes long to answer is not asked all the time.
      const slowMs = Math.min(LOOK_SLOW_MS_MAX, (clock.monotonic() - begun) * LOOK_SHARE);
      const lookMs = Math.max(this.#options.lookMs, slowMs);
      const soonest = clock.now() + WAKE_STEP_MS;
      next = Math.max(soonest, Math.min(found.nextAt ?? Number.POSITIVE_INFINITY, clock.now() + lookMs));
    } catch (error) {
      observer.note('error', 'could not look for what falls due', { error: String(error) });
    }
    this.#looking = false;
    const asked = this.#wakeAt;
    this.#wakeAt = Number.POSITIVE_INFINITY;
    this.wakeAt(Math.min(asked, next));
  }

  async #feed(): Promise<void> {
    const { store, clock, lease } = this.#options;
    this.#claiming = true;
    while (this.#running && this.#hungry.size > 0) {
      const bytesEach = this.#options.budget.left / this.#hungry.size;
      const asked: Lane[] = [];
      for (const lane of this.#hungry) {
        this.#hungry.delete(lane);
        if (asked.push(lane) === CLAIM_LANES_MAX) break;
      }
      const wants = asked.map((lane) => lane.want(bytesEach)).filter((want) => want !== null);
      if (wants.length === 0) continue;
      try {
        const answer = await lease.timed((leaseMs) => store.claim({ now: clock.now(), leaseMs, wants }));
        this.#retryMs = RETRY_FIRST_MS;
        // Those that got nothing are told so.
        this.#deliver(
          wants.map(({ destination }) => destination),
          answer,
        );
      } catch (error) {
        this.#failed(wants, error);
        break;
      }
    }
    this.#claiming = false;
  }

  /**
   * Claims just these, which hints named, for those of these destinations that they are of; as much as one hint names at
   * a time, while there is room here. What is left is ready for anybody, and its lanes know that there is more. `false`: it
   * failed.
   */
  async claimNamed(destinations: readonly string[], ids: readonly string[]): Promise<boolean> {
    const { lanes, budget } = this.#options;
    for (let from = 0; from < ids.length; from += HINT_IDS_MAX) {
      if (!(await this.#claimThese(destinations, ids.slice(from, from + HINT_IDS_MAX)))) return false;
      if (budget.left === 0 || destinations.every((name) => lanes.awake(name)?.wantsHints === false)) break;
    }
    return true;
  }

  async #claimThese(destinations: readonly string[], ids: readonly string[]): Promise<boolean> {
    const { store, clock, lease } = this.#options;
    const wants = destinations.map((destination) => ({ destination, slots: 0, bytesMax: 0 }));
    try {
      const answer = await lease.timed((leaseMs) => store.claim({ now: clock.now(), leaseMs, wants, ids }));
      // Of the many that share a channel only those that it concerns: to look at a lane makes it.
      this.#deliver(new Set([...answer.claims.map((claim) => claim.destination), ...answer.more]), answer);
      return true;
    } catch (error) {
      this.#failed(wants, error);
      return false;
    }
  }

  /** Nothing could be claimed: it is tried again, later each time. What is damaged is not going to get better. */
  #failed(wants: readonly ClaimWant[], error: unknown): void {
    const { observer, clock, lanes, damaged } = this.#options;
    observer.note('error', 'could not claim', { error: String(error) });
    if (error instanceof HoldfastError && error.code === 'store_corrupt') damaged(error);
    clock.schedule(this.#retryMs, () => {
      for (const { destination } of wants) lanes.awake(destination)?.wake();
    });
    this.#retryMs = Math.min(RETRY_LAST_MS, this.#retryMs * 2);
  }

  #deliver(names: Iterable<string>, { claims, more }: ClaimAnswer): void {
    const waiting = new Set(more);
    const byDestination = Map.groupBy(claims, (claim) => claim.destination);
    for (const name of names) this.#options.lanes.get(name)?.claimed(byDestination.get(name) ?? [], waiting.has(name));
  }

  #renewLater(): void {
    const { clock, lease } = this.#options;
    this.#renewal = clock.schedule(lease.renewalMs, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const { store, lease, observer } = this.#options;
    try {
      const held = this.#options.held();
      const lost = held.length === 0 ? [] : await lease.timed((leaseMs) => store.renew(held, leaseMs));
      const claims = new Set(lost.map(textOf));
      if (claims.size > 0) this.#options.lost((ref) => claims.has(textOf(ref)));
    } catch (error) {
      observer.note('error', 'could not renew leases', { error: String(error) });
    }
    if (this.#running) this.#renewLater();
  }
}

/** The number tells it from a later claim of the same delivery. */
function textOf({ deliveryId, claim }: ClaimRef): string {
  return `${deliveryId} ${claim}`;
}
