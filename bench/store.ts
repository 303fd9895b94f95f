/**
 * What the embedded store costs: microseconds of CPU and bytes on disk for the whole life of an event (appended with
 * one delivery that is handed off and started, its success settled in the next commit), by events per commit.
 *
 *   node bench/store.ts [--events 40000] [--keys 0] [--sizes 1,16,64,256] [--writer thread|inline] [--backlog 0]
 *
 * --keys: dedupe keys that are retained already. --backlog: also measures memory, opening and ingest with so many open
 * deliveries. CPU is that of the whole process, threads included.
 */
import { hash, randomBytes, randomFillSync } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Clock } from '../src/core/clock.ts';
import { IdMaker } from '../src/core/id.ts';
import { sqliteStore } from '../src/store/sqlite/index.ts';
import type { Claim, CommitBatch, NewEvent, Settlement, Store } from '../src/store/store.ts';

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: (delayMs, run) => {
    const timer = setTimeout(run, delayMs).unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
const ids = new IdMaker({ now: () => clock.now(), fill: (bytes) => void randomFillSync(bytes) });

const { values: flags } = parseArgs({
  options: {
    events: { type: 'string', default: '40000' },
    keys: { type: 'string', default: '0' },
    sizes: { type: 'string', default: '1,16,64,256' },
    writer: { type: 'string', default: 'thread' },
    backlog: { type: 'string', default: '0' },
    load: { type: 'boolean', default: false },
    sync: { type: 'string', default: 'FULL' },
  },
});

const noRows = { appends: [], starts: [], settlements: [], releases: [], replays: [], actions: [], documents: [] };

/** About 1 KB of JSON, of which some 150 bytes differ from event to event. */
function body(turn: number): Uint8Array {
  const text = (length: number): string => randomBytes(length).toString('hex');
  const line = (index: number) => ({
    id: `il_${text(6)}`,
    sku: `sku-${(turn * 7 + index) % 1000}`,
    quantity: (turn + index) % 10,
    price: (turn * 31 + index * 17) % 10_000,
    description: 'Monthly subscription fee for the standard plan',
  });
  const object = { id: `in_${text(8)}`, customer: `cus_${text(6)}`, amount: turn % 100_000, currency: 'eur' };
  const lines = [line(0), line(1), line(2), line(3), line(4), line(5)];
  return Buffer.from(
    JSON.stringify({ id: `evt_${text(8)}`, type: 'invoice.paid', created: clock.now(), data: { ...object, lines } }),
  );
}

function event(turn: number): NewEvent {
  const bytes = body(turn);
  const id = ids.make('evt');
  const signature = hash('sha256', bytes);
  return {
    event: {
      id,
      source: 'stripe',
      type: 'invoice.paid',
      tenant: null,
      dedupeKey: `in_${turn}_${signature.slice(0, 12)}`,
      orderKey: null,
      receivedAt: clock.now(),
      method: 'POST',
      path: '/in/stripe',
      query: '',
      headers: [
        'Host',
        '127.0.0.1:8080',
        'Content-Type',
        'application/json',
        'Content-Length',
        String(bytes.length),
        'User-Agent',
        'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
        'Stripe-Signature',
        `t=${Math.floor(clock.now() / 1000)},v1=${signature}`,
      ],
      body: bytes,
      correlationId: id,
      traceparent: null,
      unfit: null,
      duplicateOf: null,
    },
    dedupeWindowMs: 7 * 86_400_000,
    deliveries: [{ destination: 'billing', orderKey: null, dueAt: null, dead: null, handOff: 'start' }],
  };
}

function batch(rows: Partial<CommitBatch>): CommitBatch {
  return { token: ids.make('cmt'), now: clock.now(), leaseMs: 30_000, ...noRows, ...rows };
}

function success(claim: Claim): Settlement {
  const attempt = {
    number: 1,
    startedAt: clock.now(),
    durationMs: 0,
    outcome: 'succeeded' as const,
    status: null,
    error: null,
  };
  return {
    claim,
    outcome: { kind: 'succeeded', attempt: { ...attempt, worker: 'host:1/0.1.0' } },
    emits: [],
    answer: null,
  };
}

/** Lives of events, `size` a commit: each commit appends and settles what the one before handed off. */
async function lives(store: Store, made: readonly NewEvent[], size: number): Promise<void> {
  let claims: Claim[] = [];
  for (let at = 0; at < made.length || claims.length > 0; at += size) {
    const appends = made.slice(at, at + size).map((item) => ({ events: [item] }));
    const answers = await store.work.commit(batch({ appends, settlements: claims.map(success) }));
    claims = answers.appends.flatMap((answer) =>
      'events' in answer
        ? answer.events.flatMap((one) => ('claims' in one ? one.claims.flatMap((claim) => claim ?? []) : []))
        : [],
    );
  }
}

function cpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
const print = (text: string): void => void process.stdout.write(`${text}\n`);

async function open(name: string): Promise<{ store: Store; path: string }> {
  const path = join(directory, `${name}.db`);
  const writer = flags.writer === 'inline' ? 'inline' : 'thread';
  const synchronous = flags.sync === 'OFF' ? 'OFF' : 'FULL';
  const store = sqliteStore({ path, clock, ids, writer, synchronous });
  await store.work.open();
  return { store, path };
}

async function measureLives(size: number): Promise<void> {
  const count = Math.min(Number(flags.events), size === 1 ? 5_000 : Number.POSITIVE_INFINITY);
  const { store, path } = await open(`lives-${size}`);
  await lives(
    store,
    Array.from({ length: Math.min(5_000, count) }, (_, turn) => event(-1 - turn)),
    size,
  );
  let best = Number.POSITIVE_INFINITY;
  let total = 0;
  const bytesBefore = (await store.history.counts()).bytesOnDisk;
  for (let round = 0; round < 4; round++) {
    const made = Array.from({ length: count / 4 }, (_, turn) => event(round * count + turn));
    const mainBefore = process.threadCpuUsage();
    const before = cpu();
    const start = performance.now();
    await lives(store, made, size);
    const spent = (cpu() - before) / made.length;
    const main = process.threadCpuUsage(mainBefore);
    const rate = (made.length / (performance.now() - start)) * 1000;
    best = Math.min(best, spent);
    total += spent / 4;
    print(
      `  ${size} a commit: ${spent.toFixed(1)} us (main thread ${((main.user + main.system) / made.length).toFixed(1)}), ${rate.toFixed(0)} events/s`,
    );
  }
  void bytesBefore;
  await store.work.close();
  const bytes = statSync(path).size / (count + Math.min(5_000, count));
  print(
    `${size} a commit: best ${best.toFixed(1)} us CPU, mean ${total.toFixed(1)}; ${bytes.toFixed(0)} bytes on disk an event`,
  );
}

/**
 * 64 senders that wait for their answer, each request with 25 µs of other work on the event loop (what HTTP costs), one
 * commit in flight: which writer serves more, and how long the event loop stands still.
 */
async function measureLoad(): Promise<void> {
  const { store } = await open('load');
  const seconds = 5;
  const waiting: { item: NewEvent; done: () => void }[] = [];
  const took: number[] = [];
  let claims: Claim[] = [];
  let committing = false;
  let accepted = 0;
  const prepared = Array.from({ length: 20_000 }, (_, turn) => event(turn));
  const pump = async (): Promise<void> => {
    if (committing) return;
    committing = true;
    while (waiting.length > 0 || claims.length > 0) {
      // On the event loop a commit takes no turn of it: without this one, every request would be a commit of its own.
      if (flags.writer === 'inline') await new Promise<void>((resolve) => void setImmediate(resolve));
      const now = waiting.splice(0, 256);
      const settlements = claims.map(success);
      claims = [];
      const answers = await store.work.commit(
        batch({ appends: now.map(({ item }) => ({ events: [item] })), settlements }),
      );
      for (const answer of answers.appends)
        if ('events' in answer)
          for (const one of answer.events)
            if ('claims' in one) for (const claim of one.claims) if (claim) claims.push(claim);
      for (const { done } of now) done();
    }
    committing = false;
  };
  const until = performance.now() + seconds * 1000;
  const spin = (us: number): void => {
    const end = performance.now() + us / 1000;
    while (performance.now() < end);
  };
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const before = cpu();
  const sender = async (): Promise<void> => {
    while (performance.now() < until) {
      const start = performance.now();
      await new Promise<void>((resolve) => void setImmediate(resolve));
      spin(25);
      const template = prepared[accepted % prepared.length];
      if (template === undefined) return;
      const id = ids.make('evt');
      const item = { ...template, event: { ...template.event, id, correlationId: id, dedupeKey: id } };
      await new Promise<void>((done) => {
        waiting.push({ item, done });
        void pump();
      });
      accepted++;
      took.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: 64 }, sender));
  const spent = (cpu() - before) / accepted;
  took.sort((a, b) => a - b);
  print(
    `load, ${flags.writer}: ${(accepted / seconds).toFixed(0)} events/s, ${spent.toFixed(1)} us CPU an event with 25 us of other work, ` +
      `p50 ${took[took.length >> 1]?.toFixed(1)} ms, p99 ${took[Math.floor(took.length * 0.99)]?.toFixed(1)} ms, loop p99 ${(loop.percentile(99) / 1e6).toFixed(1)} ms`,
  );
  await store.work.close();
}

try {
  if (flags.load) await measureLoad();
  else for (const size of flags.sizes.split(',').map(Number)) await measureLives(size);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
