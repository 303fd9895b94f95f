/**
 * What a driver's test gives to the conformance suite, and what a case of the suite is. A driver's own test is the
 * harness and a loop over `storeConformance`: nothing else.
 */
import type { CommitBatch, JsonValue, Store } from '../../store/store.ts';
import type { TestClock } from '../clock.ts';

/** What a driver can do beyond what every store must. Each is a positive fact; none has a default. */
export interface StoreCapabilities {
  /** One process owns the store: a crash ends every claim at once and counts for those marked started. */
  readonly embedded: boolean;
  /** Several processes may have it open: what one had claimed when it died can be claimed when its lease ends. */
  readonly shared: boolean;
  /** Tokens of commits are remembered after a crash and a reopening too. */
  readonly durableTokens: boolean;
  /** Says of what it appends which deliveries wait for a claim: what hints are made of. */
  readonly offers: boolean;
  /** Whether the application can write in one transaction with it: `begin`, `appendIn`, `settleIn`. */
  readonly transactions: boolean;
  /** Body bytes above which an event is refused `too_large`; `null`: the driver sets no limit of its own. */
  readonly rowBytesMax: number | null;
}

/** The name of a capability that a case may require: it must be `true`, or a number. */
export type Capability = keyof StoreCapabilities;

/** One store on fresh state, under a clock that stands still. A case has one of its own and uses nothing else. */
export interface StoreHarness {
  readonly clock: TestClock;
  readonly capabilities: StoreCapabilities;
  /** Gives the store, opened for the first time, empty. Called once. */
  open(): Promise<Store>;
  /**
   * Gives the store opened again on the same state. `crash: false`: closed properly before. `crash: true`: the process
   * died without closing (what it had not committed is gone, `unclean` is reported). The store given before is not
   * used any more; it may be the same object.
   */
  reopen(how: { readonly crash: boolean }): Promise<Store>;
  /**
   * Begins to commit this batch and fails before it is durable, at the latest moment the harness can arrange;
   * {@link poisoned} is the least a harness may do. Resolves when the commit has failed.
   */
  interrupt(batch: CommitBatch): Promise<void>;
  /** Lets time pass: on `clock`, and wherever else the store takes its time from. */
  advance(ms: number): Promise<void>;
  /** Closes what is open and removes what it left behind. Called once, at the end, whatever happened. */
  dispose(): Promise<void>;
}

/** A batch that cannot be committed: its last row throws when its value is read. */
export function poisoned(batch: CommitBatch): CommitBatch {
  const last = {
    kind: 'poison',
    key: 'poison',
    ifVersion: null,
    get value(): JsonValue {
      throw new Error('The poisoned row of a test was read.');
    },
  };
  return { ...batch, documents: [...batch.documents, last] };
}

/** Under which circumstances an operation keeps its promise. */
export type Condition =
  | 'normal'
  /** The same call again: same token, same claim, same action. */
  | 'repeat'
  /** Under a claim that is no longer the current one. */
  | 'stale claim'
  /** The process dies, or the commit fails, before it is durable. */
  | 'crash before commit'
  /** The process dies after it is durable. */
  | 'crash after commit'
  /** After a proper close. */
  | 'reopen';

/** The operations of the ports. Rows of a commit count as one each. */
export type Operation =
  | 'open'
  | 'append'
  | 'appendIn'
  | 'start'
  | 'settle'
  | 'settleIn'
  | 'release'
  | 'replay'
  | 'resolve'
  | 'bury'
  | 'cancel'
  | 'rename'
  | 'document'
  | 'claim'
  | 'renew'
  | 'wakeUps'
  | 'purge'
  | 'close'
  | 'event'
  | 'events'
  | 'delivery'
  | 'deliveries'
  | 'attempts'
  | 'counts'
  | 'get'
  | 'put'
  | 'list'
  | 'watch';

/** What is promised, in a word each. */
export type Promised =
  /** What was answered is there, whole; what was not answered is there whole or not at all. */
  | 'durable'
  /** An outcome counts once, and only under the current claim. */
  | 'fenced'
  /** Same order key, in order. */
  | 'ordered'
  /** One event per dedupe key within its window. */
  | 'deduplicated'
  /** Bytes in are bytes stored. */
  | 'exact'
  /** Crashes are bounded, and innocent neighbours pay nothing. */
  | 'crash-bounded'
  /** Nothing is kept longer or shorter than said, and nothing unfinished goes. */
  | 'retained'
  /** What is told is true: lists, counts, reports, wake-ups. */
  | 'truthful';

/** The cell of the matrix that a case fills. */
export interface Coverage {
  readonly promise: Promised;
  readonly operation: Operation;
  readonly condition: Condition;
}

/** One case of the suite: a sentence that states a promise, and the way to see it kept. */
export interface ConformanceCase {
  readonly name: string;
  readonly covers: Coverage;
  /** Capabilities without which the case says nothing about a driver. */
  readonly requires?: readonly Capability[];
  /** Throws an AssertionError when the promise is broken. */
  run(harness: StoreHarness): Promise<void>;
}

/** The capabilities a case requires and this driver lacks: a test runner skips the case and names them. */
export function lackingFor(item: ConformanceCase, capabilities: StoreCapabilities): readonly Capability[] {
  return (item.requires ?? []).filter((name) => capabilities[name] === false || capabilities[name] === null);
}

/** Runs one case on a harness of its own and disposes of it. */
export async function runCase(item: ConformanceCase, make: () => Promise<StoreHarness>): Promise<void> {
  const harness = await make();
  try {
    await item.run(harness);
  } finally {
    await harness.dispose();
  }
}
