/** What the parts of a gateway are given of its settings. */
import type { Settings } from '../settings.ts';
import type { Clock } from '../core/clock.ts';
import type { Observer } from '../core/observer.ts';
import type { RetentionOptions } from '../dispatch/retention.ts';
import type { IngestLimits } from '../ingest/ports.ts';
import { MemoryRejections, type RejectionBounds, type RejectionLog } from '../ingest/rejections.ts';
import { SqliteRejections } from '../ingest/rejections-sqlite.ts';
import type { AlertsOptions } from './alerts.ts';
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

export function limitsOf(settings: Settings): IngestLimits {
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
