/** What bench/store.ts measures with: a clock, ids, events of about 1 KB, their outcomes, and dedupe keys made in bulk. */
import { hash, randomBytes, randomFillSync } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../src/core/clock.ts';
import { IdMaker } from '../src/core/id.ts';
import { BlockSort } from '../src/store/sqlite/block-sort.ts';
import { Bucket } from '../src/store/sqlite/bucket.ts';
import { BUCKET_KEYS } from '../src/store/sqlite/dedupe.ts';
import { ENTRY_BYTES } from '../src/store/sqlite/dedupe-entry.ts';
import { filterBits, RunFilter } from '../src/store/sqlite/filter.ts';
import { blockBitsFor, blockPlace, FILTER_PIECE_BYTES, piecePlace } from '../src/store/sqlite/runs.ts';
import { seal } from '../src/store/sqlite/sealed.ts';
import { readWords } from '../src/store/sqlite/words.ts';
import type { Claim, CommitBatch, NewDelivery, NewEvent, Settlement } from '../src/store/store.ts';

export const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: (delayMs, run) => {
    const timer = setTimeout(run, delayMs).unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

export const ids = new IdMaker({ now: () => clock.now(), fill: (bytes) => void randomFillSync(bytes) });

const WEEK_MS = 7 * 86_400_000;
const noRows = { appends: [], starts: [], settlements: [], releases: [], replays: [], actions: [], documents: [] };

/** About 1 KB of JSON, of which some 130 bytes differ at random from event to event. */
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
  const data = { ...object, lines };
  return Buffer.from(JSON.stringify({ id: `evt_${text(8)}`, type: 'invoice.paid', created: clock.now(), data }));
}

export function event(turn: number, handOff: NewDelivery['handOff'] = 'start'): NewEvent {
  const bytes = body(turn);
  const id = ids.make('evt');
  const signature = hash('sha256', bytes);
  const headers = {
    Host: '127.0.0.1:8080',
    'Content-Type': 'application/json',
    'Content-Length': String(bytes.length),
    'User-Agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
    'Stripe-Signature': `t=${Math.floor(clock.now() / 1000)},v1=${signature}`,
  };
  return {
    event: {
      id,
      source: 'stripe',
      type: 'invoice.paid',
      tenant: null,
      dedupeKey: `in_${signature.slice(0, 24)}`,
      orderKey: null,
      receivedAt: clock.now(),
      method: 'POST',
      path: '/in/stripe',
      query: '',
      headers: Object.entries(headers).flat(),
      body: bytes,
      correlationId: id,
      traceparent: null,
      unfit: null,
      duplicateOf: null,
    },
    dedupeWindowMs: WEEK_MS,
    deliveries: [{ destination: 'billing', orderKey: null, dueAt: null, dead: null, handOff }],
  };
}

export function batch(rows: Partial<CommitBatch>): CommitBatch {
  return { token: ids.make('cmt'), now: clock.now(), leaseMs: 30_000, ...noRows, ...rows };
}

export function success(claim: Claim): Settlement {
  const attempt = { number: 1, startedAt: clock.now(), durationMs: 0, outcome: 'succeeded' as const, status: null };
  const outcome = {
    kind: 'succeeded' as const,
    attempt: { ...attempt, error: null, worker: 'host:1/0.1.0', exchange: null },
  };
  return { claim, outcome, emits: [], answer: null };
}

/** Puts random keys into a closed store, in the form that retained keys have: runs on disk. */
export function retainKeys(path: string, keys: number): void {
  const database = new DatabaseSync(path);
  const insertRun = database.prepare(
    'INSERT INTO run (number, blocks, entries, expires_at, sealed) VALUES (?, ?, ?, ?, 1)',
  );
  const insertBlock = database.prepare('INSERT INTO run_block (place, data) VALUES (?, ?)');
  const insertPiece = database.prepare('INSERT INTO run_filter (place, data) VALUES (?, ?)');
  const random = new Uint8Array(32);
  const view = new DataView(random.buffer);
  for (let number = 1; number <= Math.ceil(keys / BUCKET_KEYS); number++) {
    const bucket = new Bucket(number, BUCKET_KEYS);
    for (let key = 0; key < BUCKET_KEYS; key++) {
      randomFillSync(random);
      const digest = { a: view.getUint32(0), b: view.getUint32(4), c: view.getUint32(8), d: view.getUint32(12) };
      bucket.add({ digest, id: readWords(view, 16), crc: 0, length: 0, expiresAt: clock.now() + WEEK_MS });
    }
    const bits = blockBitsFor(bucket.count);
    const sort = new BlockSort(bucket, bits);
    sort.step(2 * bucket.count);
    const { bytes, starts } = sort;
    const filter = new RunFilter(filterBits(BUCKET_KEYS));
    const entries = new DataView(bytes.buffer);
    for (let at = 0; at < bytes.length; at += ENTRY_BYTES) filter.add(readWords(entries, at));
    database.exec('BEGIN');
    insertRun.run(number, bits, bucket.count, bucket.newestExpiry);
    for (let block = 0; block < 2 ** bits; block++) {
      const place = blockPlace(number, block);
      const part = bytes.subarray((starts[block] ?? 0) * ENTRY_BYTES, (starts[block + 1] ?? 0) * ENTRY_BYTES);
      insertBlock.run(place, seal('run', place, part));
    }
    for (let piece = 0; piece * FILTER_PIECE_BYTES < filter.bytes.length; piece++) {
      const place = piecePlace(number, piece);
      const part = filter.bytes.subarray(piece * FILTER_PIECE_BYTES, (piece + 1) * FILTER_PIECE_BYTES);
      insertPiece.run(place, seal('filter', place, part));
    }
    database.exec('COMMIT');
  }
  database.close();
}
