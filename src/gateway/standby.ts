/**
 * What stands in for the engine while its store could not be opened yet: the admin side that can be answered without a
 * store. Its `/ready` says that the gateway spools, and everything that needs the store is answered `store_unavailable`.
 */
import { timingSafeEqual } from 'node:crypto';
import { type AdminApi, createAdminApi } from '../api/admin.ts';
import { ADMIN } from '../api/caller.ts';
import type { AdminPort, SpoolPort } from '../api/port.ts';
import type { Clock } from '../core/clock.ts';
import { HoldfastError } from '../errors.ts';
import type { Acceptor } from '../ingest/accept.ts';
import { Stats } from '../observe/stats.ts';
import { sourceInfo } from './admin.ts';
import { FEATURES, RELEASE } from './release.ts';
import type { AdminToken } from './token.ts';
import { hashToken } from './tokens.ts';

export interface StandbyParts {
  readonly clock: Clock;
  readonly acceptor: Acceptor;
  readonly spool: SpoolPort;
  readonly ready: AdminPort['ready'];
  readonly emit: AdminPort['emit'];
  readonly eventTypes: AdminPort['eventTypes'];
  readonly metrics: AdminPort['metrics'];
  readonly token: AdminToken;
}

export function standbyPort(parts: StandbyParts): AdminPort {
  const { acceptor, spool } = parts;
  const stats = new Stats(parts.clock);
  return {
    history: { event: refuse, events: refuse, delivery: refuse, deliveries: refuse, attempts: refuse, counts: refuse },
    rejections: acceptor.ports.rejections,
    report: () => null,
    queue: () => null,
    processes: () => [],
    spool: () => spool,
    ready: parts.ready,
    counts: refuse,
    overall: () => stats.overall(),
    sources: () => acceptor.ports.sources.map(sourceInfo),
    endpointsQueue: () => null,
    destinations: () => [],
    destination: () => null,
    endpoints: {
      list: refuse,
      get: refuse,
      create: refuse,
      update: refuse,
      setState: refuse,
      rotate: refuse,
      remove: refuse,
      test: refuse,
    },
    // Other tokens are known to the store only.
    identify: (token) =>
      parts.token.hashes.some((hash) => timingSafeEqual(hashToken(token), hash))
        ? { caller: ADMIN }
        : { caller: null, why: 'unknown' },
    watch: () => () => undefined,
    metrics: parts.metrics,
    audit: { list: refuse, append: refuse },
    tokens: { list: refuse, create: refuse, revoke: refuse },
    verifyAgain: refuse,
    pause: refuse,
    resume: refuse,
    clear: refuse,
    eventTypes: parts.eventTypes,
    emit: parts.emit,
    cancel: refuse,
    replayEvent: refuse,
    replayDelivery: refuse,
    planReplay: refuse,
    startReplay: refuse,
    replays: refuse,
    replay: refuse,
    cancelReplay: refuse,
    resolve: refuse,
  };
}

/** The admin API of a standby; `now` once there is one. */
export function standbyAdmin(port: AdminPort, clock: Clock, now: () => AdminApi | null): AdminApi {
  const own = createAdminApi(port, { clock, version: RELEASE, features: FEATURES });
  const current = (): AdminApi => now() ?? own;
  return {
    ...own,
    fetch: (request, peer) => current().fetch(request, peer),
    stream: {
      get watching() {
        return current().stream.watching;
      },
      upgrade: (...connection) => current().stream.upgrade(...connection),
      close: () => {
        own.stream.close();
        now()?.stream.close();
      },
    },
  };
}

function refuse(): Promise<never> {
  return Promise.reject(new HoldfastError('store_unavailable', { retryAfterS: 5 }));
}
