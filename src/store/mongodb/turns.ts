/**
 * Who goes next. The next position in the log is for whoever is quickest, so whose work takes longer loses it again and
 * again, and with it leases. After a few losses a process asks for the turn in the document that everybody who commits
 * reads or writes, and the others let it go first. Nothing rests on it: the log decides, and a turn ends by itself.
 */
import type { Collections } from './collections.ts';
import type { StateDocument } from './documents.ts';
import { asking } from './failure.ts';
import type { StoreTime } from './time.ts';

/** How often others may be first before a process asks to be. */
export const LOSSES_MAX = 2;
/** A turn that is not used ends after this. */
const TURN_MS = 2000;
/** One that ends later than this is nobody's: it was taken by the clock of a server that is not the primary any more. */
const FAR_MS = 10_000;
const LOOK_MS = 20;

export interface TurnsParts {
  readonly collections: Collections;
  readonly time: StoreTime;
  readonly owner: string;
}

export class Turns {
  readonly #parts: TurnsParts;
  /** As last seen. */
  #by: string | null = null;
  #until = 0;

  constructor(parts: TurnsParts) {
    this.#parts = parts;
  }

  /** Whether it is this process's. */
  get isOurs(): boolean {
    const { owner, time } = this.#parts;
    return this.#by === owner && this.#until > time.now();
  }

  /** What a look at the document says. */
  saw(state: Pick<StateDocument, 'turnBy' | 'turnUntil'> | null): void {
    if (state === null) return;
    const { turnBy = null, turnUntil = 0 } = state;
    this.#by = turnUntil > this.#parts.time.now() + FAR_MS ? null : turnBy;
    this.#until = turnUntil;
  }

  /** Waits until it is this process's turn. Where a call takes as long as a turn, it may be over when that is known. */
  async take(): Promise<void> {
    while (!this.isOurs) {
      if (await this.#ask()) return;
      await this.letOthersFirst();
    }
  }

  /** Waits while it is another's turn. */
  async letOthersFirst(): Promise<void> {
    const { time, owner } = this.#parts;
    while (this.#by !== null && this.#by !== owner && this.#until > time.now()) {
      await time.pause(LOOK_MS);
      await this.#look();
    }
  }

  /** Lets the next have it, in the background: a turn that could not be given back ends by itself. */
  end(): void {
    const { collections, owner } = this.#parts;
    if (this.#by !== owner) return;
    this.#by = null;
    const over = { $unset: { turnBy: '', turnUntil: '' } } as const;
    void collections.state.updateOne({ _id: 'state', turnBy: owner }, over).catch(() => undefined);
  }

  /** Takes the turn, unless another has it; answers whether it was there to be had. */
  async #ask(): Promise<boolean> {
    const { collections, time, owner } = this.#parts;
    const now = time.now();
    const ends = [{ turnUntil: { $exists: false } }, { turnUntil: { $lt: now } }, { turnUntil: { $gt: now + FAR_MS } }];
    const free = { _id: 'state' as const, $or: ends };
    const until = now + TURN_MS;
    const turn = { $set: { turnBy: owner, turnUntil: until } };
    const { matchedCount } = await asking(() => collections.state.updateOne(free, turn));
    if (matchedCount === 1) this.saw({ turnBy: owner, turnUntil: until });
    else await this.#look();
    return matchedCount === 1;
  }

  async #look(): Promise<void> {
    this.saw(await asking(() => this.#parts.collections.state.findOne({ _id: 'state' })));
  }
}
