/**
 * Outcomes in a transaction of the handler's: what its code wrote, what it emitted and what became of its deliveries are
 * committed together. The fence is in the store: under a claim that is not the current one nothing of it is committed.
 *
 * An attempt may end while its transaction does: at its timeout, at a stop. Then two outcomes are under way under one claim,
 * this one and that of the timeout, and the store takes the one that comes first.
 */
import type { Clock } from '../core/clock.ts';
import { HoldfastError } from '../errors.ts';
import type { Attempted, Transact } from '../deliver/runner.ts';
import { type OpenTransaction, type SettleAnswer, type Store, StoreError } from '../store/store.ts';
import type { Arrivals } from './arrivals.ts';
import type { Lane } from './lane.ts';
import type { Running } from './running.ts';
import type { Settling } from './settling.ts';

/** What of a store it takes. */
export type TransactionStore = Pick<Store, 'begin' | 'settleIn'>;

export interface TransactionsParts {
  readonly store: TransactionStore;
  readonly settling: Settling;
  readonly arrivals: Arrivals;
  readonly clock: Clock;
}

/** The database ends a transaction in which nothing happens for so long after the attempt itself must have ended. */
const IDLE_AFTER_MS = 10_000;

export class HandlerTransactions {
  readonly #parts: TransactionsParts;

  constructor(parts: TransactionsParts) {
    this.#parts = parts;
  }

  /** For one attempt; `undefined`: the store has none. */
  of(lane: Lane, running: Running): Transact | undefined {
    const { begin } = this.#parts.store;
    if (begin === undefined) return undefined;
    return async (code, conclude) => {
      const open = await this.#begin(running);
      const giveUp = (): void => void open.rollback();
      running.signal.addEventListener('abort', giveUp, { once: true });
      try {
        const value = await code(open.tx);
        const attempted = await conclude(value);
        this.#check(running);
        // From here on only the store says what becomes of it.
        running.signal.removeEventListener('abort', giveUp);
        await this.#settle(lane, running, { open, attempted });
        return value;
      } catch (error) {
        running.signal.removeEventListener('abort', giveUp);
        if (await open.rollback()) throw told(error);
        // Whatever the code said last: its statements failed because nobody was there.
        throw told(new StoreError('unavailable', `The connection of ctx.transaction broke: ${text(error)}`, error));
      }
    };
  }

  async #begin(running: Running): Promise<OpenTransaction> {
    this.#check(running);
    const open = await this.#parts.store.begin?.(running.timeoutMs + IDLE_AFTER_MS).catch((error: unknown) => {
      throw told(error);
    });
    if (open === undefined) throw new HoldfastError('transaction_unsupported');
    if (!running.signal.aborted) return open;
    await open.rollback();
    throw over();
  }

  #check({ signal }: Running): void {
    if (signal.aborted) throw over();
  }

  async #settle(
    lane: Lane,
    running: Running,
    { open, attempted }: { readonly open: OpenTransaction; readonly attempted: Attempted },
  ): Promise<void> {
    const { settling, arrivals, store, clock } = this.#parts;
    const settlements = settling.prepared(lane, running, attempted);
    let answers: readonly SettleAnswer[];
    try {
      answers = (await store.settleIn?.(open.tx, settlements)) ?? [];
      if (answers.some(({ status }) => status === 'refused')) throw lost(running);
      await open.commit();
    } catch (error) {
      settling.withdrawn(settlements);
      throw error;
    }
    running.settled = true;
    for (const [index, row] of settlements.entries()) arrivals.settled(row, answers[index] ?? null, clock.now());
    settling.committed(lane, running, settlements);
    // The next ones of the order keys may be ready; where nobody hears of it, this process at least need not look.
    lane.wake();
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function over(): HoldfastError {
  return new HoldfastError('attempt_ended', { detail: 'ctx.transaction: it was rolled back.' });
}

function lost({ claims }: Running): HoldfastError {
  const one = claims.length === 1 ? `The lease of ${claims[0]?.deliveryId} ended` : 'A lease of the batch ended';
  return new HoldfastError('claim_lost', { detail: `${one} before the transaction was to be committed.` });
}

/** What the handler is told. Errors of its own, and of the database, come as they are. */
function told(error: unknown): unknown {
  if (!(error instanceof StoreError)) return error;
  if (error.failure === 'unknown') return new HoldfastError('commit_unknown', { detail: error.message, cause: error });
  return new HoldfastError('store_unavailable', { detail: error.message, retryAfterS: 5, cause: error });
}
