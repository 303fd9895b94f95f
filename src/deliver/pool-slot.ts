/**
 * One thread or process of a pool, and where it stands:
 *
 * ```
 * loading ── ready ──► idle ── begin ──► busy ── done ──► idle ── end ──► ending
 *    └───────────────────┴──────── exit, from every state ──┴───────────────┴──► gone
 * ```
 */
import type { Clock, Timer } from '../core/clock.ts';
import type { FromChild, ToChild } from './child.ts';
import { describeError } from './outcomes.ts';
import type { PoolAttempt } from './pool-attempt.ts';

/** A thread or process, as far as a pool cares. None of these throws after it has gone, except `send`. */
export interface ChildHandle {
  /** @throws when it cannot be sent */
  send(asked: ToChild): void;
  /** Ends it at once, whatever it does. Safe twice. */
  kill(): void;
  /** Whether it keeps the gateway's process alive. */
  hold(keepsAlive: boolean): void;
}

/** What a child tells. `exited` comes once, last. */
export interface ChildEvents {
  /** Whatever it sent: the code that runs in it can send too. */
  said(said: unknown): void;
  exited(how: string): void;
}

/** Starts a child that loads the module. May throw. */
export type Spawn = (events: ChildEvents) => ChildHandle;

export type SlotState = 'loading' | 'idle' | 'busy' | 'ending' | 'gone';

/** What a pool does when something happens to one of its slots. */
export interface SlotOwner {
  readonly clock: Clock;
  readonly graceMs: number;
  readonly loadMs: number;
  ready(slot: Slot): void;
  done(slot: Slot): void;
  /** `during`: the state in which it exited; `ran`: the attempt it harmed. */
  exited(
    slot: Slot,
    how: { readonly reason: string; readonly during: SlotState; readonly ran: PoolAttempt | null },
  ): void;
  note(text: string): void;
}

export class Slot {
  readonly #owner: SlotOwner;
  readonly #handle: ChildHandle;
  #state: SlotState = 'loading';
  #runs: PoolAttempt | null = null;
  /** Why it is about to exit, as far as it said. */
  #reason: string | null = null;
  #timer: Timer | null = null;
  /** It is about to exit, whatever it still says. */
  #killed = false;

  /** Starts the child. @throws what `spawn` throws */
  constructor(owner: SlotOwner, spawn: Spawn) {
    this.#owner = owner;
    this.#timer = owner.clock.schedule(owner.loadMs, () => this.#killFor(`not ready within ${owner.loadMs} ms`));
    try {
      this.#handle = spawn({ said: (said) => this.#said(said), exited: (how) => this.#exited(how) });
    } catch (error) {
      this.#timer.cancel();
      throw error;
    }
  }

  get state(): SlotState {
    return this.#state;
  }

  get runs(): PoolAttempt | null {
    return this.#runs;
  }

  begin(one: PoolAttempt): void {
    this.#stopTimer();
    this.#state = 'busy';
    this.#runs = one;
    this.#handle.hold(true);
    this.#send(one.asked());
  }

  /** Its attempt was given up: the code has a short time to end by itself. */
  abort(): void {
    const { clock, graceMs } = this.#owner;
    if (this.#runs === null) return;
    this.#setTimer(clock, graceMs, () => {
      this.#owner.note(`did not end within ${graceMs} ms after its attempt was aborted: killed`);
      this.kill();
    });
    this.#send(this.#runs.abortAsked());
  }

  /** Calls `run` when it has been idle for so long. */
  whenIdle(idleMs: number, run: () => void): void {
    this.#setTimer(this.#owner.clock, idleMs, run);
  }

  /** Lets it exit by itself, for a short time. */
  end(): void {
    const { clock, graceMs } = this.#owner;
    this.#state = 'ending';
    this.#handle.hold(true);
    this.#setTimer(clock, graceMs, () => this.kill());
    this.#send({ kind: 'close' });
  }

  kill(): void {
    this.#stopTimer();
    this.#killed = true;
    this.#handle.hold(true);
    this.#handle.kill();
  }

  #killFor(reason: string): void {
    this.#reason ??= reason;
    this.kill();
  }

  #said(said: unknown): void {
    if (this.#state === 'gone' || !isFromChild(said)) return;
    switch (said.kind) {
      case 'ready':
        if (this.#state === 'loading') this.#rest(() => this.#owner.ready(this));
        break;
      case 'unready':
      case 'dying':
        this.#reason = said.error;
        break;
      case 'settled':
        if (this.#runs?.id === said.id) this.#runs.settledEarly(said.index, said.early);
        break;
      case 'done':
        if (this.#runs?.id !== said.id) break;
        if (said.attempted !== null) this.#runs.end(said.attempted);
        this.#rest(() => this.#owner.done(this));
        break;
      default:
        said satisfies never;
    }
  }

  #rest(then: () => void): void {
    this.#stopTimer();
    this.#runs = null;
    if (this.#state === 'ending' || this.#killed) return;
    this.#state = 'idle';
    this.#handle.hold(false);
    then();
  }

  #exited(how: string): void {
    if (this.#state === 'gone') return;
    this.#stopTimer();
    const during = this.#state;
    const ran = this.#runs;
    this.#state = 'gone';
    this.#runs = null;
    this.#owner.exited(this, { reason: this.#reason === null ? how : `${how}: ${this.#reason}`, during, ran });
  }

  #send(asked: ToChild): void {
    try {
      this.#handle.send(asked);
    } catch (error) {
      this.#killFor(describeError(error));
    }
  }

  #setTimer(clock: Clock, delayMs: number, run: () => void): void {
    this.#stopTimer();
    this.#timer = clock.schedule(delayMs, run);
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}

function isFromChild(said: unknown): said is FromChild {
  return typeof said === 'object' && said !== null && 'kind' in said;
}
