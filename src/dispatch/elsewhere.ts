/**
 * Answers from elsewhere: on a shared store any process may claim what was not handed off to this one. Whoever waits for
 * it here is told what became of it there: the store is looked at soon, and then less and less often.
 */
import type { Clock, Timer } from '../core/clock.ts';
import type { HistoryStore, StoredAnswer } from '../store/store.ts';

/** Somebody waits for the attempt of an event by a responder. */
export interface Awaited {
  readonly eventId: string;
  readonly responder: string;
  /** When it began (monotonic ms). */
  readonly since: number;
}

export interface ElsewhereOptions {
  readonly history: Pick<HistoryStore, 'deliveries' | 'event'>;
  readonly clock: Clock;
  /** All that are waited for, the oldest first. */
  readonly awaited: () => Iterable<Awaited>;
  /** The events that wait or run here for a destination: these are not looked for. */
  readonly here: (destination: string) => ReadonlySet<string>;
  readonly settled: (eventId: string, responder: string, answer: StoredAnswer | null) => void;
}

const LOOK_MS = 25;
/** The time between two looks for one grows with its wait: at most a dozen in the longest deadline of a provider. */
const LOOK_GROWTH = 0.5;
/** Looks at once; the others have theirs next time. */
const LOOKS_MAX = 16;

export class Elsewhere {
  readonly #options: ElsewhereOptions;
  /** When the next look for one is due. */
  readonly #next = new WeakMap<Awaited, number>();
  #timer: Timer | null = null;
  #closed = false;

  constructor(options: ElsewhereOptions) {
    this.#options = options;
  }

  /** Something is waited for from now on; `known`: what was committed before, and may have ended, is looked for at once. */
  begin(known: Awaited | null): void {
    if (this.#closed) return;
    if (known !== null) void this.#find(known);
    this.#timer ??= this.#options.clock.schedule(LOOK_MS, () => void this.#look());
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    const { awaited } = this.#options;
    await Promise.all(this.#due().map((one) => this.#find(one)));
    this.#timer = null;
    if (awaited()[Symbol.iterator]().next().done !== true) this.begin(null);
  }

  #due(): readonly Awaited[] {
    const { awaited, here, clock } = this.#options;
    const now = clock.monotonic();
    const own = new Map<string, ReadonlySet<string>>();
    const due: Awaited[] = [];
    for (const one of awaited()) {
      if (due.length === LOOKS_MAX) break;
      if (now < (this.#next.get(one) ?? one.since + LOOK_MS)) continue;
      const events = own.get(one.responder) ?? here(one.responder);
      own.set(one.responder, events);
      if (events.has(one.eventId)) continue;
      this.#next.set(one, now + Math.max(LOOK_MS, (now - one.since) * LOOK_GROWTH));
      due.push(one);
    }
    return due;
  }

  async #find({ eventId, responder }: Awaited): Promise<void> {
    const { history, settled } = this.#options;
    try {
      const { rows } = await history.deliveries({ eventId, destination: responder }, { limit: 1, oldestFirst: true });
      switch (rows[0]?.state) {
        case undefined: // Not committed yet.
        case 'blocked':
        case 'ready':
        case 'claimed':
          return;
        case 'succeeded':
          return settled(eventId, responder, (await history.event(eventId))?.answer ?? null);
        default: // Ended without an answer, or to be tried again.
          return settled(eventId, responder, null);
      }
    } catch {
      // The store does not answer: there is a next look, and a deadline.
    }
  }
}
