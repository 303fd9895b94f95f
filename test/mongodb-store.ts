/** Stores on a real MongoDB by the clock of the machine, for tests of what goes wrong with one. */
import { randomFillSync } from 'node:crypto';
import { IdMaker } from '../src/core/id.ts';
import { systemClock } from '../src/gateway/clock.ts';
import { type MongoOptions, mongoStore, type MongoStore } from '../src/store/mongodb/index.ts';
import type { CommitBatch, NewEvent } from '../src/store/store.ts';
import { Builder } from '../src/testing/conformance/build.ts';

export const ids = new IdMaker({ now: () => systemClock.now(), fill: (bytes) => void randomFillSync(bytes) });
export const build = new Builder(systemClock);

export function storeAt(url: string, database: string, more: Partial<MongoOptions> = {}): MongoStore {
  const quickly = `${url}/${database}?serverSelectionTimeoutMS=1000`;
  return mongoStore({ url: quickly, clock: systemClock, ids, allowWeakerDurability: true, ...more });
}

export function batchOf(...events: readonly NewEvent[]): CommitBatch {
  return build.batch({ appends: events.map((event) => ({ events: [event] })) });
}
