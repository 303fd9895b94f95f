/** What the parts of a gateway are given of its settings. */
import type { Settings } from '../settings.ts';
import type { Clock } from '../core/clock.ts';
import type { Observer } from '../core/observer.ts';
import type { ResolvedConfig } from '../config.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { RetentionOptions } from '../dispatch/retention.ts';
import type { IngestLimits, IngestPorts } from '../ingest/ports.ts';
import { MemoryRejections, type RejectionBounds, type RejectionLog } from '../ingest/rejections.ts';
import { SqliteRejections } from '../ingest/rejections-sqlite.ts';
import type { AlertsOptions } from './alerts.ts';
import type { Observing } from './observing.ts';
import type { Spooling } from './spooling.ts';
import type { StoreCounts } from '../store/store.ts';
import { storePath } from './token.ts';

/** What the log tells the time by, and tells of its troubles. */
interface RejectionTold {
  readonly clock: Clock;
  readonly observer: Observer;
}

/** The log of refused requests: beside the embedded store in a file of its own, else in memory. */
export function rejectionLog(settings: Settings, directory: string, told: RejectionTold): RejectionLog {
  const { clock, observer } = told;
  const { rejectionsMax: countMax, rejectionBytesMax: bytesMax, rejectionsPerS: perS } = settings;
  const bounds: RejectionBounds = { countMax, bytesMax, perS, clock };
  const path = storePath(settings.store, directory);
  return path === null
    ? new MemoryRejections(bounds)
    : new SqliteRejections({ path: `${path}.rejections`, observer, ...bounds });
}

function limitsOf(settings: Settings): IngestLimits {
  const {
    bodyBytesMax,
    headerBytesMax,
    headerLinesMax,
    headerDeadlineMs,
    requestDeadlineMs,
    connectionsMax,
    unverifiedBytesMax,
    addressUnverifiedBytesMax,
    addressConnectionsMax,
    bodyBytesPerSMin,
  } = settings;
  return {
    bodyBytesMax,
    headerBytesMax,
    headerLinesMax,
    headerDeadlineMs,
    requestDeadlineMs,
    connectionsMax,
    unverifiedBytesMax,
    addressUnverifiedBytesMax,
    addressConnectionsMax,
    bodyBytesPerSMin,
  };
}

/** What ingest is given of a gateway. */
interface IngestParts extends Pick<IngestPorts, 'clock' | 'ids' | 'gate' | 'rejections'> {
  readonly config: ResolvedConfig;
  readonly observing: Observing;
  readonly spooling: Spooling | null;
  /** @throws HoldfastError not_started */
  readonly dispatcher: () => Dispatcher;
}

export function ingestPorts({ config, observing, spooling, dispatcher, ...same }: IngestParts): IngestPorts {
  const { clock, ids, gate, rejections } = same;
  const { settings, sources } = config;
  return {
    clock,
    ids,
    gate,
    rejections,
    sources,
    observer: observing.observer,
    limits: limitsOf(settings),
    trustedProxies: settings.trustedProxies,
    // What is spooled is routed when it gets into the store.
    route: (event) => (spooling?.isTaking === true ? [] : dispatcher().route(event)),
    withdraw: (rows) => {
      if (rows.some(({ deliveries }) => deliveries.length > 0)) dispatcher().withdraw(rows);
    },
    append: (append) => spooling?.append(append) ?? dispatcher().append(append),
    awaitAnswer: (responder, eventId, repeat) => dispatcher().awaitAnswer(responder, eventId, repeat),
  };
}

/** Twice the reserve: long before new events are refused. */
const DISK_ALERT_FACTOR = 2;

export function alertsOf(settings: Settings): Pick<AlertsOptions, 'backlogMax' | 'lagMaxMs' | 'diskBytesMin'> {
  const { alertBacklog: backlogMax, alertLagMs: lagMaxMs, diskReserveBytes } = settings;
  return { backlogMax, lagMaxMs, diskBytesMin: diskReserveBytes * DISK_ALERT_FACTOR };
}

export function retentionOf(settings: Settings): Pick<RetentionOptions, 'clocks' | 'heldMaxMs'> {
  const { retainBodiesMs, retainEventsMs, retainUnmatchedMs, retainDeadLettersMs, heldMaxMs } = settings;
  const clocks = {
    bodiesMs: retainBodiesMs,
    eventsMs: retainEventsMs,
    unmatchedMs: retainUnmatchedMs,
    deadLettersMs: retainDeadLettersMs,
  };
  return { clocks, heldMaxMs };
}

/** How many open deliveries each destination has. */
export function openOf({ destinations }: StoreCounts): ReadonlyMap<string, number> {
  return new Map(destinations.map((row) => [row.destination, row.blocked + row.due + row.ready + row.claimed]));
}
