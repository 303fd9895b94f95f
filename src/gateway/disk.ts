/** Watches the free disk space: below the reserve new events are refused, so that outcomes can still be stored. */
import { statfs } from 'node:fs/promises';
import type { Clock, Timer } from '../core/clock.ts';

const LOOK_MS = 1000;

export class DiskWatch {
  readonly #directory: string;
  readonly #reserveBytes: number;
  readonly #clock: Clock;
  #timer: Timer | null = null;
  #freeBytes = Number.POSITIVE_INFINITY;
  #stopped = true;

  constructor(directory: string, reserveBytes: number, clock: Clock) {
    this.#directory = directory;
    this.#reserveBytes = reserveBytes;
    this.#clock = clock;
  }

  /** Free bytes at the last look. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  get low(): boolean {
    return this.#freeBytes < this.#reserveBytes;
  }

  async start(): Promise<void> {
    this.#stopped = false;
    await this.#look();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    try {
      const { bavail, bsize } = await statfs(this.#directory);
      this.#freeBytes = bavail * bsize;
    } catch {
      // The directory cannot be asked: the store itself will say what is wrong with it.
      this.#freeBytes = Number.POSITIVE_INFINITY;
    }
    if (!this.#stopped) this.#timer = this.#clock.schedule(LOOK_MS, () => void this.#look());
  }
}
