/** A store that already remembers many dedupe keys, made once a run and copied for each round. */
import { randomBytes, randomFillSync } from 'node:crypto';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { IdMaker } from '../src/core/id.ts';
import { systemClock } from '../src/gateway/clock.ts';
import { sqliteStore } from '../src/store/sqlite/index.ts';
import type { Append, NewDelivery } from '../src/store/store.ts';

const PER_COMMIT = 1000;
const WEEK_MS = 7 * 86_400_000;

const made = new Map<string, Promise<string>>();
let copies = 0;

export interface Prepared {
  /** Events with different dedupe keys that it has. */
  readonly keys: number;
  /** The destination that each of them is owed to, with a body of 1 KB; `null`: owed to nobody, without a body. */
  readonly owedTo: string | null;
}

/** Path of a fresh copy of such a store. */
export async function preparedStore(directory: string, prepared: Prepared): Promise<string> {
  const name = `prepared-${prepared.keys}-${prepared.owedTo ?? 'nobody'}`;
  const making = made.get(name) ?? make(join(directory, name), prepared);
  made.set(name, making);
  const source = await making;
  const target = join(directory, `copy-${++copies}`);
  await cp(source, target, { recursive: true });
  return join(target, 'bench.db');
}

async function make(directory: string, { keys, owedTo }: Prepared): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const ids = new IdMaker({ now: () => Date.now(), fill: (bytes) => void randomFillSync(bytes) });
  const store = sqliteStore({ path: join(directory, 'bench.db'), clock: systemClock, ids, synchronous: 'OFF' });
  await store.work.open();
  for (let key = 0; key < keys; key += PER_COMMIT) {
    const appends: Append[] = Array.from({ length: Math.min(PER_COMMIT, keys - key) }, (_, index) =>
      append(ids, key + index, owedTo),
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

function append(ids: IdMaker, key: number, owedTo: string | null): Append {
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
    body: owedTo === null ? new Uint8Array(0) : body(key),
    correlationId: '',
    traceparent: null,
    unfit: null,
    duplicateOf: null,
  };
  return { events: [{ event, dedupeWindowMs: WEEK_MS, deliveries: owedTo === null ? [] : [delivery(owedTo)] }] };
}

function delivery(destination: string): NewDelivery {
  return { destination, orderKey: null, dueAt: null, dead: null, handOff: 'no' };
}

/** 1 KB of JSON, different for each key. */
function body(key: number): Uint8Array {
  const random = randomBytes(96).toString('hex');
  const text = JSON.stringify({
    event: 'order.created',
    id: `kept_${key}`,
    random,
    note: 'please ring twice '.repeat(40),
  });
  return Buffer.from(text.slice(0, 1022).padEnd(1024, ' '));
}
