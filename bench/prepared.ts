/** A store that already remembers many dedupe keys, made once a run and copied for each round. */
import { randomFillSync } from 'node:crypto';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { IdMaker } from '../src/core/id.ts';
import { systemClock } from '../src/gateway/clock.ts';
import { sqliteStore } from '../src/store/sqlite/index.ts';
import type { Append } from '../src/store/store.ts';

const PER_COMMIT = 1000;
const WEEK_MS = 7 * 86_400_000;

let made: Promise<string> | null = null;
let copies = 0;

/** Path of a fresh copy of a store with this many keys. */
export async function preparedStore(directory: string, keys: number): Promise<string> {
  made ??= make(join(directory, 'prepared'), keys);
  const source = await made;
  const target = join(directory, `copy-${++copies}`);
  await cp(source, target, { recursive: true });
  return join(target, 'bench.db');
}

async function make(directory: string, keys: number): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const ids = new IdMaker({ now: () => Date.now(), fill: (bytes) => void randomFillSync(bytes) });
  const store = sqliteStore({ path: join(directory, 'bench.db'), clock: systemClock, ids, synchronous: 'OFF' });
  await store.work.open();
  for (let key = 0; key < keys; key += PER_COMMIT) {
    const appends: Append[] = Array.from({ length: Math.min(PER_COMMIT, keys - key) }, (_, index) =>
      append(ids, key + index),
    );
    await store.work.commit({
      token: ids.make('cmt'),
      now: Date.now(),
      leaseMs: 60_000,
      appends,
      starts: [],
      settlements: [],
      releases: [],
      replays: [],
      actions: [],
      documents: [],
    });
  }
  await store.work.close();
  return directory;
}

function append(ids: IdMaker, key: number): Append {
  const event = {
    id: ids.make('evt'),
    source: 'bench',
    type: 'order.created',
    tenant: null,
    dedupeKey: `kept_${key}`,
    orderKey: null,
    receivedAt: Date.now(),
    method: 'POST',
    path: '/in/bench',
    query: '',
    headers: [],
    body: new Uint8Array(0),
    correlationId: '',
    traceparent: null,
    unfit: null,
    duplicateOf: null,
  };
  return { events: [{ event, dedupeWindowMs: WEEK_MS, deliveries: [] }] };
}
