/**
 * What is kept, collection by collection. Every document that a commit changes carries `rev`: the position in the log
 * of the entry that wrote it last, so that an entry can be applied twice, late, and by another process, and counts once.
 */
import type { AttemptRecord, DeadReason } from '../../core/delivery.ts';
import type { Binary } from 'mongodb';

/** Names of the collections, all with one prefix so that a database can be shared with the application. */
export const COLLECTIONS = {
  log: 'holdfast_log',
  parts: 'holdfast_log_parts',
  state: 'holdfast_state',
  events: 'holdfast_events',
  deliveries: 'holdfast_deliveries',
  attempts: 'holdfast_attempts',
  dedupe: 'holdfast_dedupe',
  destinations: 'holdfast_destinations',
  sources: 'holdfast_sources',
  documents: 'holdfast_documents',
} as const;

/** The collections whose documents an entry of the log puts whole. */
export type PutCollection = 'dedupe' | 'destinations' | 'sources' | 'documents';

/** The collections of which an entry changes fields. */
export type SetCollection = 'events' | 'deliveries';

/** An answer of a sync source; pairs of headers stand one after the other. */
export interface AnswerDocument {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Binary;
}

/** An event that no delivery tells the age of: why there is none, and for a repeat whether its body is still there. */
export type Bare = 'unmatched' | 'repeat' | 'emptied';

export interface EventDocument {
  readonly _id: string;
  readonly rev: number;
  readonly seq: number;
  readonly source: string;
  readonly type: string;
  readonly tenant: string | null;
  readonly dedupeKey: string | null;
  readonly orderKey: string | null;
  readonly receivedAt: number;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: readonly string[];
  /** How `headers` and `body` are written; 0: as they are. */
  readonly encoding: number;
  readonly body: Binary | null;
  readonly hasBody: boolean;
  readonly bodyBytes: number;
  readonly correlationId: string;
  readonly traceparent: string | null;
  readonly unfit: string | null;
  readonly duplicateOf: string | null;
  readonly owed: number;
  readonly duplicates: number;
  /** The newest first. */
  readonly newestDuplicates: readonly {
    readonly receivedAt: number;
    readonly differs: boolean;
    readonly correlationId: string;
  }[];
  readonly answer: AnswerDocument | null;
  readonly bare: Bare | null;
}

/** Where a delivery stands, as far as it does not change with time alone; see `laneOf`. */
export type Lane = 'ready' | 'due' | 'claimed' | 'blocked' | 'dead' | 'kept' | 'emptied';

/** A delivery as it is kept, without what is derived from it. */
export interface DeliveryFields {
  readonly seq: number;
  readonly eventId: string;
  readonly destination: string;
  readonly source: string;
  readonly type: string;
  readonly tenant: string | null;
  readonly orderKey: string | null;
  readonly receivedAt: number;
  /** Bytes of the event's body. */
  readonly bytes: number;
  /** Digest of tenant and order key; with the destination it names a queue. `null`: it runs freely. */
  readonly line: string | null;
  /** Its place in its queue: its own `seq`, or the place of the dead letter it takes over from. */
  readonly place: number;
  readonly replayOf: string | null;
  readonly replayId: string | null;
  readonly committedAt: number;
  readonly dueAt: number | null;
  readonly claim: number;
  /** By the database's clock. A lease that has ended stays here until the delivery is claimed again or ends. */
  readonly leaseUntil: number | null;
  /** The process that claimed it last. */
  readonly owner: string | null;
  readonly started: boolean;
  readonly attempts: number;
  readonly crashes: number;
  /** Records of attempts ever made. The first is kept here, the others in a collection of their own. */
  readonly records: number;
  readonly lastError: string | null;
  readonly ended: 'succeeded' | 'skipped' | 'dead' | 'cancelled' | null;
  readonly endedAt: number | null;
  readonly reason: DeadReason | null;
  readonly note: string | null;
  readonly holdKey: boolean;
  readonly resolved: { readonly at: number; readonly by: string; readonly note: string } | null;
  /** Whether nothing of its queue stands before it. */
  readonly free: boolean;
  /** Whether the body of its event has been purged. */
  readonly emptied: boolean;
}

/** What is derived from the fields of a delivery, for the indexes. */
export interface DeliveryMarks {
  /** The destination, while it is open: what is claimed is found by it. */
  readonly slot: string | null;
  readonly lane: Lane;
  /** When it may be claimed (0: at once), or since when it is over. */
  readonly at: number;
  /** Its line, while it is in its queue: open, or a dead letter that holds its key. */
  readonly queue: string | null;
  /** Whether it is the one of its queue that may run, or one that holds it. */
  readonly front: boolean;
}

export interface DeliveryDocument extends DeliveryFields, DeliveryMarks {
  readonly _id: string;
  readonly rev: number;
  readonly first: AttemptRecord | null;
}

export interface AttemptDocument {
  /** Delivery and number, see `attemptId`. */
  readonly _id: string;
  readonly deliveryId: string;
  /** Counts the records of the delivery from 1. */
  readonly number: number;
  readonly record: AttemptRecord;
}

export interface DedupeDocument {
  /** SHA-256 of source, tenant, type and key. */
  readonly _id: string;
  readonly rev: number;
  readonly eventId: string;
  /** SHA-256 of the first event's body. */
  readonly digest: string;
  /** Received from this time on, an event is a new first. */
  readonly until: number;
}

/** Open and unresolved deliveries of a destination by lane. */
export type LaneCounts = Readonly<Record<'ready' | 'due' | 'claimed' | 'blocked' | 'dead', number>>;

export interface DestinationDocument {
  readonly _id: string;
  readonly rev: number;
  /** Renamed away: it has nothing any more. */
  readonly gone: boolean;
  readonly received: number;
  readonly succeeded: number;
  readonly skipped: number;
  readonly failed: number;
  readonly dead: number;
  readonly lanes: LaneCounts;
}

export interface SourceDocument {
  readonly _id: string;
  readonly rev: number;
  readonly accepted: number;
  readonly duplicates: number;
  readonly differing: number;
}

export interface RegistryDocument {
  /** Kind and key. */
  readonly _id: string;
  readonly rev: number;
  /** The process that wrote it last. */
  readonly by: string;
  readonly kind: string;
  readonly key: string;
  /** JSON text: names of its members may be what a database gives a meaning to. `null`: deleted. */
  readonly value: string | null;
  readonly version: number;
}

/** What is changed of some documents, of all alike. */
export interface FieldChange {
  readonly to: SetCollection;
  readonly ids: readonly string[];
  readonly fields: Readonly<Record<string, unknown>>;
}

/** All that one entry of the log does. Applying it again changes nothing. */
export interface Changes {
  readonly events: readonly EventDocument[];
  readonly deliveries: readonly DeliveryDocument[];
  readonly attempts: readonly AttemptDocument[];
  readonly puts: readonly {
    readonly to: PutCollection;
    /** Whether there is no older one to replace. */
    readonly isNew: boolean;
    readonly document: DedupeDocument | DestinationDocument | SourceDocument | RegistryDocument;
  }[];
  readonly sets: readonly FieldChange[];
  readonly renames: readonly { readonly from: string; readonly to: string }[];
  /** Events that go, with their deliveries. */
  readonly goneEvents: readonly string[];
  /** Deliveries whose attempts go with them. */
  readonly goneAttempts: readonly string[];
  /** Attempts that go because newer ones take their place. */
  readonly oldAttempts: readonly string[];
}

/** One entry of the log. Inserting it under the next position is what commits it. */
export interface LogDocument {
  /** Its position, see `positionId`. */
  readonly _id: string;
  readonly position: number;
  /** Of a commit; absent for a claim, a renewal, a purge, a document. */
  readonly token?: string;
  /** By the database's clock. */
  readonly at: number;
  /** The process that made it. */
  readonly by: string;
  /** The last turn in the order of commits that is given away with it. */
  readonly seq: number;
  /** Events kept after it. */
  readonly events: number;
  /** JSON text of the answers of a commit. */
  readonly answers?: string;
  /** Its changes; absent once they have long been applied. In parts, where one document would be too large. */
  readonly changes?: Changes;
  readonly parts?: readonly string[];
}

/** Changes of an entry that are too large for one document. Written before the entry: without it they mean nothing. */
export interface PartDocument {
  readonly _id: string;
  readonly at: number;
  readonly changes: Changes;
}

/** How far the log has been applied, and which format the database has. */
export interface StateDocument {
  readonly _id: 'state';
  readonly format: number;
  /** Every entry up to this position has been applied. */
  readonly applied: number;
  readonly seq: number;
  readonly events: number;
  /** Up to this position the log has been forgotten: what arrives there came too late. */
  readonly forgotten?: number;
  /** Who goes next, and until when by the database's clock; see turns.ts. */
  readonly turnBy?: string;
  readonly turnUntil?: number;
}
