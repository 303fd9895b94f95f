/**
 * An event for thousands of endpoints: what is committed with it is one delivery, to this destination, and its attempts
 * make the deliveries of the endpoints in steps. Each step and the cursor behind it are one commit, so that a crash
 * leaves out none and makes none twice.
 */
import { fanOutId } from '../core/delivery.ts';
import { fixed } from '../core/retry.ts';
import type { Committer } from '../commit/committer.ts';
import { describeError } from '../deliver/outcomes.ts';
import type { Attempt, Attempted, Result, Runner } from '../deliver/runner.ts';
import type { Claim, RegistryStore } from '../store/store.ts';
import type { Destination } from './destination.ts';
import type { Directory } from './lanes.ts';

/** A name that no destination of a user can have. */
export const FAN_OUT = '~fan-out';

const KIND = 'fan-out';
/** Deliveries made in one commit. */
const STEP = 500;
const TIMEOUT_MS = 600_000;
/** It only writes to the store: when that fails, it is tried again until the store takes it, for a month. */
const RETRY = fixed(Array.from({ length: 30 * 24 * 60 }, () => '1m'));

export interface FanOutOptions {
  readonly directory: Directory;
  readonly registry: RegistryStore;
  readonly committer: () => Committer;
}

export function fanOutDestination(options: FanOutOptions): Destination {
  return {
    name: FAN_OUT,
    formerly: [],
    from: new Set(),
    types: null,
    accepts: null,
    priority: 'high',
    concurrency: { min: 1, max: 1 },
    batch: null,
    ratePerS: null,
    timeoutMs: TIMEOUT_MS,
    retry: RETRY,
    breaker: null,
    ordered: true,
    onDead: 'continue',
    backlogMax: null,
    overflow: 'dead',
    runner: new FanOut(options),
  };
}

class FanOut implements Runner {
  readonly isolation = 'inline';
  readonly trusted = true;
  readonly #options: FanOutOptions;

  constructor(options: FanOutOptions) {
    this.#options = options;
  }

  async run(attempt: Attempt): Promise<Attempted> {
    const results: Result[] = [];
    for (const claim of attempt.claims) results.push(await this.#expand(claim, attempt.signal).catch(failed));
    return { results, emitted: results.map(() => []) };
  }

  async close(): Promise<void> {}

  /** Goes on behind what an earlier attempt made. */
  async #expand({ deliveryId, event }: Claim, signal: AbortSignal): Promise<Result> {
    const { directory, registry, committer } = this.#options;
    const begun = await registry.get(KIND, deliveryId);
    let after = (begun?.value as { readonly after: string } | undefined)?.after ?? '';
    const names = directory.matching(event, event.receivedAt).toSorted();
    for (;;) {
      if (signal.aborted) return failed(signal.reason);
      const start = names.findIndex((name) => name > after);
      const step = start < 0 ? [] : names.slice(start, start + STEP);
      const rows = step.map((destination) => ({
        replayId: fanOutId(event.id),
        eventId: event.id,
        destination,
        of: null,
        ordered: directory.find(destination)?.ordered ?? true,
      }));
      after = step.at(-1) ?? after;
      const isLast = step.length < STEP;
      await committer().replay(rows, [
        { kind: KIND, key: deliveryId, value: isLast ? null : { after }, ifVersion: null },
      ]);
      if (isLast) return { kind: 'succeeded', value: undefined };
    }
  }
}

function failed(error: unknown): Result {
  return { kind: 'failed', error: describeError(error), delayMs: null, status: null };
}
