/** What the parts of the crash tests have in common: the source, its headers, the plans, and the handlers' log. */
import { createHash, createHmac } from 'node:crypto';

export const SOURCE = 'shop';
/** Sources of the destinations that run elsewhere: `burn` in a thread, `exits` in a process. */
export const BURN = 'burn';
export const EXITS = 'exits';
export const SECRET = 'a secret of the crash tests';
export const TOKEN = 'token-of-the-crash-tests';

/** What an event asks of its handlers. */
export type Plan =
  | 'succeed'
  /** Takes a few turns of the event loop, so that a kill can hit it. */
  | 'slow'
  | 'fail-once'
  | 'reject'
  | 'skip'
  /** Takes seconds, in the first start of the program only. */
  | 'long'
  /** `ledger` ends the process in its first tick; `mail` is innocent. */
  | 'exit'
  /** The first invocation of `mail` is slow and rejects, the second is slower and succeeds. */
  | 'overtaken'
  /** Of the tests of sending: for more endpoints than one commit makes deliveries for. */
  | 'fan'
  /** Of the tests of sending: for endpoints that were made between kills. */
  | 'late';

/** Destinations of the program: `ledger` keeps the order of a key, `mail` does not. */
export const LEDGER = 'ledger';
export const MAIL = 'mail';

export type Label =
  | 'after-verify'
  | 'after-append'
  | 'before-commit'
  | 'after-commit'
  | 'before-ack'
  | 'after-claim'
  | 'in-handler'
  | 'before-settle';

/** A wrong gateway, made of wrappers in test code: what the checker must see. */
export type Control =
  | 'ack-before-commit'
  | 'settle-before-run'
  | 'short-lease'
  | 'no-fence'
  | 'dedupe-off'
  | 'settle-before-send';

/** Where the process kills itself: at the n-th hit from when it was armed. */
export interface Failpoint {
  readonly label: Label;
  readonly hit: number;
}

/** What the program is started with. */
export interface ProgramOptions {
  /** Directory of the store; made if needed. */
  readonly directory: string;
  /** The handlers' own log. */
  readonly log: string;
  /** Number of this start, written into the log. */
  readonly run: number;
  readonly port: number;
  readonly durability: 'FULL' | 'NORMAL' | 'OFF';
  readonly diskReserveBytes: number;
  readonly controls: readonly Control[];
  readonly failpoint: Failpoint | null;
  /** Whether the store's own failpoint is connected, for `after-append`: it costs every commit a step more. */
  readonly storePoint: boolean;
  /** Where the program that sends finds the endpoint of its config; '' for the others. */
  readonly receiver: string;
}

/** From the program to the test. */
export type Told =
  | { readonly kind: 'armed' }
  | {
      readonly kind: 'ready';
      readonly pid: number;
      readonly url: string;
      readonly ackMeaning: string;
      readonly unclean: boolean;
    }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

/** From the test to the program. */
export interface Arm {
  readonly kind: 'arm';
  readonly failpoint: Failpoint;
}

export type Ending = 'succeeded' | 'skipped' | 'rejected' | 'failed';

/** One line of the handlers' log: a handler began with an event, or came to its end. */
export interface LogLine {
  readonly run: number;
  readonly destination: string;
  readonly delivery: string;
  readonly event: string;
  readonly key: string;
  readonly sha: string;
  readonly attempt: number;
  /** Tells the invocations of one delivery apart. */
  readonly invocation: string;
  /** `null`: began. */
  readonly ended: Ending | null;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function signature(body: Uint8Array): string {
  return createHmac('sha256', SECRET).update(body).digest('hex');
}
