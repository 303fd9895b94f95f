/**
 * Reads a store whose gateway does not run: it is opened, its admin API is asked within the process, and it is closed.
 * No gateway is started for it, so nothing is attempted, purged or replayed; what would change something is refused.
 */
import { randomFillSync } from 'node:crypto';
import { createAdminApi } from '../api/admin.ts';
import { ADMIN } from '../api/caller.ts';
import type { AdminPort } from '../api/port.ts';
import type { Settings } from '../settings.ts';
import { silentObserver } from '../core/observer.ts';
import { IdMaker } from '../core/id.ts';
import { HoldfastError } from '../errors.ts';
import { listAudit } from '../gateway/audit.ts';
import { systemClock } from '../gateway/clock.ts';
import { rejectionLog } from '../gateway/parts.ts';
import { RELEASE } from '../gateway/release.ts';
import { listTokens } from '../gateway/tokens.ts';
import { makeStore } from '../gateway/stores.ts';
import type { RejectionLog } from '../ingest/rejections.ts';
import { Stats } from '../observe/stats.ts';
import type { Store, StoreReport } from '../store/store.ts';
import { Client } from './client.ts';
import type { Setup } from './locate.ts';

export interface Offline extends AsyncDisposable {
  readonly client: Client;
}

/** @throws HoldfastError store_owned, store_corrupt, store_format */
export async function openOffline({ settings, directory }: Setup): Promise<Offline> {
  const { store, report } = await openStore(settings, directory);
  const rejections = rejectionLog(settings, directory, { clock: systemClock, observer: silentObserver });
  await rejections.open();
  const admin = createAdminApi(readingPort(store, report, rejections), { clock: systemClock, version: RELEASE });
  return {
    client: new Client((path, init) => admin.fetch(new Request(`http://localhost${path}`, init)), {
      text: 'local',
      from: 'this process',
    }),
    async [Symbol.asyncDispose]() {
      await rejections.close();
      await store.work.close();
    },
  };
}

/** The store of these settings, open. @throws as {@link openOffline} */
export async function openStore(
  settings: Settings,
  directory: string,
): Promise<{ readonly store: Store; readonly report: StoreReport }> {
  const ids = new IdMaker({ now: () => Date.now(), fill: (bytes) => void randomFillSync(bytes) });
  const store = await makeStore(settings, directory, { clock: systemClock, ids });
  return { store, report: await store.work.open() };
}

function readingPort(store: Store, report: StoreReport, rejections: RejectionLog): AdminPort {
  const stats = new Stats(systemClock);
  return {
    history: store.history,
    rejections,
    processes: () => [],
    report: () => report,
    queue: () => null,
    spool: () => null,
    ready: () => ({ ready: false, reason: 'no gateway runs' }),
    counts: () => store.history.counts(),
    overall: () => stats.overall(),
    sources: () => [],
    destinations: () => [],
    endpointsQueue: () => null,
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
    // Whoever can open the file can read it anyway.
    identify: () => ({ caller: ADMIN }),
    watch: () => () => undefined,
    metrics: () => Promise.resolve(''),
    audit: { list: (page) => listAudit(store.registry, page), append: refuse },
    tokens: { list: () => listTokens(store.registry), create: refuse, revoke: refuse },
    verifyAgain: refuse,
    pause: refuse,
    resume: refuse,
    clear: refuse,
    eventTypes: () => null,
    emit: refuse,
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

function refuse(): Promise<never> {
  return Promise.reject(new HoldfastError('gateway_unreachable', { detail: 'This needs a running gateway.' }));
}
