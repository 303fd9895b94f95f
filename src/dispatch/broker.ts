/**
 * The queue of this process as dispatch uses it. A broker comes and goes without the store: what fails here is tried
 * again, is told once, and never stops anything, since the store is looked at now and then all the same.
 */
import type { Clock, Timer } from '../core/clock.ts';
import type { Observer } from '../core/observer.ts';
import { type Queue, QueueError, type QueueReport } from '../queue/queue.ts';

export interface BrokerOptions {
  readonly queue: Queue;
  readonly clock: Clock;
  readonly observer: Observer;
}

/** How the queue is, for `/ready` and people. */
export interface BrokerState {
  readonly state: 'operational' | 'unavailable';
  /** What the broker said last, when it is unavailable. */
  readonly reason: string | null;
  /** As read when it opened; `null`: it has not been reached yet. */
  readonly report: QueueReport | null;
}

/** Between two tries to reach a broker that was not there at the start. */
const AGAIN_MS = 1000;

export class Broker {
  readonly #options: BrokerOptions;
  #report: QueueReport | null = null;
  #reason: string | null = null;
  #again: Timer | null = null;
  #closed = false;

  constructor(options: BrokerOptions) {
    this.#options = options;
  }

  /** Whether calls may succeed now: it was reached once. */
  get opened(): boolean {
    return this.#report !== null;
  }

  get state(): BrokerState {
    const reason = this.#report === null ? (this.#reason ?? 'not reached yet') : this.#reason;
    return { state: reason === null ? 'operational' : 'unavailable', reason, report: this.#report };
  }

  /**
   * Opens the queue. A broker that is not there is waited for, and tried again by itself.
   * @throws HoldfastError config_invalid, client_missing, queue_unfit
   */
  async open(): Promise<void> {
    try {
      this.#report = await this.#options.queue.open();
      this.#works();
      for (const warning of this.#report.warnings) this.#options.observer.note('warn', warning, { queue: this.#name });
    } catch (error) {
      if (!(error instanceof QueueError)) throw error;
      this.#failedToOpen(error);
    }
  }

  /** What `call` answers; `null` when the broker is not there. */
  async use<Answer>(call: (queue: Queue) => Promise<Answer>): Promise<Answer | null> {
    if (!this.opened || this.#closed) return null;
    try {
      const answer = await call(this.#options.queue);
      this.#works();
      return answer;
    } catch (error) {
      this.#failed(error);
      return null;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#again?.cancel();
    await this.#options.queue.close();
  }

  get #name(): string {
    return this.#report?.driver ?? 'queue';
  }

  #tryAgain(): void {
    if (this.#closed) return;
    // What a broker that came late has under our names may be unfit: that is said, and looked at again.
    this.open().catch((error: unknown) => this.#failedToOpen(error));
  }

  #failedToOpen(error: unknown): void {
    this.#failed(error);
    if (!this.#closed) this.#again = this.#options.clock.schedule(AGAIN_MS, () => this.#tryAgain());
  }

  #works(): void {
    if (this.#reason !== null) this.#options.observer.note('info', 'the queue works again', { queue: this.#name });
    this.#reason = null;
  }

  #failed(error: unknown): void {
    if (this.#closed) return;
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#reason === null) {
      const fields = { queue: this.#name, reason };
      this.#options.observer.note('error', 'the queue is unavailable: ready work is found by looking', fields);
    }
    this.#reason = reason;
  }
}
