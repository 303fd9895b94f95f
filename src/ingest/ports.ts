/** What ingest needs from the rest of the gateway: given by `gateway.ts`, faked by nobody. */
import type { Clock } from '../core/clock.ts';
import type { StoredEvent } from '../core/event.ts';
import type { IdMaker } from '../core/id.ts';
import type { Observer } from '../core/observer.ts';
import type { Append, AppendAnswer, NewDelivery, NewEvent, StoredAnswer } from '../store/store.ts';
import type { Spooled } from '../store/spool.ts';
import type { Source } from './source.ts';
import type { RejectionLog } from './rejections.ts';

export interface IngestLimits {
  readonly bodyBytesMax: number;
  readonly headerBytesMax: number;
  readonly headerLinesMax: number;
  readonly headerDeadlineMs: number;
  readonly requestDeadlineMs: number;
  readonly connectionsMax: number;
  readonly unverifiedBytesMax: number;
  /** Of these, what one address may hold; one body is always allowed. */
  readonly addressUnverifiedBytesMax: number;
  readonly addressConnectionsMax: number;
  /** A body that comes more slowly on average is given up. 0: none does. */
  readonly bodyBytesPerSMin: number;
}

export interface IngestPorts {
  readonly clock: Clock;
  readonly ids: IdMaker;
  readonly observer: Observer;
  readonly limits: IngestLimits;
  readonly sources: readonly Source[];
  /** CIDR ranges whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  readonly rejections: RejectionLog;
  /** Whether new events are taken now; else why not. */
  readonly gate: () => 'open' | 'not_started' | 'stopping' | 'disk_reserve' | 'store_unavailable';
  /** What an event owes, fixed here and now. @throws HoldfastError backlog_full when a destination refuses */
  readonly route: (event: StoredEvent) => readonly NewDelivery[];
  /** Routed events that are not going to be appended after all. */
  readonly withdraw: (rows: readonly NewEvent[]) => void;
  /**
   * Commits; resolves after the commit, which is one of the store, or of the spool.
   * @throws HoldfastError store_unavailable, commit_unknown, stopping, disk_reserve
   */
  readonly append: (append: Append) => Promise<AppendAnswer | Spooled>;
  /**
   * Of a `sync` source: the responder's answer to this event, or `null` as soon as it is known that none comes now (the
   * attempt failed or said nothing, the responder is paused or its breaker open). Called before the commit of the event,
   * so that no answer is missed; for a duplicate (`repeat`) after it, with the id of the first.
   */
  readonly awaitAnswer: (responder: string, eventId: string, repeat: boolean) => AwaitedAnswer;
}

/** An answer that is waited for; cancelled it is `null`. */
export interface AwaitedAnswer {
  readonly answer: Promise<StoredAnswer | null>;
  readonly cancel: () => void;
}
