/**
 * What a queue driver's test gives to the conformance suite, and what a case of the suite is. A driver's own test is
 * the harness and a loop over `queueConformance`.
 */
import type { Queue } from '../../queue/queue.ts';

/** What a broker can do beyond what every one must. Each is a positive fact; none has a default. */
export interface QueueCapabilities {
  /** Hints that were pushed are still there after the broker was killed and started again. */
  readonly keepsHints: boolean;
  /** A hint is given to one process at a time, always; a broker of many machines may give it to two now and then. */
  readonly givesOnce: boolean;
}

/** The name of a capability that a case may require. */
export type QueueCapability = keyof QueueCapabilities;

/** A broker on which nothing of Holdfast is yet, for one case. */
export interface QueueHarness {
  readonly capabilities: QueueCapabilities;
  /** The shortest visibility time that this broker can do and that a busy machine keeps, in ms. */
  readonly visibilityMs: number;
  /** A queue that has not been opened, as one more process of the gateway would make it. Called any number of times. */
  make(visibilityMs: number): Queue;
  /**
   * A process of its own opens a queue, pulls what the channel has, up to `max` hints, and is killed. Resolves when it
   * is dead, with the ids it held.
   */
  dieHolding(what: {
    readonly channel: string;
    readonly max: number;
    readonly visibilityMs: number;
  }): Promise<readonly string[]>;
  /** Puts bytes where hints of this channel have been pushed, as a stranger with access to the broker might. */
  litter(channel: string, bytes: Uint8Array): Promise<void>;
  /** Removes everything that Holdfast has made in the broker. */
  wipe(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again where it was, with what it kept. */
  start(): Promise<void>;
  /** Removes what it left behind. The queues it made have been closed. Called once, at the end, whatever happened. */
  dispose(): Promise<void>;
}

/** One case of the suite: a sentence that states a promise, and the way to see it kept. */
export interface QueueConformanceCase {
  readonly name: string;
  /** Capabilities without which the case says nothing about a driver. */
  readonly requires?: readonly QueueCapability[];
  /** Throws an AssertionError when the promise is broken. */
  run(harness: QueueHarness): Promise<void>;
}

/** The capabilities a case requires and this driver lacks: a test runner skips the case and names them. */
export function queueLackingFor(item: QueueConformanceCase, capabilities: QueueCapabilities): readonly string[] {
  return (item.requires ?? []).filter((name) => !capabilities[name]);
}

/** Runs one case on a harness of its own and disposes of it. */
export async function runQueueCase(item: QueueConformanceCase, make: () => Promise<QueueHarness>): Promise<void> {
  const harness = await make();
  try {
    await item.run(harness);
  } finally {
    await harness.dispose();
  }
}
