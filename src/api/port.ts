/**
 * What the admin API, and with it the CLI and the dashboard, asks of the gateway. `gateway.ts` implements it.
 */
import type { Caller, Identified, Scope } from './caller.ts';
import type { SpoolState } from '../commit/spool/state.ts';
import type { AuditEntry, AuditMarks } from '../core/audit.ts';
import type { StoredEvent } from '../core/event.ts';
import type { EndpointChange, EndpointMade, EndpointView } from '../endpoints/definition.ts';
import type { EmitOptions } from '../deliver/emit.ts';
import type { EventTypeInfo } from '../deliver/event-types.ts';
import type { RejectionLog } from '../ingest/rejections.ts';
import type { StreamOccurrence } from '../observe/stream.ts';
import type { LiveFigures } from '../observe/stats.ts';
import type { BrokerState } from '../dispatch/broker.ts';
import type { Member } from '../dispatch/members.ts';
import type { ReplayFilter, ReplayPlan, ReplayRequest, ReplayStatus } from '../dispatch/replay.ts';
import type { AsideRow } from '../store/spool.ts';
import type { HistoryStore, Listed, Page, StoreCounts, StoreReport } from '../store/store.ts';

export type { ReplayFilter, ReplayPlan, ReplayRequest, ReplayStatus };

/** A source as shown: never with a secret. */
export interface SourceInfo {
  readonly name: string;
  readonly path: string;
  readonly verifier: string;
  /** `false` for `none()`: shown in red. */
  readonly proves: boolean;
  readonly mode: 'queued' | 'sync';
  readonly responders: readonly string[];
  readonly methods: readonly string[];
  readonly dedupeWindowMs: number;
  readonly splits: boolean;
}

export type DestinationState = 'running' | 'paused' | 'disabled' | 'absent' | 'stopped';
export type BreakerState = 'closed' | 'open' | 'half-open' | 'none';

/** The live side of a destination in this process; counts and totals come from the store. */
export interface DestinationLive extends LiveFigures {
  readonly name: string;
  readonly state: DestinationState;
  readonly kind: 'handler' | 'batch' | 'endpoint' | 'absent';
  readonly isolation: 'inline' | 'thread' | 'process' | 'endpoint' | null;
  readonly from: readonly string[];
  readonly types: readonly string[] | null;
  readonly priority: string;
  readonly ordered: boolean;
  readonly breaker: BreakerState;
  /** Attempts running now, and the most that may. */
  readonly running: number;
  readonly runningMax: number;
  readonly pausedBy: string | null;
  readonly pausedAt: number | null;
  /** Why an endpoint takes nothing for now. */
  readonly disabledReason: string | null;
}

/** All managed endpoints together, where they are one queue. */
export interface EndpointsQueueLive extends DestinationLive {
  /** Of how many endpoints the breaker is not closed. */
  readonly breakersOpen: number;
}

export interface EmitRequest {
  readonly type: string;
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly options: EmitOptions;
}

/** An API token, without its text. */
export interface TokenInfo {
  /** `tok_…` */
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** `null`: all tenants. */
  readonly tenant: string | null;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly expiresAt: number | null;
  /** To the hour. */
  readonly lastUsedAt: number | null;
}

export interface TokenRequest extends Pick<TokenInfo, 'name' | 'scopes' | 'tenant' | 'expiresAt'> {
  readonly by: string;
}

export interface TokenPort {
  /** The oldest first. */
  list(): Promise<readonly TokenInfo[]>;
  /** The text is given once. @throws HoldfastError invalid_input, store_unavailable */
  create(request: TokenRequest): Promise<{ readonly token: string; readonly info: TokenInfo }>;
  /** `null`: there is none with this id. */
  revoke(id: string): Promise<TokenInfo | null>;
}

/** What the audit log is told of a change. Hashes: see `core/audit.ts`. */
export interface AuditRecord extends Pick<AuditEntry, 'by' | 'action' | 'target' | 'note' | 'before' | 'after' | 'ip'> {
  readonly caller: Pick<Caller, 'id' | 'name'>;
}

export interface AuditPage extends Listed<AuditEntry> {
  readonly marks: AuditMarks;
}

export interface AuditPort {
  /** Resolves when the entry is durable. @throws HoldfastError store_unavailable, commit_unknown, stopping */
  append(record: AuditRecord): Promise<AuditEntry>;
  list(page: Page): Promise<AuditPage>;
}

/** Endpoints that are managed while the gateway runs. */
export interface EndpointsPort {
  /** Those after this id, in the order they were made; of this tenant only, where one is named. */
  list(page: {
    readonly tenant: string | null;
    readonly after: string;
    readonly limit: number;
  }): Promise<Listed<EndpointView>>;
  /** @throws HoldfastError not_found */
  get(id: string): Promise<EndpointView>;
  /** @throws HoldfastError invalid_input, blocked_target, endpoint_limit, store_unavailable */
  create(input: EndpointChange & { readonly url: string }, secret: string | null): Promise<EndpointMade>;
  /** @throws HoldfastError not_found, invalid_input, blocked_target, conflict, endpoint_limit, store_unavailable */
  update(id: string, change: EndpointChange, version: number | null): Promise<EndpointView>;
  setState(id: string, state: EndpointView['state'], by: string): Promise<EndpointView>;
  rotate(id: string, options: { readonly overlapMs: number; readonly secret: string | null }): Promise<EndpointMade>;
  remove(id: string): Promise<void>;
  /** Answers the id of the test event. */
  test(id: string, by: string): Promise<string>;
}

export interface EmitAnswer {
  readonly eventId: string;
  /** The dedupe key was there already; the id is that of the first. */
  readonly duplicate: boolean;
  /** A duplicate whose body is another than the first one's. */
  readonly differs: boolean;
}

/** What a gateway keeps while its store takes no commits. */
export interface SpoolPort {
  state(): SpoolState;
  /** An event that is in no store yet. */
  find(eventId: string): Promise<StoredEvent | null>;
  /** The oldest that the store refused. */
  aside(): Promise<readonly AsideRow[]>;
}

export interface AdminPort {
  readonly endpoints: EndpointsPort;
  readonly history: HistoryStore;
  readonly rejections: RejectionLog;
  /** Tries rejected requests again, as they came, through the normal path. */
  verifyAgain(filter: {
    readonly source?: string;
    readonly ids?: readonly string[];
  }): Promise<{ readonly accepted: number; readonly refused: number }>;
  report(): StoreReport | null;
  /** How the queue is; `null`: none is set. */
  queue(): BrokerState | null;
  /** The processes that have the store open, the oldest first; with an embedded store this one. */
  processes(): readonly Member[];
  /** The spool; `null`: none is set. */
  spool(): SpoolPort | null;
  /** Whether events are taken now; else why not. */
  ready(): { readonly ready: boolean; readonly reason: string | null };
  counts(): Promise<StoreCounts>;
  sources(): readonly SourceInfo[];
  /** Those that have work, or are there whether they have or not. */
  destinations(): readonly DestinationLive[];
  /** Managed endpoints as one queue; `null`: the code gives them no name together. */
  endpointsQueue(): EndpointsQueueLive | null;
  /** One of them; `null`: this process has none of this name. */
  destination(name: string): DestinationLive | null;
  /** The live figures of all destinations together. */
  overall(): LiveFigures;
  /** @throws HoldfastError destination_unknown */
  pause(destination: string, by: string): Promise<void>;
  resume(destination: string, by: string): Promise<void>;
  /** Its open deliveries become dead letters `cleared`. Answers how many. */
  clear(destination: string, by: string): Promise<number>;
  /** All or none. @throws HoldfastError emit_unfit, event_type_unknown, backlog_full, disk_reserve, store_unavailable */
  emit(requests: readonly EmitRequest[]): Promise<readonly EmitAnswer[]>;
  /** The catalogue of emitted types; `null`: there is none, and any type may be emitted. */
  eventTypes(): readonly EventTypeInfo[] | null;
  /** A delayed event that nobody has begun to attempt. @throws HoldfastError not_found, not_cancellable */
  cancel(eventId: string): Promise<void>;
  /** New deliveries of one event, to where it went, or to these. @throws HoldfastError not_found, body_purged, replay_open */
  replayEvent(eventId: string, destinations: readonly string[] | null, by: string): Promise<readonly string[]>;
  replayDelivery(deliveryId: string, by: string): Promise<string>;
  planReplay(filter: ReplayFilter): Promise<ReplayPlan>;
  startReplay(request: ReplayRequest): Promise<ReplayStatus>;
  replays(): Promise<readonly ReplayStatus[]>;
  replay(id: string): Promise<ReplayStatus | null>;
  cancelReplay(id: string): Promise<ReplayStatus | null>;
  resolve(deliveryIds: readonly string[], note: string, by: string): Promise<number>;
  readonly tokens: TokenPort;
  readonly audit: AuditPort;
  /** Whose token this is, without asking the store. Constant-time. */
  identify(token: string): Identified;
  /** Watches until the returned function is called. Slow watchers miss occurrences rather than hold them up. */
  watch(seen: (occurrence: StreamOccurrence) => void): () => void;
  /** Prometheus text. */
  metrics(): Promise<string>;
}
