/**
 * What the embedded store costs.
 *
 *   node bench/store.ts [--sizes 1,16,64,256] [--events 80000] [--keys 5000000] [--writer thread|inline] [--sync OFF]
 *     CPU and bytes on disk for the whole life of an event (appended with one delivery that is handed off and started,
 *     its success settled in the next commit), by events per commit, with so many dedupe keys retained.
 *   node bench/store.ts --backlog 1000000 [--keys …]
 *     Memory, opening after a crash, ingest and claims with so many open deliveries.
 *   node bench/store.ts --load [--writer …]
 *     Both writers beside an event loop that is busy with something else.
 *
 * CPU is that of the whole process, threads included. Compare figures of one run; the machine has other things to do.
 */
import { cpSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sqliteStore } from '../src/store/sqlite/index.ts';
import type { Claim, CommitAnswers, NewEvent, Store } from '../src/store/store.ts';
import { batch, clock, event, ids, retainKeys, success } from './store-events.ts';

const { values: flags } = parseArgs({
  options: {
    sizes: { type: 'string', default: '1,16,64,256' },
    events: { type: 'string', default: '80000' },
    keys: { type: 'string', default: '0' },
    writer: { type: 'string', default: 'thread' },
    sync: { type: 'string', default: 'FULL' },
    backlog: { type: 'string', default: '0' },
    load: { type: 'boolean', default: false },
  },
});

const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
const print = (text: string): void => void process.stdout.write(`${text}\n`);
const megabytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(0)} MB`;

function cpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function make(path: string): Store {
  const writer = flags.writer === 'inline' ? 'inline' : 'thread';
  return sqliteStore({ path, clock, ids, writer, synchronous: flags.sync === 'OFF' ? 'OFF' : 'FULL' });
}

async function open(path: string): Promise<Store> {
  const store = make(path);
  await store.work.open();
  return store;
}

/** A new store with the dedupe keys that were asked for. */
async function openNew(name: string): Promise<{ readonly store: Store; readonly path: string }> {
  const path = join(directory, `${name}.db`);
  const empty = await open(path);
  await empty.work.close();
  if (Number(flags.keys) > 0) retainKeys(path, Number(flags.keys));
  return { store: await open(path), path };
}

function claimsOf({ appends }: CommitAnswers): Claim[] {
  const events = appends.flatMap((answer) => ('events' in answer ? answer.events : []));
  return events.flatMap((one) => ('claims' in one ? one.claims.flatMap((claim) => claim ?? []) : []));
}

/** Lives of events, `size` a commit: each commit appends some and settles what the one before handed off. */
async function live(store: Store, made: readonly NewEvent[], size: number): Promise<void> {
  let claims: Claim[] = [];
  for (let at = 0; at < made.length || claims.length > 0; at += size) {
    const appends = made.slice(at, at + size).map((item) => ({ events: [item] }));
    claims = claimsOf(await store.work.commit(batch({ appends, settlements: claims.map(success) })));
  }
}

async function measureLives(size: number): Promise<void> {
  const rounds = 8;
  const count = Math.min(Number(flags.events), size * 2_000) / rounds;
  const { store, path } = await openNew(`lives-${size}`);
  const sizeBefore = statSync(path).size;
  const spent: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const made = Array.from({ length: count }, (_, turn) => event(round * count + turn));
    const before = cpu();
    await live(store, made, size);
    spent.push((cpu() - before) / count);
  }
  await store.work.close();
  spent.sort((a, b) => a - b);
  const bytes = (statSync(path).size - sizeBefore) / (count * rounds);
  const [best = 0] = spent;
  const median = spent[rounds >> 1] ?? 0;
  print(
    `${size} a commit: ${best.toFixed(1)} us CPU an event at best, ${median.toFixed(1)} in the middle; ${bytes.toFixed(0)} bytes on disk`,
  );
}

/** Ingest alone, in events a second of CPU. */
async function ingest(store: Store, count: number): Promise<number> {
  const made = Array.from({ length: count }, (_, turn) => event(turn));
  const before = cpu();
  await live(store, made, 256);
  return (count / (cpu() - before)) * 1e6;
}

async function measureBacklog(count: number): Promise<void> {
  const { store: empty } = await openNew('empty');
  await ingest(empty, 20_000);
  const alone = Math.max(await ingest(empty, 20_000), await ingest(empty, 20_000), await ingest(empty, 20_000));
  await empty.work.close();
  const { store, path } = await openNew('backlog');
  const before = process.memoryUsage().rss;
  for (let made = 0; made < count; made += 256) {
    const appends = Array.from({ length: Math.min(256, count - made) }, (_, turn) => ({ events: [event(turn, 'no')] }));
    await store.work.commit(batch({ appends }));
  }
  const after = process.memoryUsage().rss;
  print(`backlog of ${count}: RSS ${megabytes(before)} before, ${megabytes(after)} after`);
  const behind = Math.max(await ingest(store, 20_000), await ingest(store, 20_000), await ingest(store, 20_000));
  print(`ingest with the backlog: ${(behind / alone).toFixed(2)} of that without`);
  const copy = join(directory, 'crashed.db');
  for (const suffix of ['', '-wal']) if (existsSync(path + suffix)) cpSync(path + suffix, copy + suffix);
  await store.work.close();
  let start = performance.now();
  const reopened = await open(copy);
  print(`open after a crash: ${(performance.now() - start).toFixed(0)} ms`);
  start = performance.now();
  const wants = [{ destination: 'billing', slots: 100, bytesMax: 1e9 }];
  for (let round = 0; round < 100; round++) await reopened.work.claim({ now: clock.now(), leaseMs: 60_000, wants });
  print(`claims: ${(((performance.now() - start) * 1000) / 10_000).toFixed(1)} us each, 100 at a time`);
  await reopened.work.close();
}

interface Waiting {
  readonly item: NewEvent;
  readonly done: () => void;
}

/** A committer: one commit in flight, all that waits in the next, outcomes of the one before with it. */
class Line {
  readonly #store: Store;
  readonly #waiting: Waiting[] = [];
  #claims: Claim[] = [];
  #busy = false;

  constructor(store: Store) {
    this.#store = store;
  }

  add(item: NewEvent): Promise<void> {
    return new Promise((done) => {
      this.#waiting.push({ item, done });
      if (!this.#busy) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0 || this.#claims.length > 0) {
      // A commit on the event loop takes no turn of it: without this one, every request would be a commit of its own.
      if (flags.writer === 'inline') await turn();
      const now = this.#waiting.splice(0, 256);
      const appends = now.map(({ item }) => ({ events: [item] }));
      const settlements = this.#claims.map(success);
      this.#claims = claimsOf(await this.#store.work.commit(batch({ appends, settlements })));
      for (const { done } of now) done();
    }
    this.#busy = false;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** 64 senders that wait for their answers, each request with 25 us of other work on the event loop. */
async function measureLoad(): Promise<void> {
  const { store } = await openNew('load');
  const line = new Line(store);
  const made = Array.from({ length: 20_000 }, (_, index) => event(index));
  const took: number[] = [];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const before = cpu();
  const until = performance.now() + 5_000;
  const sender = async (): Promise<void> => {
    while (performance.now() < until) {
      const start = performance.now();
      await turn();
      for (const end = performance.now() + 0.025; performance.now() < end;);
      const model = made[took.length % made.length] ?? event(0);
      const id = ids.make('evt');
      await line.add({ ...model, event: { ...model.event, id, correlationId: id, dedupeKey: id } });
      took.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: 64 }, sender));
  const spent = (cpu() - before) / took.length;
  took.sort((a, b) => a - b);
  const at = (share: number): string => (took[Math.floor(took.length * share)] ?? 0).toFixed(1);
  print(
    `${flags.writer}: ${(took.length / 5).toFixed(0)} events/s, ${spent.toFixed(1)} us CPU each with 25 us of other work`,
  );
  print(
    `  answered in ${at(0.5)} ms (median), ${at(0.99)} ms (p99); event-loop delay p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms`,
  );
  await turn();
  await store.work.close();
}

try {
  if (flags.load) await measureLoad();
  else if (Number(flags.backlog) > 0) await measureBacklog(Number(flags.backlog));
  else for (const size of flags.sizes.split(',').map(Number)) await measureLives(size);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
