/**
 * A circuit breaker: after failures in a row nothing is attempted for a while, then one probe at a time shows whether
 * what failed is back.
 *
 * ```
 * closed ── failures in a row, or trip() ──► open ── its time is over ──► half-open ── probes succeeded ──► closed
 *                                              ▲                              │
 *                                              └──── a probe failed: twice as long, up to ten times
 * ```
 */
import type { Clock } from './clock.ts';

export interface BreakerOptions {
  /** Opens after this many failures in a row. */
  readonly failures: number;
  /** Milliseconds it stays open at first; doubles with each failed probe up to ten times as long. */
  readonly openMs: number;
  /** Successful probes in a row that close it. */
  readonly probes: number;
}

export type BreakerState = 'closed' | 'open' | 'half-open';

/**
 * Which period of the breaker an attempt began in: give it back with the outcome. An outcome of an earlier period says
 * nothing about this one: what began before it opened neither closes it nor keeps it open.
 */
export type BreakerPermit = number;

const OPEN_FACTOR_MAX = 10;

export class Breaker {
  readonly #options: BreakerOptions;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #state: BreakerState = 'closed';
  #period: BreakerPermit = 1;
  /** Failures in a row while closed, successful probes in a row while half-open. */
  #inARow = 0;
  #openFactor = 1;
  #openUntil = 0;
  #probeSince: number | null = null;

  constructor(options: BreakerOptions, clock: Pick<Clock, 'monotonic'>) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Half-open as soon as the time of being open is over. */
  get state(): BreakerState {
    if (this.#state === 'open' && this.#clock.monotonic() >= this.#openUntil) this.#enter('half-open');
    return this.#state;
  }

  /** Whether an attempt may begin now. Changes nothing. */
  allows(): boolean {
    return this.waitMs() === 0;
  }

  /**
   * Milliseconds until an attempt may begin; 0: now. A probe under way holds the next one back, for `openMs` at most:
   * then its outcome may never come (its claim was lost).
   */
  waitMs(): number {
    const { state } = this;
    if (state === 'closed') return 0;
    if (state === 'open') return this.#openUntil - this.#clock.monotonic();
    if (this.#probeSince === null) return 0;
    return Math.max(0, this.#probeSince + this.#options.openMs - this.#clock.monotonic());
  }

  /** An attempt begins; while half-open it is the probe. */
  began(): BreakerPermit {
    if (this.state === 'half-open') this.#probeSince = this.#clock.monotonic();
    return this.#period;
  }

  /** An attempt succeeded, or ended in a way that shows its destination works. */
  succeeded(permit: BreakerPermit = this.#period): void {
    if (permit !== this.#period || this.#state === 'open') return;
    if (this.#state === 'closed') {
      this.#inARow = 0;
      return;
    }
    this.#probeSince = null;
    if (++this.#inARow < this.#options.probes) return;
    this.#openFactor = 1;
    this.#enter('closed');
  }

  /** An attempt failed. */
  failed(permit: BreakerPermit = this.#period): void {
    if (permit !== this.#period || this.#state === 'open') return;
    if (this.#state === 'half-open' || ++this.#inARow >= this.#options.failures) this.#open();
  }

  /** What the destination needs is down (`Unavailable`): opens at once. While it is open this changes nothing. */
  trip(permit: BreakerPermit = this.#period): void {
    if (permit === this.#period && this.#state !== 'open') this.#open();
  }

  /**
   * Another process found that it does not work, and keeps away for so long: this one does too, at least. A probe that
   * fails afterwards doubles that time. Answers whether that opened it.
   */
  open(openMs: number): boolean {
    const until = this.#clock.monotonic() + openMs;
    const isOpen = this.state === 'open';
    if (isOpen && this.#openUntil >= until) return false;
    this.#openFactor = Math.min(OPEN_FACTOR_MAX, Math.max(this.#openFactor, openMs / this.#options.openMs));
    this.#openUntil = until;
    if (!isOpen) this.#enter('open');
    return !isOpen;
  }

  /** Another process found that it works again. Answers whether that closed it. */
  close(): boolean {
    if (this.#state === 'closed') return false;
    this.#openFactor = 1;
    this.#enter('closed');
    return true;
  }

  #open(): void {
    if (this.#state === 'half-open') this.#openFactor = Math.min(OPEN_FACTOR_MAX, this.#openFactor * 2);
    this.#openUntil = this.#clock.monotonic() + this.#options.openMs * this.#openFactor;
    this.#enter('open');
  }

  #enter(state: BreakerState): void {
    this.#state = state;
    this.#period++;
    this.#inARow = 0;
    this.#probeSince = null;
  }
}
