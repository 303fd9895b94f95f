/** What a handler is given beside the event: how to emit, how to settle events of a batch, when to give up. */
import { HoldfastError } from '../errors.ts';
import type { StoredEvent } from '../core/event.ts';
import type { Claim } from '../store/store.ts';
import type { EmitOptions } from './emit.ts';
import type { EmittedBody, EmittedType } from './event-types.ts';
import { EMITS_BYTES_MAX, EMITS_MAX, makeEmitted } from './emitted.ts';
import { EventView, type HandlerEvent } from './handler-event.ts';
import { isFinal, resultOf, resultOfCall, resultOfThrown } from './outcomes.ts';
import type { Attempted, Emitted, Result, Transact } from './runner.ts';
import { HandlerTransaction, type RunInTransaction } from './transaction.ts';

/** Emits an event of the application; with a catalogue (`emits`) the compiler knows its types and their bodies. */
type Emit<Emits, Options> = <const Type extends EmittedType<Emits>>(
  type: Type,
  body: EmittedBody<Emits, Type> | Uint8Array,
  options?: Options,
) => Promise<void>;

/** Handed to a handler with each event. Its functions can be taken out of it: `(event, { emit }) => …`. */
export interface HandlerContext<Emits = unknown> {
  /** Aborted when the attempt times out, at a hard stop, and when its claim was lost. Pass it on: `fetch(url, { signal })`. */
  readonly signal: AbortSignal;
  /** Number of this attempt, from 1. */
  readonly attempt: number;
  /** `dlv_…`. The same in every attempt. */
  readonly deliveryId: string;
  /** Name of the destination that this code is. */
  readonly destination: string;
  readonly correlationId: string;
  readonly traceparent: string | null;
  /**
   * Emits an event of the application, committed with the outcome of this attempt: when the handler returns, or throws
   * `Skip` or `Reject`. An attempt that is to be tried again leaves nothing behind. `body` is anything JSON can hold,
   * or a `Uint8Array`, up to 1 MiB. Tenant and correlation id are those of the event, unless given.
   * With a catalogue it is checked when the attempt ends, wherever the code runs: one that does not fit fails the attempt.
   * @throws HoldfastError invalid_input, body_too_large, attempt_ended; at once, not through the promise
   */
  readonly emit: Emit<Emits, EmitOptions>;
  /**
   * Runs `code` in a transaction on the store's database, and commits with what it wrote there the outcome of this delivery
   * and all that was emitted: all of it or nothing, however often the delivery is attempted. `tx` is a client of the package
   * `pg` in a transaction; it is the store's, to be neither committed nor released.
   *
   * The outcome is what `code` returns: succeeded, or `Skip` or `Reject`; in a responder it is the answer. What the handler
   * does afterwards changes nothing; what it throws then is logged. What `code` throws or rejects with rolls all of it
   * back, and is thrown here: the handler may let it be its failure, or go on and even begin anew. An attempt has one
   * transaction that is committed. Resolves with what `code` returned, after the commit.
   * @throws HoldfastError transaction_unsupported in a store without them and in threads and processes; claim_lost;
   *   attempt_ended when the attempt is over or settled; store_unavailable, commit_unknown; the database's own errors
   */
  readonly transaction: RunInTransaction;
}

/** Several events to be handled together; at most one per order key. */
export interface Batch<Body = unknown> {
  readonly events: readonly HandlerEvent<Body>[];
  /**
   * Settles one event apart from the rest: `RetryLater`, `Reject`, `Skip`, `Unavailable`, or any error (failed). The
   * first word about an event counts. An event that is not mentioned shares what becomes of the whole: succeeded when
   * the handler returns, failed when it throws.
   * @throws HoldfastError invalid_input for an event that is not of this batch, attempt_ended
   */
  readonly fail: (event: HandlerEvent<Body>, reason: unknown) => void;
  /** Settles one event as succeeded, whatever becomes of the rest. @throws as `fail` */
  readonly succeed: (event: HandlerEvent<Body>) => void;
  /**
   * Calls `code` with each event that is not settled, one after the other, as a handler of single events would be called:
   * what it throws, or returns as `Reject` and its like, settles that event alone, and the next one is its turn. All others
   * share what becomes of the whole. Where `code` is asynchronous, resolves when it has ended for all.
   * @throws HoldfastError attempt_ended
   */
  readonly each: <Returned>(code: (event: HandlerEvent<Body>) => Returned) => EachOf<Returned>;
}

/** To be awaited where the code has to be. */
type EachOf<Returned> = Returned extends PromiseLike<unknown> ? Promise<void> : void;

/** Options of `emit` in a batch handler. */
export interface BatchEmitOptions extends EmitOptions {
  /**
   * The event it follows from: it is committed with that event's outcome and has its tenant and correlation id.
   * Default: the first event of the batch that succeeded. Needed where the events have different tenants.
   */
  readonly event?: HandlerEvent;
}

/** Handed to a batch handler with each batch. Its functions can be taken out of it. */
export interface BatchContext<Emits = unknown> {
  /** As in {@link HandlerContext}. */
  readonly signal: AbortSignal;
  readonly destination: string;
  /** Delivery id and number of the attempt (from 1) of one event of the batch. */
  readonly delivery: (event: HandlerEvent) => { readonly deliveryId: string; readonly attempt: number };
  /** As in {@link HandlerContext}; of an event that is settled already it throws attempt_ended. */
  readonly emit: Emit<Emits, BatchEmitOptions>;
  /**
   * As in {@link HandlerContext}, for the batch as a whole: one transaction, in which each event gets its outcome, also those
   * that were settled apart before it ends. A claim that was lost of one of them rolls all of it back.
   */
  readonly transaction: RunInTransaction;
  /** As {@link Batch.fail}. */
  readonly fail: (event: HandlerEvent, reason: unknown) => void;
  /** As {@link Batch.succeed}. */
  readonly succeed: (event: HandlerEvent) => void;
}

/** What handler code needs of a claim. In a thread or process it comes as a message. */
export type WorkClaim = Pick<Claim, 'deliveryId' | 'destination' | 'event'>;

/** What handler code needs of an attempt. */
export interface Work {
  readonly claims: readonly WorkClaim[];
  readonly numbers: readonly number[];
  readonly signal: AbortSignal;
  /** Left out where the store has no transactions that code can share. */
  readonly transact?: Transact | undefined;
}

const EMITTED = Promise.resolve();
const NONE: readonly Emitted[] = [];
const SUCCEEDED = resultOf(undefined);
const NOTHING_MORE: Attempted = { results: [SUCCEEDED], emitted: [NONE] };

/** The context of one event's attempt, and what it recorded. */
export class SingleContext implements HandlerContext {
  readonly #work: Work;
  readonly #claim: WorkClaim;
  #emits: Emits | null = null;
  #emit: HandlerContext['emit'] | null = null;
  #transaction: HandlerTransaction | null = null;
  #ended = false;

  constructor(work: Work) {
    const claim = work.claims[0];
    if (claim === undefined || work.claims.length > 1) throw new TypeError('a handler of single events got a batch');
    this.#work = work;
    this.#claim = claim;
  }

  get event(): StoredEvent {
    return this.#claim.event;
  }

  get signal(): AbortSignal {
    return this.#work.signal;
  }

  get attempt(): number {
    return this.#work.numbers[0] ?? 1;
  }

  get deliveryId(): string {
    return this.#claim.deliveryId;
  }

  get destination(): string {
    return this.#claim.destination;
  }

  get correlationId(): string {
    return this.event.correlationId;
  }

  get traceparent(): string | null {
    return this.event.traceparent;
  }

  get emit(): HandlerContext['emit'] {
    this.#emit ??= (type, body, options) => this.#record(type, body, options ?? {});
    return this.#emit;
  }

  get transaction(): RunInTransaction {
    this.#transaction ??= new HandlerTransaction(this.#work.transact, {
      over: () => this.#ended,
      attempted: (result) => this.#attempted(result),
      mark: () => {
        const mark = this.#emits?.all.length ?? 0;
        return () => this.#emits?.cut(mark);
      },
    });
    return this.#transaction.run;
  }

  /** Closes the attempt: what the code still does changes nothing. */
  end(result: Result): Attempted {
    this.#ended = true;
    if (this.#transaction !== null) return this.#transaction.end(result);
    if (this.#emits === null && result === SUCCEEDED) return NOTHING_MORE;
    return this.#attempted(result);
  }

  #attempted(result: Result): Attempted {
    return { results: [result], emitted: [isFinal(result) ? (this.#emits?.all ?? NONE) : NONE] };
  }

  #record(type: string, body: unknown, options: EmitOptions): Promise<void> {
    if (this.#ended || this.#transaction?.closed === true) throw ended(type);
    this.#emits ??= new Emits();
    this.#emits.add(makeEmitted(type, body, options));
    return EMITTED;
  }
}

/** Told as soon as code settles one event of a batch, so that it holds even if the thread dies later. */
export type SettledEarly = (index: number, result: Result, emitted: readonly Emitted[]) => void;

/** A batch and its context in one, and what was recorded. */
export class BatchRun implements Batch, BatchContext {
  readonly events: readonly EventView[];
  readonly #work: Work;
  readonly #tell: SettledEarly | null;
  readonly #settled = new Map<number, { readonly result: Result; readonly emitted: readonly Emitted[] }>();
  readonly #emitted = new Map<number, Emitted[]>();
  /** Emits of the batch as a whole. */
  readonly #common: Emitted[] = [];
  readonly #emits = new Emits();
  #transaction: HandlerTransaction | null = null;
  #ended = false;

  constructor(work: Work, tell: SettledEarly | null = null) {
    this.#work = work;
    this.#tell = tell;
    this.events = work.claims.map((claim) => new EventView(claim.event));
  }

  get signal(): AbortSignal {
    return this.#work.signal;
  }

  get destination(): string {
    return this.#work.claims[0]?.destination ?? '';
  }

  readonly fail = (event: HandlerEvent, reason: unknown): void => {
    const thrown: unknown = typeof reason === 'string' ? new Error(reason) : reason;
    this.#settle(this.#indexOf(event), resultOfThrown(thrown));
  };

  readonly succeed = (event: HandlerEvent): void => this.#settle(this.#indexOf(event), SUCCEEDED);

  readonly each = <Returned>(code: (event: HandlerEvent) => Returned): EachOf<Returned> =>
    this.#eachFrom(0, code) as EachOf<Returned>;

  readonly delivery = (event: HandlerEvent): { readonly deliveryId: string; readonly attempt: number } => {
    const index = this.#indexOf(event);
    return { deliveryId: this.#work.claims[index]?.deliveryId ?? '', attempt: this.#work.numbers[index] ?? 1 };
  };

  readonly emit = (type: string, body: unknown, options: BatchEmitOptions = {}): Promise<void> => {
    if (this.#isOver) throw ended(type);
    const { event, ...rest } = options;
    const index = event === undefined ? null : this.#indexOf(event);
    if (index === null && rest.tenant === undefined) this.#checkOneTenant();
    if (index !== null && this.#settled.has(index)) throw ended(type);
    const emitted = makeEmitted(type, body, rest);
    this.#emits.add(emitted);
    this.#listOf(index).push(emitted);
    return EMITTED;
  };

  get transaction(): RunInTransaction {
    this.#transaction ??= new HandlerTransaction(this.#work.transact, {
      over: () => this.#ended,
      attempted: (shared) => this.#attempted(shared),
      mark: () => this.#mark(),
    });
    return this.#transaction.run;
  }

  /** Closes the attempt: events not mentioned get `shared`. */
  end(shared: Result): Attempted {
    this.#ended = true;
    return this.#transaction?.end(shared) ?? this.#attempted(shared);
  }

  #attempted(shared: Result): Attempted {
    const results = this.events.map((_, index) => this.#settled.get(index)?.result ?? shared);
    const emitted = results.map((result, index) => this.#settled.get(index)?.emitted ?? this.#kept(index, result));
    return { results, emitted: this.#withCommon(results, emitted, shared) };
  }

  /** A promise as soon as the code gives one. */
  #eachFrom(first: number, code: (event: HandlerEvent) => unknown): Promise<void> | undefined {
    for (let index = first; index < this.events.length; index++) {
      const event = this.events[index];
      if (event === undefined || this.#settled.has(index)) continue;
      if (this.#isOver) throw new HoldfastError('attempt_ended');
      const apart = (result: Result): void => {
        if (result.kind !== 'succeeded') this.#settle(index, result);
      };
      const result = resultOfCall(() => code(event));
      if (result instanceof Promise) return result.then(apart).then(() => this.#eachFrom(index + 1, code));
      apart(result);
    }
    return undefined;
  }

  #settle(index: number, result: Result): void {
    if (this.#isOver) throw new HoldfastError('attempt_ended');
    if (this.#settled.has(index)) return;
    const emitted = this.#kept(index, result);
    this.#settled.set(index, { result, emitted });
    this.#tell?.(index, result, emitted);
  }

  get #isOver(): boolean {
    return this.#ended || this.#transaction?.closed === true;
  }

  /** The way back: what is said in a transaction that is rolled back was not said. */
  #mark(): () => void {
    const settled = new Set(this.#settled.keys());
    const lengths = new Map([...this.#emitted].map(([index, list]) => [index, list.length]));
    const [common, all] = [this.#common.length, this.#emits.all.length];
    return () => {
      for (const index of this.#settled.keys()) if (!settled.has(index)) this.#settled.delete(index);
      for (const [index, list] of this.#emitted) list.length = lengths.get(index) ?? 0;
      this.#common.length = common;
      this.#emits.cut(all);
    };
  }

  #kept(index: number, result: Result): readonly Emitted[] {
    return isFinal(result) ? [...(this.#emitted.get(index) ?? NONE)] : NONE;
  }

  #withCommon(
    results: readonly Result[],
    emitted: readonly (readonly Emitted[])[],
    shared: Result,
  ): readonly (readonly Emitted[])[] {
    if (this.#common.length === 0 || !isFinal(shared)) return emitted;
    const succeeded = results.findIndex((result) => result.kind === 'succeeded');
    const carrier = succeeded < 0 ? results.findIndex(isFinal) : succeeded;
    return emitted.map((list, index) => (index === carrier ? [...list, ...this.#common] : list));
  }

  #listOf(index: number | null): Emitted[] {
    if (index === null) return this.#common;
    const list = this.#emitted.get(index) ?? [];
    this.#emitted.set(index, list);
    return list;
  }

  /** An event that follows from several tenants would land with an arbitrary one of them. */
  #checkOneTenant(): void {
    const tenant = this.events[0]?.tenant;
    if (this.events.every((event) => event.tenant === tenant)) return;
    throw new HoldfastError('invalid_input', {
      detail: 'emit: the batch has several tenants: name the event, or the tenant.',
    });
  }

  #indexOf(event: HandlerEvent): number {
    const index = this.events.indexOf(event as EventView);
    if (index < 0) throw new HoldfastError('invalid_input', { detail: 'The event is not of this batch.' });
    return index;
  }
}

/** The emits of an attempt, bounded: they are one commit. */
class Emits {
  readonly all: Emitted[] = [];
  #bytes = 0;

  add(emitted: Emitted): void {
    if (this.all.length >= EMITS_MAX || this.#bytes + emitted.body.length > EMITS_BYTES_MAX) {
      const detail = `emit: more than ${EMITS_MAX} events or ${EMITS_BYTES_MAX} bytes in one attempt.`;
      throw new HoldfastError('body_too_large', { detail });
    }
    this.all.push(emitted);
    this.#bytes += emitted.body.length;
  }

  /** Forgets all but the first. */
  cut(length: number): void {
    for (const { body } of this.all.splice(length)) this.#bytes -= body.length;
  }
}

function ended(type: string): HoldfastError {
  return new HoldfastError('attempt_ended', { detail: `emit('${type}')` });
}
