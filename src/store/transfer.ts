/**
 * The port by which everything in a store moves into another one. Not every driver has it, and none needs it to work: it is
 * for `holdfast migrate-store`, while no gateway runs on either store. What moves is rows with their positions, since
 * commits cannot make deliveries that have ended and History does not tell what waits behind what.
 */
import type { AttemptRecord, DeadReason } from '../core/delivery.ts';
import type { JsonValue } from './batch.ts';
import type { Document, DestinationTotals, EventRecord, SourceTotals } from './store.ts';

/** Positions are whole numbers below this. */
export const POSITION_MAX = 2 ** 48;

/** An event with all that is kept of it. */
export interface TransferredEvent extends EventRecord {
  /** Where it stands in the order of commits: lower than every delivery it owed at first, and these stand together. */
  readonly position: number;
  /** Position of the last delivery it owed at first; its own when it owed none. */
  readonly lastPosition: number;
  /**
   * Received time (ms since 1970) from which its dedupe key is new again; `null`: it has none, or another event has it now.
   */
  readonly dedupeUntil: number | null;
}

/** A delivery of any state. What was claimed is open: claims do not move. */
export interface TransferredDelivery {
  readonly position: number;
  readonly eventId: string;
  readonly eventPosition: number;
  readonly destination: string;
  readonly orderKey: string | null;
  readonly state: 'open' | 'succeeded' | 'skipped' | 'dead' | 'cancelled';
  /** While its order key matters, its turn there: its own position, or that of the dead letter whose place it took. */
  readonly place: number;
  /** A dead letter that nobody has resolved and that holds its order key. */
  readonly holdsKey: boolean;
  /** Open ones: not before this time (ms since 1970), which may be over; `null`: at once. */
  readonly dueAt: number | null;
  readonly committedAt: number;
  readonly attempts: number;
  readonly crashes: number;
  readonly endedAt: number | null;
  readonly reason: DeadReason | null;
  readonly note: string | null;
  readonly lastError: string | null;
  readonly resolved: { readonly at: number; readonly by: string; readonly note: string } | null;
  /** Position of the delivery it repeats. */
  readonly replayOf: number | null;
  readonly replayId: string | null;
  /** The kept attempts, oldest first. */
  readonly tries: readonly AttemptRecord[];
}

/** A document, also a deleted one (`value` is `null`): its version goes on. */
export interface TransferredDocument extends Omit<Document, 'value'> {
  readonly value: JsonValue | null;
}

/** What to read: whole events, in the order of positions. */
export interface TransferRequest {
  /** Cursor of the answer before; `null`: from the beginning. */
  readonly after: number | null;
  /** About so many events, and so many deliveries of other events. */
  readonly rowsMax: number;
  /** Stops after the event that brings the sum of body bytes above this. */
  readonly bytesMax: number;
}

export interface TransferBatch {
  /** By position. */
  readonly events: readonly TransferredEvent[];
  /** By position: those of the events, and others made later for events that were given before. */
  readonly deliveries: readonly TransferredDelivery[];
  /** `null`: that was all. */
  readonly cursor: number | null;
}

/** What is added up over the life of a store, and outlives what it counted. */
export interface TransferTotals {
  readonly destinations: readonly ({ readonly destination: string } & DestinationTotals)[];
  readonly sources: readonly SourceTotals[];
}

/** How far a move is, kept in the target in the transaction that brought it there: what the mover says of it. */
export type TransferState = JsonValue;

/** The kind and key of the document in which a target keeps its {@link TransferState}. */
export const TRANSFER_DOCUMENT = { kind: 'transfer', key: 'state' } as const;

/** Reads everything. Nobody else writes meanwhile. */
export interface TransferSource {
  read(request: TransferRequest): Promise<TransferBatch>;
  /** All of every kind. */
  documents(): Promise<readonly TransferredDocument[]>;
  /** Dedupe keys that are remembered and not over at this time, those of purged events among them. */
  dedupeKeys(now: number): Promise<number>;
}

/** Takes everything in. Nobody else works on the store meanwhile. */
export interface TransferTarget {
  /** Whether there is nothing: no event, no delivery, no total, no document but those of processes. */
  isEmpty(): Promise<boolean>;
  /**
   * Takes a batch in at the positions it names, with the state, as one transaction: all of it or nothing. What is at such
   * a position already makes it fail.
   * @throws StoreError
   */
  write(batch: Omit<TransferBatch, 'cursor'>, state: TransferState): Promise<void>;
  /** Writes documents with their versions over what is there. Repeating it is harmless. */
  writeDocuments(documents: readonly TransferredDocument[]): Promise<void>;
  /**
   * After everything was written: sets which deliveries wait behind others, the totals and the position that comes next;
   * with the state, as one transaction.
   */
  finish(totals: TransferTotals, state: TransferState): Promise<void>;
}

/** Of a store that can move. */
export interface StoreTransfer {
  readonly source: TransferSource;
  /** `null`: this driver is no target. */
  readonly target: TransferTarget | null;
}
