/**
 * What is emitted at intervals. Every process with the schedule emits at the same times, counted from 1970, under the same
 * dedupe key: so the store makes one event of them, also when processes start, die or disagree about the time by a little.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { type Duration, durationMs } from '../core/duration.ts';
import { anything, duration, optionProblem, type Rule } from '../core/options.ts';
import type { EventTypes } from '../deliver/event-types.ts';
import { makeEmitted } from '../deliver/emitted.ts';
import type { Emitted } from '../deliver/runner.ts';
import { EMIT_WINDOW_MS } from '../dispatch/emitted.ts';
import { HoldfastError } from '../errors.ts';

/** Any body. Not `unknown`, which would take the function in with the rest, and leave its argument without a type. */
type Json = object | string | number | boolean | null;

/** What is emitted, and how often. */
export interface EveryOptions<Type extends string = string, Body = unknown> {
  /** From one time to the next, at least 1 s: `1h` is at every full hour, `1d` at midnight UTC. */
  readonly period: Duration;
  readonly type: Type;
  /** Made from the time it is for, or the same each time. */
  readonly body: (unknown extends Body ? Json : Body) | ((dueAt: Date) => Body);
  readonly tenant?: string;
  /** With one, a time waits for the one before to be handled. */
  readonly orderKey?: string;
}

export interface ScheduleRegistration {
  readonly name: string;
  readonly options: EveryOptions;
}

export interface SchedulesOptions {
  readonly schedules: readonly ScheduleRegistration[];
  /** The catalogue; `null`: none. */
  readonly types: EventTypes | null;
  readonly clock: Clock;
  /** Commits an event. */
  readonly emit: (emitted: Emitted) => Promise<void>;
  /** It could not be emitted, and is tried again. */
  readonly failed: (name: string, error: unknown) => void;
}

interface Schedule {
  readonly name: string;
  readonly periodMs: number;
  readonly options: EveryOptions;
  /** The last time that was emitted; ms since 1970. */
  done: number;
}

const PERIOD_MS_MIN = 1000;
/** What failed is tried again after this, until the next time has come. */
const AGAIN_MS = 5000;
/** Timers do not see that the clock was set, or that the machine slept: the time is looked at this often. */
const WAIT_MS_MAX = 60_000;

const text: Rule = { expected: 'a text', fits: (value) => typeof value === 'string' };

/** What the options may be. */
const RULES: Readonly<Record<keyof EveryOptions, Rule>> = {
  period: {
    expected: "at least 1 s, as '1h' or '1d'",
    fits: (value) => duration.fits(value) && durationMs(value as Duration, 'period') >= PERIOD_MS_MIN,
  },
  type: { expected: 'a type of event', fits: (value) => text.fits(value) && value !== '' },
  body: anything,
  tenant: text,
  orderKey: text,
};

function missing({ period, type }: Partial<EveryOptions>): string | null {
  if (period === undefined) return "period: expected a duration such as '1h'.";
  return type === undefined ? 'type: expected a type of event.' : null;
}

export class Schedules {
  readonly #options: SchedulesOptions;
  readonly #schedules: readonly Schedule[];
  readonly #timers = new Set<Timer>();
  #stopped = false;

  /** @throws HoldfastError config_invalid */
  constructor(options: SchedulesOptions) {
    this.#options = options;
    this.#schedules = options.schedules.map(({ name, options: every }) => {
      const problem = optionProblem(every, RULES) ?? missing(every) ?? options.types?.problemOf([every.type]) ?? null;
      if (problem !== null) throw new HoldfastError('config_invalid', { detail: `Schedule '${name}': ${problem}` });
      const periodMs = durationMs(every.period, 'period');
      return { name, periodMs, options: every, done: Number.NEGATIVE_INFINITY };
    });
  }

  /** Emits what is for the last time that has come, unless it has been, and goes on. */
  start(): void {
    for (const schedule of this.#schedules) void this.#look(schedule);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  async #look(schedule: Schedule): Promise<void> {
    const { clock, failed } = this.#options;
    const dueAt = Math.floor(clock.now() / schedule.periodMs) * schedule.periodMs;
    let againMs = WAIT_MS_MAX;
    try {
      if (dueAt > schedule.done) await this.#emit(schedule, dueAt);
      schedule.done = dueAt;
    } catch (error) {
      if (!this.#stopped) failed(schedule.name, error);
      againMs = AGAIN_MS;
    }
    if (this.#stopped) return;
    const timer = clock.schedule(Math.max(1, Math.min(againMs, dueAt + schedule.periodMs - clock.now())), () => {
      this.#timers.delete(timer);
      void this.#look(schedule);
    });
    this.#timers.add(timer);
  }

  async #emit({ name, options, periodMs }: Schedule, dueAt: number): Promise<void> {
    const { type, tenant, orderKey } = options;
    const at = new Date(dueAt);
    const body: unknown =
      typeof options.body === 'function' ? (options.body as (at: Date) => unknown)(at) : options.body;
    const dedupeKey = `every:${name}:${at.toISOString()}`;
    const given = {
      dedupeKey,
      ...(tenant === undefined ? {} : { tenant }),
      ...(orderKey === undefined ? {} : { orderKey }),
    };
    const windowMs = Math.max(EMIT_WINDOW_MS, 2 * periodMs);
    await this.#options.emit({ ...makeEmitted(type, body, given), windowMs });
  }
}
