/**
 * The spool: takes what the store cannot, acknowledges it once it is durable on this disk, and moves it into the store
 * when that is back. From the first event that is spooled until the spool is empty everything goes through it, so the
 * order of arrival at this gateway is the order of commits.
 *
 * | the store | a new append | what is in the spool |
 * | --- | --- | --- |
 * | takes commits, spool empty | to the committer; nothing is written here | nothing |
 * | lost | into the spool, and so is what was on its way (doubtful: it may have got there) | waits |
 * | back | into the spool, behind the others | moved, the oldest first |
 * | back, the rest fits into one commit | waits for that to be handed over, then to the committer, behind it | handed over |
 */
import type { Clock, Timer } from '../../core/clock.ts';
import type { StoredEvent } from '../../core/event.ts';
import type { Observer } from '../../core/observer.ts';
import { HoldfastError } from '../../errors.ts';
import type { AsideRow, Spooled, SpoolFile } from '../../store/spool.ts';
import { type Append, type AppendAnswer, StoreError } from '../../store/store.ts';
import { type Drained, prepareOffers, sendOffers, type SpoolTarget } from './drain.ts';
import { type Arrived, Inbox, type Waiting } from './inbox.ts';
import { SPOOLED_MEANING, type SpoolMode, type SpoolRefusal, type SpoolState } from './state.ts';

export interface SpoolOptions {
  readonly file: SpoolFile;
  readonly clock: Clock;
  readonly observer: Pick<Observer, 'note'>;
  /** Bytes on disk above which nothing more is taken. */
  readonly bytesMax: number;
  /** Whether its disk has less free than the reserve. */
  readonly diskLow: () => boolean;
  /** The spool is lost to an I/O error: the process must end, and start again. */
  readonly lost: () => void;
}

/** Appends and bytes that are handed over to the store at a time. */
const ROWS_MAX = 512;
const BYTES_MAX = 4 * 1024 * 1024;
const BACKOFF_FIRST_MS = 50;
const BACKOFF_LAST_MS = 5000;
/** How long a stop waits for what was handed over. */
const LINGER_MS = 2000;
/** A row that fails alone, so often in a row, while the store takes other commits, is set aside. */
const TRIES_MAX = 10;

export class Spool {
  readonly #options: SpoolOptions;
  readonly #inbox: Inbox;
  /** Appends that the committer has not answered. */
  readonly #flights = new Set<Waiting>();
  #target: SpoolTarget | null = null;
  #isTaking = false;
  #mode: SpoolMode = 'idle';
  #since: number | null = null;
  #draining: Promise<void> | null = null;
  #pause: { readonly timer: Timer; readonly end: () => void } | null = null;
  #backoffMs = BACKOFF_FIRST_MS;
  #rowsMax = ROWS_MAX;
  #tries = 0;
  #failed = false;
  /** What was said last of writing the file. */
  #trouble: string | null = null;
  #stopped = false;
  readonly #totals = { spooled: 0, drained: 0, aliases: 0, differing: 0 };

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#inbox = new Inbox({
      file: options.file,
      written: (events) => this.#wrote(events),
      broke: (error) => this.#broke(error),
      ended: () => this.#drain(),
    });
  }

  /** Whether appends go into the spool now. Changes only between turns of the event loop. */
  get isTaking(): boolean {
    return this.#isTaking;
  }

  /** Why it takes nothing; `null`: it does. */
  get refusal(): SpoolRefusal | null {
    const { file, bytesMax, diskLow } = this.#options;
    if (this.#failed) return 'store_unavailable';
    if (file.counts().bytes + this.#inbox.bytes >= bytesMax) return 'spool_full';
    return diskLow() ? 'disk_reserve' : null;
  }

  get state(): SpoolState {
    return {
      ...this.#options.file.counts(),
      mode: this.#mode,
      since: this.#since,
      bytesMax: this.#options.bytesMax,
      refuses: this.refusal,
      ackMeaning: SPOOLED_MEANING,
      totals: { ...this.#totals },
    };
  }

  /** Opens the file; what is in it is moved first. @throws as {@link SpoolFile.open} */
  async open(): Promise<void> {
    await this.#options.file.open();
    if (this.#options.file.counts().appends > 0) this.#take();
  }

  /** The store was opened. */
  attach(target: SpoolTarget): void {
    this.#target = target;
    this.storeChanged(target.isOpen());
  }

  /** The store takes commits again, or none any more. */
  storeChanged(isOpen: boolean): void {
    if (!isOpen) {
      this.#take();
      this.#enter('spooling');
      // The order in which they were handed to the committer. Some may have got into the store: nobody waits to be told.
      for (const flight of this.#flights) this.#add({ ...flight, doubtful: true });
      this.#flights.clear();
      return;
    }
    this.#backoffMs = BACKOFF_FIRST_MS;
    this.#pause?.end();
    this.#drain();
  }

  /**
   * Appends whose events were routed, unless `isTaking`: then into the spool, and they are routed when they get into the
   * store. `dueAts`: of its events, where their deliveries are for later.
   * @throws HoldfastError disk_reserve, store_unavailable; as the committer
   */
  append(append: Append, dueAts: readonly (number | null)[] = []): Promise<AppendAnswer | Spooled> {
    return new Promise((resolve, reject) => {
      const events = append.events.map(({ event, dedupeWindowMs }, index) => {
        return { event, dedupeWindowMs, dueAt: dueAts[index] ?? null };
      });
      const waiting = { events, resolve, reject };
      if (this.#isTaking) this.#add({ ...waiting, doubtful: false });
      else this.#pass(waiting, append);
    });
  }

  /** An event that is in the spool. */
  find(eventId: string): Promise<StoredEvent | null> {
    return this.#options.file.find(eventId);
  }

  asideRows(): Promise<readonly AsideRow[]> {
    return this.#options.file.asideRows();
  }

  /** Moves nothing more into the store. Before the committer is closed. Safe twice. */
  rest(): void {
    this.#stopped = true;
    this.#pause?.end();
  }

  /** Writes what still waits, and lets go. Safe twice. */
  async close(): Promise<void> {
    this.rest();
    await this.#inbox.empty();
    // What the store has not answered is doubtful, and looked for at the next start.
    await Promise.race([
      this.#draining,
      new Promise<void>((resolve) => void this.#options.clock.schedule(LINGER_MS, resolve)),
    ]);
    await this.#options.file.close();
  }

  // ----------------------------------------------------------------------------------------------------- taking

  #take(): void {
    if (this.#isTaking) return;
    this.#isTaking = true;
    this.#since = this.#options.clock.now();
  }

  #pass(waiting: Waiting, append: Append): void {
    const target = this.#target;
    if (target === null) {
      waiting.reject(new HoldfastError('store_unavailable', { retryAfterS: 5 }));
      return;
    }
    this.#flights.add(waiting);
    void this.#fly(waiting, target.append(append));
  }

  async #fly(waiting: Waiting, answered: Promise<AppendAnswer>): Promise<void> {
    try {
      const answer = await answered;
      if (this.#flights.delete(waiting)) waiting.resolve(answer);
    } catch (error) {
      if (!this.#flights.delete(waiting)) return; // It went into the spool when the store was lost.
      const code = error instanceof HoldfastError ? error.code : null;
      if (code !== 'store_unavailable' && code !== 'commit_unknown') {
        waiting.reject(error);
        return;
      }
      this.#take();
      this.#add({ ...waiting, doubtful: code === 'commit_unknown' });
    }
  }

  #add(arrived: Arrived): void {
    const { refusal } = this;
    if (refusal === null) this.#inbox.add(arrived);
    else arrived.reject(refused(refusal));
  }

  #wrote(events: number): void {
    this.#totals.spooled += events;
    this.#trouble = null;
  }

  /** A failed fsync is never tried again: what was acknowledged is in the file, and a restart recovers it. */
  #broke(error: unknown): void {
    if (this.#stopped) return;
    const message = error instanceof Error ? error.message : String(error);
    if (message !== this.#trouble)
      this.#options.observer.note('error', 'the spool cannot be written', { error: message });
    this.#trouble = message;
    if (this.#failed || (error instanceof StoreError && error.failure === 'unavailable')) return;
    this.#failed = true;
    this.#options.lost();
  }

  // --------------------------------------------------------------------------------------------------- draining

  #drain(): void {
    if (this.#draining !== null || this.#stopped || !this.#mayDrain()) return;
    this.#draining = this.#drainAll().finally(() => {
      this.#draining = null;
      this.#drain();
    });
  }

  #mayDrain(): boolean {
    return this.#isTaking && !this.#failed && this.#target?.isOpen() === true;
  }

  async #drainAll(): Promise<void> {
    while (!this.#stopped && this.#mayDrain()) {
      this.#enter('draining');
      if (await this.#drainSome()) this.#backoffMs = BACKOFF_FIRST_MS;
      else await this.#wait();
    }
    if (!this.#isTaking) this.#enter('idle');
    else if (!this.#stopped) this.#enter('spooling');
  }

  /** One commit's worth. Answers whether it got there. */
  async #drainSome(): Promise<boolean> {
    try {
      const drained = await this.#handOver();
      return drained === null ? false : await this.#settle(drained);
    } catch (error) {
      if (!(error instanceof StoreError) || error.failure === 'fatal') this.#broke(error);
      return false;
    } finally {
      this.#inbox.release();
    }
  }

  /** `null`: the store was lost before anything was handed over. */
  async #handOver(): Promise<Drained | null> {
    const { file } = this.#options;
    const target = this.#target;
    if (target === null) return null;
    if (file.counts().appends <= this.#rowsMax) await this.#inbox.hold();
    const rows = await file.next(this.#rowsMax, BYTES_MAX);
    const last = rows.at(-1);
    if (last !== undefined) await file.offer(last.place);
    const offers = await prepareOffers(target, rows).catch(() => null);
    if (offers === null || !target.isOpen()) return null;
    const sending = sendOffers(target, offers);
    // In the same turn: nothing can come between what is handed over and what comes behind it.
    if (this.#inbox.isHeld && rows.length === file.counts().appends) this.#goOn(target);
    this.#inbox.release();
    return sending;
  }

  /** The rest of the spool is on its way: whoever waits, and whoever comes, goes behind it. */
  #goOn(target: SpoolTarget): void {
    this.#isTaking = false;
    for (const one of this.#inbox.takeAll()) {
      try {
        this.#pass(one, { events: one.events.map((item) => target.route(item)) });
      } catch (error) {
        one.reject(error);
      }
    }
  }

  async #settle({ done, refused, left, problem, aliases, differing }: Drained): Promise<boolean> {
    const { file } = this.#options;
    await file.remove(done);
    this.#totals.drained += done.reduce((sum, { events }) => sum + events.length, 0);
    this.#totals.aliases += aliases;
    this.#totals.differing += differing;
    for (const { row, reason } of refused) await this.#setAside(row, `The store refuses it: ${reason}.`);
    const [first] = left;
    if (first === undefined) {
      this.#rowsMax = Math.min(ROWS_MAX, this.#rowsMax * 2);
      this.#tries = 0;
      return true;
    }
    this.#take();
    const isAlone = this.#rowsMax === 1;
    this.#rowsMax = Math.max(1, Math.floor(this.#rowsMax / 2));
    this.#tries = isAlone ? this.#tries + 1 : 0;
    if (this.#tries < TRIES_MAX) return false;
    this.#tries = 0;
    await this.#setAside(first, `Its commit fails again and again, and others do not: ${problem ?? 'unknown'}`);
    return true;
  }

  async #setAside({ place, events }: Drained['left'][number], reason: string): Promise<void> {
    await this.#options.file.setAside(place, reason);
    const eventIds = events.slice(0, 10).map(({ event }) => event.id);
    this.#options.observer.note('error', 'acknowledged, but the store does not take it: kept in the spool', {
      place,
      events: events.length,
      eventIds,
      reason,
      action: 'See `holdfast spool status`; `holdfast spool drain` tries it again.',
    });
  }

  #wait(): Promise<void> {
    const delayMs = this.#backoffMs;
    this.#backoffMs = Math.min(BACKOFF_LAST_MS, delayMs * 2);
    return new Promise((resolve) => {
      const end = (): void => {
        this.#pause?.timer.cancel();
        this.#pause = null;
        resolve();
      };
      this.#pause = { timer: this.#options.clock.schedule(delayMs, end), end };
    });
  }

  // ---------------------------------------------------------------------------------------------------- telling

  #enter(mode: SpoolMode): void {
    if (this.#mode === mode) return;
    const was = this.#mode;
    this.#mode = mode;
    const { observer, file, clock } = this.#options;
    const { appends, events, bytes, aside } = file.counts();
    if (mode === 'spooling') {
      observer.note('warn', 'spooling: the store takes no commits', { ackMeaning: SPOOLED_MEANING, events, bytes });
      return;
    }
    if (mode === 'draining') {
      if (appends > 0) observer.note('info', 'the store is back: moving the spool into it', { events, bytes });
      return;
    }
    const ms = clock.now() - (this.#since ?? clock.now());
    this.#since = null;
    if (was !== 'idle') observer.note('info', 'the spool is empty', { ms, aside, ...this.#totals });
  }
}

function refused(refusal: SpoolRefusal): HoldfastError {
  if (refusal !== 'spool_full') return new HoldfastError(refusal, { retryAfterS: 30 });
  return new HoldfastError('store_unavailable', { detail: 'The spool is full: spoolBytesMax.', retryAfterS: 30 });
}
