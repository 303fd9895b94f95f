/** From what a runner reports to what is committed: the retry policy, the dead letter, the record of the attempt. */
import type { Random } from '../core/clock.ts';
import type { AttemptOutcome, AttemptRecord } from '../core/delivery.ts';
import { OPERATIONAL } from '../core/event.ts';
import { nextDelayMs } from '../core/retry.ts';
import type { Exchange } from '../core/exchange.ts';
import type { Result } from '../deliver/runner.ts';
import type { Claim, Outcome } from '../store/store.ts';
import { isFailure } from './circuit.ts';
import type { Destination } from './destination.ts';
import type { Report } from './operational.ts';

/** When and by whom the attempt was made. */
export interface AttemptTimes {
  readonly startedAt: number;
  readonly durationMs: number;
  readonly worker: string;
}

/** A destination that says the world is down is asked again after this, unless its breaker decides. */
const UNAVAILABLE_DELAY_MS = 1000;

/** One delivery of an attempt, when it ended. */
export interface Ended {
  readonly claim: Claim;
  readonly result: Result;
  readonly exchange: Exchange | null;
  readonly times: AttemptTimes;
  readonly random: Random;
  /** Whether a failure spends no attempt: it was a probe of the breaker. One that is to be tried again later says when. */
  readonly spared: boolean;
}

/** What is to be committed for it. */
export function outcomeOf(
  destination: Destination,
  { claim, result, exchange, times, random, spared }: Ended,
): Outcome {
  const attempt = recordOf({ claim, result, exchange, times });
  if (spared && isFailure(result)) {
    return { kind: 'retry', delayMs: unavailableMs(destination), spends: false, attempt };
  }
  switch (result.kind) {
    case 'succeeded':
      return { kind: 'succeeded', attempt };
    case 'skipped':
      return { kind: 'skipped', note: result.note, attempt };
    case 'rejected':
      return dead(destination, attempt, { reason: 'rejected', note: result.reason });
    case 'unavailable':
      return { kind: 'retry', delayMs: unavailableMs(destination), spends: false, attempt };
    case 'failed':
    case 'timeout':
    case 'crashed':
      return retryOrBury(destination, attempt, {
        delayMs: result.kind === 'failed' ? result.delayMs : null,
        atLeast: result.kind === 'failed' && result.status !== null,
        random,
      });
    default:
      return result satisfies never;
  }
}

/** What is reported of a delivery that became a dead letter; `null` for those of reports themselves. */
export function deathOf(destination: string, { deliveryId, event }: Claim, outcome: Outcome): Report | null {
  if (outcome.kind !== 'dead' || event.source === OPERATIONAL) return null;
  const { reason, note, attempt } = outcome;
  const { id: eventId, source, type } = event;
  const body = { destination, deliveryId, eventId, source, type, reason, note, status: attempt?.status ?? null };
  return { type: 'delivery.dead', body, about: event };
}

function unavailableMs({ breaker }: Destination): number {
  return breaker?.openMs ?? UNAVAILABLE_DELAY_MS;
}

function retryOrBury(
  destination: Destination,
  attempt: AttemptRecord,
  { delayMs, atLeast, random }: { delayMs: number | null; atLeast: boolean; random: Random },
): Outcome {
  const planned = nextDelayMs(destination.retry, attempt.number, random);
  if (planned === null) return dead(destination, attempt, { reason: 'exhausted', note: attempt.error });
  // A handler knows when to be tried again. An endpoint says how long to leave it alone: the policy may wait longer, so
  // that a receiver which always says `Retry-After: 1` does not use up all attempts in a minute.
  const chosen = atLeast ? Math.max(delayMs ?? 0, planned) : (delayMs ?? planned);
  return { kind: 'retry', delayMs: chosen, spends: true, attempt };
}

function dead(
  destination: Destination,
  attempt: AttemptRecord,
  why: { reason: 'rejected' | 'exhausted'; note: string | null },
): Outcome {
  return { kind: 'dead', ...why, holdKey: destination.onDead === 'hold', attempt };
}

const OUTCOMES: Readonly<Record<Result['kind'], AttemptOutcome>> = {
  succeeded: 'succeeded',
  skipped: 'skipped',
  failed: 'failed',
  rejected: 'rejected',
  unavailable: 'unavailable',
  timeout: 'timeout',
  crashed: 'crashed',
};

function recordOf({ claim, result, exchange, times }: Omit<Ended, 'random' | 'spared'>): AttemptRecord {
  return {
    number: claim.attempts + 1,
    startedAt: times.startedAt,
    durationMs: times.durationMs,
    outcome: OUTCOMES[result.kind],
    status: exchange?.response?.status ?? (result.kind === 'failed' ? result.status : null),
    error: errorOf(result),
    worker: times.worker,
    exchange,
  };
}

function errorOf(result: Result): string | null {
  switch (result.kind) {
    case 'failed':
    case 'crashed':
      return result.error;
    case 'rejected':
    case 'unavailable':
      return result.reason;
    case 'skipped':
      return result.note;
    case 'timeout':
      return 'the attempt timed out';
    default:
      return null;
  }
}
