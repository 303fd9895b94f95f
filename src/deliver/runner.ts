/**
 * The port between dispatch and whatever attempts a delivery: code inline, in a thread, in a process; an endpoint.
 * A runner turns one attempt into results and never throws: what goes wrong is a result.
 */
import type { Abortable } from '../core/abortable.ts';
import type { Exchange } from '../core/exchange.ts';
import type { Claim } from '../store/store.ts';
import type { EmitOptions } from './emit.ts';

/** An event a handler emitted; committed with the outcome. */
export interface Emitted {
  readonly type: string;
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly options: EmitOptions;
  /** How long a repeat of its dedupe key is recognised, in ms. Default: as every emitted event's. */
  readonly windowMs?: number;
}

/** What became of one delivery in an attempt. */
export type Result =
  | { readonly kind: 'succeeded'; readonly value: unknown }
  | { readonly kind: 'skipped'; readonly note: string }
  /** `delayMs` set: the handler said when (`RetryLater`); else the policy decides. */
  | { readonly kind: 'failed'; readonly error: string; readonly delayMs: number | null; readonly status: number | null }
  | { readonly kind: 'rejected'; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly reason: string }
  | { readonly kind: 'timeout' }
  /** The thread or process that ran it ended; the gateway itself did not. */
  | { readonly kind: 'crashed'; readonly error: string };

/**
 * Runs code in a transaction of the store and commits, with what the code wrote, what `conclude` makes of its value: the
 * results of the whole attempt and what it emitted. Rejects with whatever kept it from being committed.
 * @throws HoldfastError transaction_unsupported, claim_lost, attempt_ended, store_unavailable, commit_unknown
 */
export type Transact = <Value>(
  code: (tx: unknown) => Value | PromiseLike<Value>,
  conclude: (value: Value) => Attempted | Promise<Attempted>,
) => Promise<Value>;

export interface Attempt {
  /** One claim, or a batch (at most one per order key). */
  readonly claims: readonly Claim[];
  /** Number of this attempt per claim: attempts spent plus one. */
  readonly numbers: readonly number[];
  /** Aborted on timeout, on a hard stop, and when a claim is lost. */
  readonly signal: AbortSignal;
  /** The same, at less cost. Default: `signal`. */
  readonly abortable?: Abortable | undefined;
  readonly timeoutMs: number;
  /** Left out where the store has no transactions that code can share. */
  readonly transact?: Transact | undefined;
}

/** Per claim, in the order of `claims`: its result and what it emitted. */
export interface Attempted {
  readonly results: readonly Result[];
  readonly emitted: readonly (readonly Emitted[])[];
  /** What was sent and answered, per claim; left out by code that sends nothing. */
  readonly exchanges?: readonly (Exchange | null)[];
  /** What the code failed with after its transaction had settled everything: it changes nothing. */
  readonly late?: string;
}

export interface Runner {
  /** `inline` code shares the gateway's fate: its suspects run alone. */
  readonly isolation: 'inline' | 'thread' | 'process' | 'endpoint';
  /**
   * It runs none of the application's code, which alone can end the process. Its starts are not marked, and what it was
   * doing when the process ended is no suspect: however often that happens, it is attempted again. Default `false`.
   */
  readonly trusted?: boolean;
  /** Resolves when the attempt ended or its signal aborted it; never rejects. */
  run(attempt: Attempt): Promise<Attempted>;
  /** Ends threads and processes. Safe twice. */
  close(): Promise<void>;
}
