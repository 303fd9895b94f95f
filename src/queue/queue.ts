/**
 * The port of a queue: what tells the processes of a gateway that something is ready, and shares it out among them.
 *
 * The store is the truth. A queue carries **hints** only: delivery ids that were ready when they were pushed. A worker
 * pulls hints, claims their ids in the store, and acknowledges them whatever the claim answered; where the claim failed
 * it does not, and the hint is given again. Only the store leases, delays, retries, orders and deduplicates, so a
 * broker may lose every hint (the sweeper pushes them again from the store), repeat it (the second claim finds nothing)
 * or mix their order. No delay, order, or deduplication of a broker is used.
 *
 * `memory.ts` is the executable specification; `holdfast/testing` has the conformance suite.
 */

/** How many delivery ids one hint carries at most. */
export const HINT_IDS_MAX = 128;

/** How long a pulled hint is nobody else's unless it is acknowledged, where nothing else is set, in ms. */
export const VISIBILITY_MS = 30_000;

/**
 * The broker cannot take or give hints now: down, full, too slow, closed, or changed by somebody so that it cannot carry
 * them. The call may be made again later; the message says what the broker said.
 */
export class QueueError extends Error {
  override readonly name = 'QueueError';
  readonly failure = 'unavailable';

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}

/** Up to {@link HINT_IDS_MAX} deliveries of one channel that were ready when they were pushed. */
export interface Hint {
  /** A name made by `handlerChannel` or `endpointChannel`: letters, digits, `-` and `_`, at most 64. */
  readonly channel: string;
  /** At least one; `dlv_…` */
  readonly ids: readonly string[];
}

/** A hint that was given to this process, until its visibility time is over or it is acknowledged. */
export interface PulledHint extends Hint {
  /** What {@link Queue.ack} takes. Opaque; of this queue only. */
  readonly receipt: string;
}

export interface PullRequest {
  /** From these only. A broker need not know a channel yet. */
  readonly channels: readonly string[];
  /** How many hints at most, at least 1. */
  readonly max: number;
  /** How long to wait for the first, in ms; 0 answers what is there now. */
  readonly waitMs: number;
  /** Ends the waiting: the answer is then what there is, mostly nothing. Never an error. */
  readonly signal?: AbortSignal;
}

export interface Pulled {
  /** By channel in turns, so that no channel's backlog holds up another's hint; within one roughly the oldest first. */
  readonly hints: readonly PulledHint[];
  /**
   * How much was met that is no hint, or one of a version that this process does not read. It has been acknowledged:
   * it will not be met again, and what it should have told is offered again from the store.
   */
  readonly skipped: number;
}

/** What one channel holds, as the broker counts it; some count approximately, and some a moment late. */
export interface ChannelDepth {
  readonly channel: string;
  /** Hints that nobody has been given. */
  readonly waiting: number;
  /** Hints that were given and are not acknowledged, as far as the broker tells them apart. */
  readonly given: number;
}

/** What the queue is, read from the broker when it opened, for `/ready` and `doctor`. */
export interface QueueReport {
  /** `memory`, `redis`, … */
  readonly driver: string;
  /** Where it is and what it is called there, without credentials. */
  readonly place: string;
  /** As read back: the broker's version, and what bounds or loses hints. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** Sentences about settings under which it works, worse than it could; each names the setting. */
  readonly warnings: readonly string[];
}

/**
 * One instance per process. Every call that reaches the broker ends within a limit of its own: a few seconds, and the
 * wait asked for. A connection that breaks, a broker that restarts and one that was wiped are taken up again by
 * themselves: the calls in between reject, the first ones after it succeed.
 */
export interface Queue {
  /**
   * Connects, makes what is missing in the broker, checks what is there. Repeat: the same report.
   * @throws QueueError where the broker does not answer: call it again later
   * @throws HoldfastError config_invalid, client_missing, queue_unfit: what is wrong, by name
   */
  open(): Promise<QueueReport>;
  /**
   * Adds hints. Resolves when the broker has them all; as durable as the broker is, which need not be much.
   * Crash, or rejection: any part of them may be there; push again, or leave it to the sweeper. Repeat: they are there
   * twice, which costs a claim that finds nothing. Empty: nothing happens.
   * @throws QueueError
   */
  push(hints: readonly Hint[]): Promise<void>;
  /**
   * Takes hints, waiting for the first. A hint is given to one process at a time (as far as the broker can: a claim in
   * the store is what tells who may work); when it is not acknowledged within the visibility time (the process has crashed, its claim failed), it is given again, to any.
   * Crash: what was on its way is given again after the visibility time. Repeat: gives others. Empty after `waitMs`,
   * when aborted, and when closed meanwhile.
   * @throws QueueError where the broker does not answer, at the latest a few seconds after `waitMs`, and possibly at
   * once: wait before calling again
   */
  pull(request: PullRequest): Promise<Pulled>;
  /**
   * Takes hints out for good. Crash before it resolves: any part of them may be given again. Repeat, an unknown
   * receipt, or one whose hint was given again since: nothing happens, or the hint goes too, which is as well: its ids
   * have been claimed. Empty: nothing happens.
   * @throws QueueError
   */
  ack(receipts: readonly string[]): Promise<void>;
  /**
   * How much each of these channels holds, in the order given. Changes nothing. A channel that the broker does not
   * know holds nothing.
   * @throws QueueError
   */
  depth(channels: readonly string[]): Promise<readonly ChannelDepth[]>;
  /**
   * Ends waiting pulls with what there is, and lets go. What was pulled and not acknowledged is given again after its
   * visibility time. Calls after it reject. Safe twice and unopened.
   */
  close(): Promise<void>;
}
