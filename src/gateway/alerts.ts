/** Looks after breakers, backlog, lag and disk, and reports what a person should know. Each once, until it is over. */
import type { Clock } from '../core/clock.ts';
import type { Observer } from '../core/observer.ts';
import type { OperationalType, Report } from '../dispatch/operational.ts';
import type { StoreCounts } from '../store/store.ts';

export interface AlertsOptions {
  readonly clock: Clock;
  /** Open deliveries of a destination above which it is reported. */
  readonly backlogMax: number;
  /** Milliseconds that the oldest ready delivery may wait. */
  readonly lagMaxMs: number;
  /** Free bytes below which the disk is reported. */
  readonly diskBytesMin: number;
  readonly counts: () => Promise<StoreCounts>;
  readonly freeBytes: () => number;
  readonly report: (report: Report) => void;
  /** Whether this process tells what all processes of the store see alike. */
  readonly speaks: () => boolean;
}

/** It is over below this part of a limit, so that what swings around it is not told again and again. */
const OVER = 0.5;

export class Alerts {
  readonly #options: AlertsOptions;
  /** What is high now, as `type destination`. */
  readonly #high = new Set<string>();

  constructor(options: AlertsOptions) {
    this.#options = options;
  }

  /** Told by the lanes. A breaker that stays open between its probes is told once, and by the process that found out. */
  readonly observer: Pick<Observer, 'breaker'> = {
    breaker: (...[destination, state, reason, heard]) => {
      if (state === 'half-open') return;
      const kind = { destination, on: 'breaker.opened', off: 'breaker.closed' } as const;
      if (heard === true) this.#note(state === 'open', kind);
      else this.#turn(state === 'open', kind, { reason });
    },
  };

  /** To be called every now and then. */
  async look(): Promise<void> {
    const { clock, backlogMax, lagMaxMs, diskBytesMin, counts, freeBytes } = this.#options;
    const free = freeBytes();
    if (free < diskBytesMin) this.#turn(true, { destination: '', on: 'disk.low', off: null }, { freeBytes: free });
    else this.#high.delete('disk.low ');
    for (const { destination, blocked, due, ready, claimed, oldestReadyAt } of (await counts()).destinations) {
      const open = blocked + due + ready + claimed;
      const lagMs = oldestReadyAt === null ? 0 : clock.now() - oldestReadyAt;
      this.#limit(backlogMax, open, { destination, on: 'backlog.high', off: 'backlog.normal', name: 'open' });
      this.#limit(lagMaxMs, lagMs, { destination, on: 'lag.high', off: 'lag.normal', name: 'lagMs' });
    }
  }

  #limit(limit: number, value: number, kind: Kind & { readonly name: string }): void {
    const high = value > limit;
    if (!high && value >= limit * OVER) return;
    if (this.#options.speaks()) this.#turn(high, kind, { [kind.name]: value, limit });
    else this.#note(high, kind);
  }

  /** Answers whether it was so before. */
  #note(high: boolean, { destination, on }: Kind): boolean {
    const key = `${on} ${destination}`;
    const before = this.#high.has(key) === high;
    if (high) this.#high.add(key);
    else this.#high.delete(key);
    return before;
  }

  #turn(high: boolean, { destination, on, off }: Kind, body: Report['body']): void {
    if (this.#note(high, { destination, on, off })) return;
    const type = high ? on : off;
    const about = destination === '' ? {} : { destination };
    if (type !== null) this.#options.report({ type, body: { ...about, ...body }, about: null });
  }
}

interface Kind {
  readonly destination: string;
  readonly on: OperationalType;
  readonly off: OperationalType | null;
}
