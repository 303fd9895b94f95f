/** What the admin API asks, answered from the parts of a gateway. */
import type {
  AdminPort,
  DestinationLive,
  DestinationState,
  EndpointsPort,
  EndpointsQueueLive,
  SourceInfo,
} from '../api/port.ts';
import type { Broker } from '../dispatch/broker.ts';
import type { Destination } from '../dispatch/destination.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import { FAN_OUT } from '../dispatch/fan-out.ts';
import type { Group } from '../dispatch/group.ts';
import type { Holds } from '../dispatch/holds.ts';
import type { Lane } from '../dispatch/lane.ts';
import type { Replays } from '../dispatch/replay.ts';
import type { EndpointPolicy } from '../endpoints/policy.ts';
import { HoldfastError } from '../errors.ts';
import type { IngestPorts } from '../ingest/ports.ts';
import type { RejectionLog } from '../ingest/rejections.ts';
import type { Source } from '../ingest/source.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Stats } from '../observe/stats.ts';
import type { StreamHub } from '../observe/stream.ts';
import type { Store, StoreCounts, StoreReport } from '../store/store.ts';
import type { AuditLog } from './audit.ts';
import { openOf } from './parts.ts';
import type { Spooling } from './spooling.ts';
import type { Tokens } from './tokens.ts';

/** The parts the admin side looks at. */
export interface AdminParts {
  readonly store: Store;
  /** Managed endpoints, where they are one queue. */
  readonly group: Group;
  readonly report: StoreReport;
  readonly broker: Broker | null;
  readonly spool: Spooling | null;
  readonly dispatcher: Dispatcher;
  readonly holds: Holds;
  readonly replays: Replays;
  readonly rejections: RejectionLog;
  readonly verifyAgain: AdminPort['verifyAgain'];
  readonly sources: readonly Source[];
  readonly endpoints: EndpointsPort;
  readonly policy: EndpointPolicy;
  /** Why an endpoint takes nothing for now; `null`: it takes, or is none. */
  readonly disabledReason: (destination: string) => string | null;
  readonly stats: Stats;
  readonly metrics: Metrics;
  readonly hub: StreamHub;
  readonly gate: IngestPorts['gate'];
  /** Whether it takes new events for a moment only: to be called ready no more. */
  readonly leaving: () => boolean;
  readonly emit: AdminPort['emit'];
  readonly eventTypes: AdminPort['eventTypes'];
  readonly tokens: Tokens;
  readonly audit: AuditLog;
  readonly processes: AdminPort['processes'];
}

const CLEAR_STEP = 1000;

export function adminPort(parts: AdminParts): AdminPort {
  const { store, dispatcher, holds, replays } = parts;
  if (!parts.report.shared) parts.stats.follow(() => openHere(dispatcher));
  return {
    history: store.history,
    endpoints: parts.endpoints,
    rejections: parts.rejections,
    verifyAgain: parts.verifyAgain,
    report: () => parts.report,
    queue: () => parts.broker?.state ?? null,
    processes: parts.processes,
    spool: () => parts.spool,
    ready: () => {
      const gate = parts.leaving() ? 'stopping' : parts.gate();
      return { ready: gate === 'open', reason: gate === 'open' ? null : gate };
    },
    counts: () => countsOf(parts),
    sources: () => parts.sources.map(sourceInfo),
    overall: () => parts.stats.overall(),
    destinations: () => [...dispatcher.lanes.values()].filter(isShown).map((lane) => liveOf(parts, lane.destination)),
    endpointsQueue: () => groupOf(parts),
    destination: (name) => {
      if (parts.group.is(name)) return groupOf(parts);
      // To look at an endpoint is no reason to wake its lane.
      const destination = dispatcher.lanes.find(name);
      return destination === null ? null : liveOf(parts, destination);
    },
    pause: (destination, by) => holds.pause(destination, by),
    resume: (destination, by) => holds.resume(destination, by),
    clear: async (destination) => {
      holds.known(destination);
      return clearAll(parts, destination);
    },
    emit: parts.emit,
    eventTypes: parts.eventTypes,
    cancel: async (eventId) => {
      if ((await store.history.event(eventId)) === null) throw new HoldfastError('not_found', { detail: eventId });
      const answer = await dispatcher.committer.act({ kind: 'cancel', eventId });
      if (answer.status !== 'committed' || answer.affected === 0)
        throw new HoldfastError('not_cancellable', { detail: eventId });
      const cancelled = await store.history.deliveries({ eventId, states: ['cancelled'] }, { limit: CLEAR_STEP });
      for (const { destination } of cancelled.rows) dispatcher.lanes.ended(destination, 1);
    },
    replayEvent: (eventId, destinations) => replays.event(eventId, destinations),
    replayDelivery: (deliveryId) => replays.delivery(deliveryId),
    planReplay: (filter) => replays.plan(filter),
    startReplay: (request) => replays.start(request),
    replays: () => replays.list(),
    replay: (id) => replays.get(id),
    cancelReplay: (id) => replays.cancel(id),
    resolve: async (deliveryIds, note, by) => {
      const answer = await dispatcher.committer.act({ kind: 'resolve', deliveryIds, note, by });
      return answer.status === 'committed' ? answer.affected : 0;
    },
    tokens: parts.tokens,
    audit: parts.audit,
    identify: (token) => parts.tokens.identify(token),
    watch: (seen) => parts.hub.watch(seen),
    metrics: () => parts.metrics.text(),
  };
}

async function countsOf({ store, stats }: AdminParts): Promise<StoreCounts> {
  const counts = await store.history.counts();
  stats.sawOpen(
    counts.destinations.map((row) => [row.destination, row.blocked + row.due + row.ready + row.claimed] as const),
  );
  return counts;
}

/** What the destinations in code are owed, without asking the store. Of endpoints there may be thousands. */
function* openHere({ lanes }: Dispatcher): Iterable<readonly [destination: string, open: number]> {
  for (const name of lanes.fixed()) yield [name, lanes.awake(name)?.open ?? 0];
}

/** What a destination is owed; of all endpoints together, what each of them is. What is accepted meanwhile is not meant. */
async function clearAll(parts: AdminParts, destination: string): Promise<number> {
  const open = openOf(await parts.store.history.counts());
  if (!parts.group.is(destination)) return clear(parts, destination, open.get(destination) ?? 0);
  let cleared = 0;
  for (const [name, count] of open) if (parts.group.has(name)) cleared += await clear(parts, name, count);
  return cleared;
}

/** The oldest so many, but for what runs. */
async function clear({ dispatcher, holds }: AdminParts, destination: string, open: number): Promise<number> {
  const lane = dispatcher.lanes.get(destination);
  const most = open - (lane?.running ?? 0);
  const paused = lane?.paused ?? true;
  // What waits in memory is claimed: given back, it can be cleared too.
  if (!paused) lane?.pause();
  let cleared = 0;
  try {
    while (cleared < most) {
      const limit = Math.min(CLEAR_STEP, most - cleared);
      const answer = await dispatcher.committer.act({ kind: 'bury', destination, reason: 'cleared', limit });
      if (answer.status !== 'committed' || answer.affected === 0) break;
      cleared += answer.affected;
    }
  } finally {
    dispatcher.lanes.ended(destination, cleared);
    // Unless a person paused it meanwhile.
    if (!paused && holds.pauseOf(destination) === null) lane?.resume();
  }
  return cleared;
}

export function sourceInfo(source: Source): SourceInfo {
  return {
    name: source.name,
    path: source.path,
    verifier: source.verifier.name,
    proves: source.verifier.proves,
    mode: source.mode,
    responders: source.responders,
    methods: source.methods,
    dedupeWindowMs: source.dedupeWindowMs,
    splits: source.split !== null,
  };
}

function stateOf(gate: ReturnType<AdminParts['gate']>, paused: boolean, disabled: boolean): DestinationState {
  if (gate === 'stopping') return 'stopped';
  if (disabled) return 'disabled';
  return paused ? 'paused' : 'running';
}

/** What makes the deliveries of other destinations is shown while it has something to do. */
function isShown({ destination, open }: Lane): boolean {
  return destination.name !== FAN_OUT || open > 0;
}

/** All managed endpoints as one queue; `null` where they are none. */
function groupOf({ group, dispatcher, holds, stats, gate, policy }: AdminParts): EndpointsQueueLive | null {
  if (group.name === null) return null;
  const lanes = [...dispatcher.lanes.values()].filter(({ destination }) => group.has(destination.name));
  const pause = holds.pauseOf(group.name);
  const sum = (of: (lane: Lane) => number): number => lanes.reduce((total, lane) => total + of(lane), 0);
  return {
    name: group.name,
    state: stateOf(gate(), pause !== null, false),
    kind: 'endpoint',
    isolation: 'endpoint',
    from: [...(policy.from ?? [])],
    types: policy.types,
    priority: policy.priority,
    ordered: false,
    // Each has one of its own.
    breaker: 'none',
    running: sum(({ running }) => running),
    runningMax: sum(({ concurrency }) => concurrency),
    ...stats.endpoints(),
    pausedBy: pause?.by ?? null,
    pausedAt: pause?.at ?? null,
    disabledReason: null,
    breakersOpen: sum(({ pace }) => (pace.circuit.state === 'closed' ? 0 : 1)),
  };
}

function liveOf(
  { dispatcher, holds, stats, gate, disabledReason }: AdminParts,
  destination: Destination,
): DestinationLive {
  const lane = dispatcher.lanes.awake(destination.name);
  const pause = holds.pauseOf(destination.name);
  const state = stateOf(gate(), pause !== null, disabledReason(destination.name) !== null);
  return {
    name: destination.name,
    state,
    kind: destination.runner.isolation === 'endpoint' ? 'endpoint' : destination.batch === null ? 'handler' : 'batch',
    isolation: destination.runner.isolation,
    from: [...destination.from],
    types: destination.types,
    priority: destination.priority,
    ordered: destination.ordered,
    breaker: lane?.pace.circuit.state ?? (destination.breaker === null ? 'none' : 'closed'),
    running: lane?.running ?? 0,
    runningMax: lane?.concurrency ?? destination.concurrency.max,
    ...stats.of(destination.name),
    pausedBy: pause?.by ?? null,
    pausedAt: pause?.at ?? null,
    disabledReason: disabledReason(destination.name),
  };
}
