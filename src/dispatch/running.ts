/** One attempt under way: what the runner sees of it, and what the lane keeps. */
import { type Abortable, LightAbort } from '../core/abortable.ts';
import type { Clock } from '../core/clock.ts';
import type { Attempt, Result, Transact } from '../deliver/runner.ts';
import type { Claim } from '../store/store.ts';

export class Running implements Attempt {
  readonly claims: readonly Claim[];
  readonly timeoutMs: number;
  /** Wall clock, for the record. */
  startedAt: number;
  /** Monotonic, for the duration and the timeout. */
  since: number;
  /** Its start is being committed first: its time has not begun. */
  waits = false;
  /** Bytes of the hand-off budget that its events hold. */
  readonly bytes: number;
  /** Whether its start is committed, or is being. */
  marked: boolean;
  /** Of the breaker's period it began in. */
  permit = 0;
  /** It shows whether what failed is back. */
  probe = false;
  /** It failed as a probe, and spends no attempt. */
  spared = false;
  /** Of its lane: the first that began has the lowest. */
  number = 0;
  ended = false;
  /** Its time is over, and it was told. */
  overdue = false;
  /** Its outcomes were committed in a transaction of its code. */
  settled = false;
  transact: Transact | undefined = undefined;
  /** Given up at a stop: its outcome no longer counts. */
  abandoned = false;
  #controller: AbortController | null = null;
  #abortable: LightAbort | null = null;

  constructor(claims: readonly Claim[], start: { timeoutMs: number; clock: Clock; bytes: number; marked: boolean }) {
    this.claims = claims;
    this.timeoutMs = start.timeoutMs;
    this.startedAt = start.clock.now();
    this.since = start.clock.monotonic();
    this.bytes = start.bytes;
    this.marked = start.marked;
  }

  /** Its time begins now. */
  begin(clock: Clock): void {
    this.waits = false;
    this.startedAt = clock.now();
    this.since = clock.monotonic();
  }

  get numbers(): readonly number[] {
    return this.claims.map((claim) => claim.attempts + 1);
  }

  /** Made when somebody looks: most handlers never do. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  /** The same as {@link signal}, for whoever looks at every attempt. */
  get abortable(): Abortable {
    this.#abortable ??= new LightAbort();
    return this.#abortable;
  }

  abort(reason: Result['kind'] | 'stopped'): void {
    const name = reason === 'timeout' ? 'TimeoutError' : 'AbortError';
    const error = new DOMException(`The attempt ended: ${reason}.`, name);
    this.#controller ??= new AbortController();
    this.#controller.abort(error);
    this.#abortable ??= new LightAbort();
    this.#abortable.abort(error);
  }
}
