/** Ingest without a gateway around it: an acceptor whose commits are kept in a list, for the tests of its adapters. */
import { randomFillSync } from 'node:crypto';
import type { Clock } from '../src/core/clock.ts';
import type { StoredEvent } from '../src/core/event.ts';
import { IdMaker } from '../src/core/id.ts';
import { type Observer, silentObserver } from '../src/core/observer.ts';
import { Acceptor } from '../src/ingest/accept.ts';
import type { IngestLimits, IngestPorts } from '../src/ingest/ports.ts';
import { MemoryRejections } from '../src/ingest/rejections.ts';
import { resolveSource, type SourceConfig } from '../src/ingest/source.ts';
import type { Append, AppendAnswer, EventAnswer } from '../src/store/store.ts';
import { TestClock } from '../src/testing/clock.ts';
import type { Verifier } from '../src/verify/verifier.ts';

export const LIMITS: IngestLimits = {
  bodyBytesMax: 1_048_576,
  headerBytesMax: 16_384,
  headerLinesMax: 100,
  headerDeadlineMs: 10_000,
  requestDeadlineMs: 30_000,
  connectionsMax: 10_000,
  unverifiedBytesMax: 67_108_864,
  addressUnverifiedBytesMax: 67_108_864,
  addressConnectionsMax: 10_000,
  bodyBytesPerSMin: 1024,
};

export interface WorldOptions {
  readonly sources: Readonly<Record<string, SourceConfig | Verifier>>;
  readonly limits?: Partial<IngestLimits>;
  readonly ports?: Partial<IngestPorts>;
  readonly clock?: Clock;
}

export interface World {
  readonly acceptor: Acceptor;
  readonly clock: Clock;
  /** Every append, in order, duplicates included. */
  readonly appends: Append[];
  /** Events that were new. */
  readonly events: StoredEvent[];
  /** `source step reason` of each rejection. */
  readonly rejected: string[];
  /** `source status` of each answer. */
  readonly answered: string[];
}

/** Deduplicates by source, tenant, type and key as a store does, for as long as the test runs. */
export function ingestWorld({ sources, limits, ports, clock = new TestClock() }: WorldOptions): World {
  const appends: Append[] = [];
  const events: StoredEvent[] = [];
  const rejected: string[] = [];
  const answered: string[] = [];
  const firsts = new Map<string, string>();
  const observer: Observer = {
    ...silentObserver,
    rejected: (source, step, reason) => void rejected.push(`${source} ${step} ${reason}`),
    answered: (source, status) => void answered.push(`${source} ${status}`),
  };

  function commit(event: StoredEvent): EventAnswer {
    const key = JSON.stringify([event.source, event.tenant, event.type, event.dedupeKey]);
    const first = event.dedupeKey === null ? undefined : firsts.get(key);
    if (first !== undefined) return { status: 'duplicate', eventId: first, differs: false, answer: null };
    firsts.set(key, event.id);
    events.push(event);
    return { status: 'committed', eventId: event.id, claims: [] };
  }

  const acceptor = new Acceptor({
    clock,
    ids: new IdMaker({ now: () => clock.now(), fill: (bytes) => void randomFillSync(bytes) }),
    observer,
    limits: { ...LIMITS, ...limits },
    sources: Object.entries(sources).map(([name, config]) =>
      resolveSource(name, config, { environment: () => undefined }),
    ),
    trustedProxies: [],
    rejections: new MemoryRejections({ countMax: 1000, bytesMax: 16_777_216, perS: 1000, clock }),
    gate: () => 'open',
    route: () => [],
    withdraw: () => undefined,
    append: async (append): Promise<AppendAnswer> => {
      appends.push(append);
      return { status: 'committed', events: append.events.map(({ event }) => commit(event)) };
    },
    awaitAnswer: () => ({ answer: Promise.resolve(null), cancel: () => undefined }),
    ...ports,
  });
  return { acceptor, clock, appends, events, rejected, answered };
}

/** A request to a source, as an adapter hands it in. */
export function sent(body: string | Uint8Array, headers: readonly string[] = [], url = '/in/open') {
  return {
    method: 'POST',
    url,
    headers: [...headers],
    body: typeof body === 'string' ? Buffer.from(body) : body,
    remoteAddress: '192.0.2.1',
  };
}
