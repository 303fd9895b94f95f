/** When to try again. A policy is data, so that it can be shown, stored and computed anywhere. */
import type { Random } from './clock.ts';
import { type Duration, durationMs } from './duration.ts';
import { didYouMean } from './suggest.ts';

/** Delays between attempts. `maxAttempts` counts the first try. Build one with the functions below. */
export type RetryPolicy =
  | {
      readonly kind: 'exponential';
      readonly maxAttempts: number;
      readonly baseMs: number;
      readonly factor: number;
      readonly capMs: number;
      readonly jitter: 'full' | 'none';
    }
  | { readonly kind: 'list'; readonly delaysMs: readonly number[]; readonly jitter: 'full' | 'fifth' | 'none' };

export interface ExponentialOptions {
  /** Attempts in all, the first included. Default 5. */
  readonly maxAttempts?: number;
  /** Delay before the second attempt. Default 5 s. */
  readonly base?: Duration;
  /** Each delay is this many times the one before. Default 2. */
  readonly factor?: number;
  /** No delay is longer. Default 1 h. */
  readonly cap?: Duration;
  /**
   * `full` (default): each delay is drawn evenly between 0 and the computed one, so that what failed together does
   * not come back together (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
   */
  readonly jitter?: 'full' | 'none';
}

const EXPONENTIAL: readonly string[] = [
  'maxAttempts',
  'base',
  'factor',
  'cap',
  'jitter',
] satisfies (keyof ExponentialOptions)[];

/** Delays that grow by a factor up to a cap, with full jitter. @throws TypeError when an option does not fit */
export function exponential(options: ExponentialOptions = {}): RetryPolicy {
  const other = Object.keys(options).find((name) => !EXPONENTIAL.includes(name));
  if (other !== undefined) {
    throw new TypeError(`exponential: there is no option '${other}'.${didYouMean(other, EXPONENTIAL)}`);
  }
  const maxAttempts = options.maxAttempts ?? 5;
  if (!Number.isInteger(maxAttempts) || maxAttempts < 1) {
    throw new TypeError(`maxAttempts: expected a whole number from 1, got ${String(maxAttempts)}`);
  }
  const factor = options.factor ?? 2;
  if (!(factor >= 1)) throw new TypeError(`factor: expected a number from 1, got ${String(factor)}`);
  return {
    kind: 'exponential',
    maxAttempts,
    baseMs: durationMs(options.base ?? '5s', 'base'),
    factor,
    capMs: durationMs(options.cap ?? '1h', 'cap'),
    jitter: options.jitter ?? 'full',
  };
}

/** Exactly these delays; one attempt more than there are delays. @throws TypeError */
export function fixed(delays: readonly Duration[]): RetryPolicy {
  const given: unknown = delays;
  if (!Array.isArray(given)) throw new TypeError(`fixed: expected a list of delays, got ${String(given)}`);
  return { kind: 'list', delaysMs: delays.map((delay) => durationMs(delay, 'delays')), jitter: 'none' };
}

/**
 * The example schedule of Standard Webhooks: ten attempts over about three days.
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 *
 * @param options.jitter `fifth` (default): each delay is varied by up to a fifth. `full`: each is drawn evenly between 0
 *   and twice as long, which spreads what failed together as widely as it can, over the same time on average.
 */
export function standardSchedule({ jitter = 'fifth' }: { readonly jitter?: 'fifth' | 'full' } = {}): RetryPolicy {
  const delays = ['5s', '5m', '30m', '2h', '5h', '10h', '14h', '20h', '24h'];
  const delaysMs = delays.map((delay) => durationMs(delay, 'delays'));
  return { kind: 'list', delaysMs: jitter === 'full' ? delaysMs.map((delayMs) => delayMs * 2) : delaysMs, jitter };
}

/** No second attempt. */
export function never(): RetryPolicy {
  return { kind: 'list', delaysMs: [], jitter: 'none' };
}

/** Whether this is a policy, as the functions above make them. */
export function isRetryPolicy(value: unknown): value is RetryPolicy {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, maxAttempts, baseMs, factor, capMs, delaysMs } = value as Readonly<Record<string, unknown>>;
  if (kind === 'list') return areNumbers(delaysMs);
  return kind === 'exponential' && areNumbers([maxAttempts, baseMs, factor, capMs]);
}

function areNumbers(values: unknown): boolean {
  return Array.isArray(values) && values.every((value) => typeof value === 'number' && value >= 0);
}

/** Attempts in all that a policy allows. */
function attemptsMax(policy: RetryPolicy): number {
  return policy.kind === 'exponential' ? policy.maxAttempts : policy.delaysMs.length + 1;
}

/** Milliseconds until the next attempt after `attempts` failed ones; `null` when they are exhausted. */
export function nextDelayMs(policy: RetryPolicy, attempts: number, random: Random): number | null {
  if (attempts >= attemptsMax(policy)) return null;
  if (policy.kind === 'list') {
    const delay = policy.delaysMs[attempts - 1] ?? 0;
    if (policy.jitter === 'none') return delay;
    return Math.round(policy.jitter === 'full' ? delay * random() : delay * (0.8 + 0.4 * random()));
  }
  // After a thousand attempts the factor is beyond all numbers, and no delay times that would be none.
  const grown = Math.min(policy.capMs, policy.baseMs * Math.min(policy.factor ** (attempts - 1), Number.MAX_VALUE));
  return Math.round(policy.jitter === 'full' ? grown * random() : grown);
}
