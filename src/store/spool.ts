/**
 * What a spool keeps on the disk of one gateway while its store cannot be reached. Part of the store's port; the only
 * driver is in `sqlite/spool.ts`. What is in it was acknowledged and is nowhere else.
 */
import type { StoredEvent } from '../core/event.ts';

/** An event that is in no store yet. What it owes is decided when it gets there. */
export interface SpooledEvent {
  readonly event: StoredEvent;
  /** As of the request; see `NewEvent` of the store. */
  readonly dedupeWindowMs: number;
  /** Its deliveries are not attempted before this time (ms since 1970); `null`: at once. */
  readonly dueAt: number | null;
}

/** What one request or one emit call brought: all of it gets into the store, or none. */
export interface SpooledAppend {
  readonly events: readonly SpooledEvent[];
  /** It was on its way into the store when that was lost, so it may be there. */
  readonly doubtful: boolean;
}

/** The answer to an append that was put into the spool, durably: what becomes of it in the store shows later. */
export interface Spooled {
  readonly status: 'spooled';
}

/** An append in the spool. */
export interface SpooledRow extends SpooledAppend {
  /** Rises with every append: the order of arrival. */
  readonly place: number;
}

/** Why a row cannot be moved into the store. */
export interface AsideRow {
  readonly place: number;
  readonly eventIds: readonly string[];
  /** When it was spooled, and when it was set aside (ms since 1970). */
  readonly spooledAt: number;
  readonly asideAt: number;
  readonly reason: string;
}

export interface SpoolCounts {
  /** What waits to be moved: appends, their events and bytes. */
  readonly appends: number;
  readonly events: number;
  readonly bytes: number;
  /** When the oldest of them was spooled (ms since 1970); `null`: none waits. */
  readonly oldestAt: number | null;
  /** Appends that the store refused: kept, and moved by nobody but a person. */
  readonly aside: number;
}

export interface SpoolOpened {
  /** Settings as read back: `{ synchronous: 'FULL', … }`. */
  readonly settings: Readonly<Record<string, string | number>>;
}

/** Appends in the order of their arrival. One process owns it. */
export interface SpoolFile {
  /**
   * Takes ownership, recovers what a crash left, reads the durability settings back. Repeat: the same.
   * @throws HoldfastError store_owned, store_corrupt, store_format, store_not_durable, sqlite_too_old
   */
  open(): Promise<SpoolOpened>;
  /**
   * Adds them at the end, all or none; durable when it resolves. Crash before: all of them or none.
   * @throws StoreError `unavailable` (nothing was written), `fatal`
   */
  put(appends: readonly SpooledAppend[]): Promise<void>;
  /** The oldest that wait: at most so many, at least one where there is one. Empty: none. Changes nothing. */
  next(rowsMax: number, bytesMax: number): Promise<readonly SpooledRow[]>;
  /** From now on everything up to this place is doubtful, also after a crash. Durable when it resolves. */
  offer(place: number): Promise<void>;
  /** They are in the store. Crash before it resolves: they are there again, and doubtful. Repeat: nothing. */
  remove(rows: readonly SpooledRow[]): Promise<void>;
  /** Takes a row out of those that wait, and keeps it. */
  setAside(place: number, reason: string): Promise<void>;
  /** Puts everything that was set aside back to where it stood. Answers how many. */
  takeBack(): Promise<number>;
  /** The oldest rows that were set aside, at most 100. */
  asideRows(): Promise<readonly AsideRow[]>;
  /** An event that is here, waiting or set aside. */
  find(eventId: string): Promise<StoredEvent | null>;
  /** Without asking the disk. */
  counts(): SpoolCounts;
  /** Lets go. Safe twice and unopened. */
  close(): Promise<void>;
}
