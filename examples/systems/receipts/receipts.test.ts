/** The system as it runs: programs of their own, on PostgreSQL and NATS, some of them killed. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { type Load, type LoadReport, sendLoad } from 'holdfast/testing';
import { nats } from '../../../scripts/services/nats.ts';
import { metricTable } from '../../../src/observe/metrics.ts';
import { postgres } from '../../../test/postgres.ts';
import { testNeeding } from '../../../test/require.ts';
import { drain, lineOf, pace } from './measure.ts';
import { receiptsOf, sendBatch, tallyOf } from './traffic.ts';
import { type Program, until, World } from './world.ts';

const needs = [postgres, nats];
const met = needs.every((need) => need.met());
const SOON = { timeout: 90_000 };
/** Short enough for a test: how long what a dead worker had taken is its own. */
const ENV = { HOLDFAST_LEASE: '3s', WEBHOOK_FLUSH_INTERVAL: '200' };
/** How long PostgreSQL stays away; in production it was 20 s: `RECEIPTS_DOWN_MS=20000 npm test`. */
const DOWN_MS = Number(process.env['RECEIPTS_DOWN_MS'] ?? 3000);

const DESTINATION = 'receipts';
const SEVEN = [
  'webhook_received_total',
  'webhook_queued_total',
  'webhook_processed_total',
  'webhook_response_duration_seconds',
  'webhook_batch_size',
  'webhook_queue_depth',
  'webhook_processing_lag_seconds',
];

/** Sends, and sends again what was not taken until it is, as a provider does. Answers how often each answer came. */
async function sendUntilTaken(load: Load): Promise<LoadReport> {
  const taken = new Set<number>();
  const answered: Load['answered'] = (index, { status }) => void (status === 200 && taken.add(index));
  const report = await sendLoad({ ...load, answered });
  for (let index = 0; index < load.count; index++) {
    const again = { ...load, count: 1, make: () => load.make(index) };
    await until(async () => taken.has(index) || (await sendLoad({ ...again, ratePerS: null })).statuses['200'] === 1);
  }
  return report;
}

/** Until all receipts of a batch are written. */
async function untilDelivered(world: World, batch: number, count: number): Promise<void> {
  await until(async () => (await tallyOf(world.pool, batch)).delivered === count, 60_000);
}

describe('receipts', SOON, () => {
  let world: World;
  let web: Program;
  let workers: Program[];
  before(async () => {
    if (!met) return;
    world = await World.start(3, ENV);
    [web, ...workers] = await Promise.all([world.run('web.ts'), world.run('worker.ts'), world.run('worker.ts')]);
  }, SOON);
  after(() => (met ? world.stop() : undefined));

  /** Until nothing is open any more. */
  const untilDone = () =>
    until(async () => (await web.metric(`webhook_queue_depth{destination="${DESTINATION}"`)) === 0);

  testNeeding(needs, 'each receipt is counted once, sent twice, early, late or both', async (t) => {
    const count = 300;
    const [texts, mails] = [await sendBatch(world.pool, 'texts', count), await sendBatch(world.pool, 'mails', count)];
    const common = { origin: web.origin, count, concurrency: 10 };
    const reports = await Promise.all([
      sendLoad({ ...common, ...receiptsOf('telnyx', 'texts'), repeats: 1 }),
      sendLoad({ ...common, ...receiptsOf('telnyx', 'texts', 'sent') }),
      sendLoad({ ...common, ...receiptsOf('resend', 'mails'), repeats: 1 }),
      sendLoad({ ...common, ...receiptsOf('resend', 'mails', 'sent') }),
    ]);
    for (const { statuses } of reports) assert.deepEqual(Object.keys(statuses), ['200']);
    await untilDelivered(world, texts, count);
    await untilDelivered(world, mails, count);
    // Late, and known to nobody as a repeat: a status that the message is past.
    await sendLoad({ ...common, ...receiptsOf('resend', 'mails', 'sent') });
    await untilDone();
    assert.deepEqual(await tallyOf(world.pool, texts), { counted: count, delivered: count });
    assert.deepEqual(await tallyOf(world.pool, mails), { counted: count, delivered: count });
    assert.equal(await web.metric('webhook_duplicates_total{'), 2 * count);
    const [sizes, attempts] = await Promise.all(
      ['sum', 'count'].map(async (of) => (await sumOf(workers, `webhook_batch_size_${of}{`)) ?? 0),
    );
    t.diagnostic(
      `${sizes} receipts in ${attempts} batches; answered within ${reports[0]?.latencyMs?.p99.toFixed()} ms (p99)`,
    );
    assert.ok((sizes ?? 0) >= 5 * count && (sizes ?? 0) > 5 * (attempts ?? 0));
  });

  testNeeding(
    needs,
    'hints go through the stream of the team, which stays as it was, and are taken out of it',
    async () => {
      await until(async () => (await world.stream()).state.messages === 0);
      const { config, state } = await world.stream();
      assert.ok(state.last_seq > 0);
      assert.deepEqual(
        [config.subjects, config.retention, config.max_age, config.max_bytes, config.duplicate_window],
        [['webhook.*.*'], 'workqueue', 86_400e9, 2 ** 30, 60e9],
      );
    },
  );

  testNeeding(
    needs,
    'all figures are there: those of requests at the gateway, those of batches at the workers',
    async () => {
      const [requests, batches] = [
        await web.metrics(),
        (await Promise.all(workers.map((one) => one.metrics()))).join('\n'),
      ];
      const missing = SEVEN.filter((name) => !new RegExp(`^${name}\\w*\\{`, 'm').test(`${requests}\n${batches}`));
      assert.deepEqual(missing, []);
      assert.match(requests, /^webhook_queued_total\{source="telnyx",type="message\.finalized"\} 300$/m);
      assert.match(
        batches,
        /^webhook_processed_total\{source="resend",destination="receipts",outcome="succeeded"\} \d+$/m,
      );
    },
  );

  testNeeding(needs, 'a message that is not known yet is waited for', async () => {
    const report = await sendLoad({ origin: web.origin, count: 5, ...receiptsOf('telnyx', 'early') });
    assert.deepEqual(report.statuses, { '200': 5 });
    await until(
      async () => (await sumOf(workers, 'webhook_attempts_total{destination="receipts",outcome="failed"')) >= 5,
    );
    const early = await sendBatch(world.pool, 'early', 5);
    await untilDelivered(world, early, 5);
    assert.equal((await tallyOf(world.pool, early)).counted, 5);
  });

  testNeeding(needs, 'a worker killed between its write and the acknowledgement counts nothing twice', async (t) => {
    const count = 200;
    const killed = await sendBatch(world.pool, 'killed', count);
    // First no write can be made, then no outcome of one: what lies between is when the workers are killed.
    const [writes, outcomes] = [await world.lock(t), await world.lock(t)];
    await writes.take('recipients');
    await sendLoad({ origin: web.origin, count, ...receiptsOf('resend', 'killed') });
    await until(() => world.someWaitFor('recipients'));
    await outcomes.take('holdfast.delivery');
    await writes.release();
    await until(() => world.someWroteAndWaitFor('holdfast.delivery'));
    await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
    await outcomes.release();
    workers = await Promise.all([world.run('worker.ts'), world.run('worker.ts')]);
    await untilDelivered(world, killed, count);
    await untilDone();
    assert.deepEqual(await tallyOf(world.pool, killed), { counted: count, delivered: count });
  });

  testNeeding(needs, 'a node of the JetStream cluster is lost under load: nobody notices', async (t) => {
    const count = 300;
    const lost = await sendBatch(world.pool, 'lost', count);
    const load = { origin: web.origin, count, concurrency: 20, ratePerS: 60, ...receiptsOf('telnyx', 'lost') };
    const sending = sendLoad(load);
    await until(async () => (await tallyOf(world.pool, lost)).counted > 0);
    const leader = await world.leader();
    await leader.kill();
    const { statuses, latencyMs } = await sending;
    const sent = performance.now();
    await untilDelivered(world, lost, count);
    t.diagnostic(
      `answers within ${latencyMs?.p99.toFixed()} ms (p99); all written ${(performance.now() - sent).toFixed()} ms after the last`,
    );
    assert.deepEqual(statuses, { '200': count });
    assert.equal((await tallyOf(world.pool, lost)).counted, count);
    await leader.start();
  });

  testNeeding(needs, 'workers share a backlog, and each adds to what is written', async (t) => {
    // Twice what one worker takes at once: ten batches of a hundred.
    const count = 2000;
    const [first, second] = workers;
    assert.ok(first !== undefined && second !== undefined);
    const both = await drain({ world, web, workers }, 'both', count);
    t.diagnostic(`two workers: ${lineOf(both)}`);
    assert.ok(
      both.shares.every((share) => share > 0),
      `shares ${both.shares.join(', ')}`,
    );
    assert.equal(sumUp(both.shares), count, 'the gateway writes nothing');
    assert.equal(await second.end('SIGTERM'), 0);
    const alone = await drain({ world, web, workers: [first] }, 'alone', 600);
    t.diagnostic(`one worker: ${lineOf(alone)}`);
    workers = [first, await world.run('worker.ts')];
    const { report, endToEndMs } = await pace({ world, web, workers }, 'paced', { count: 200, ratePerS: 100 });
    t.diagnostic(
      `100 a second: answered within ${report.latencyMs?.p99.toFixed()} ms, written within ${endToEndMs.p99.toFixed()} ms (p99)`,
    );
  });

  testNeeding(needs, 'PostgreSQL away under load: breakers open, webhooks wait, and nothing is lost', async (t) => {
    const count = 600;
    const outage = await sendBatch(world.pool, 'outage', count);
    // Writers are held up in the middle, so that PostgreSQL goes away under them.
    const writes = await world.lock(t);
    await writes.take('recipients');
    const load = { origin: web.origin, count, concurrency: 20, ratePerS: 100, ...receiptsOf('resend', 'outage') };
    const sending = sendUntilTaken(load);
    await until(async () => (await sumOf(workers, 'webhook_workers{destination="receipts",state="running"')) > 0);
    process.kill(world.database.pid, 'SIGINT'); // a fast shutdown: it does not wait for its clients
    await world.database.stop();
    await writes.release();
    await until(async () => (await sumOf(workers, 'webhook_breaker_state{destination="receipts"')) >= 2);
    await new Promise((resolve) => setTimeout(resolve, DOWN_MS));
    await world.database.start();
    const back = performance.now();
    const { statuses } = await sending;
    await untilDelivered(world, outage, count);
    t.diagnostic(
      `answers ${JSON.stringify(statuses)}; all written ${(performance.now() - back).toFixed()} ms after it was back`,
    );
    assert.deepEqual(Object.keys(statuses).toSorted(), ['200', '503']);
    await untilDone();
    assert.deepEqual(await tallyOf(world.pool, outage), { counted: count, delivered: count });
  });
});

async function sumOf(programs: readonly Program[], metric: string): Promise<number> {
  return sumUp(await Promise.all(programs.filter(({ runs }) => runs).map((program) => program.metric(metric))));
}

function sumUp(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

describe('the dashboard of receipts', () => {
  const file = readFileSync(new URL('grafana-dashboard.json', import.meta.url), 'utf8');
  const { panels } = JSON.parse(file) as { readonly panels: readonly Panel[] };
  const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const table: Readonly<Record<string, readonly [kind: string, labels: string, help: string]>> = metricTable;

  test('names metrics that there are, and labels that they have', () => {
    assert.ok(queries.length >= 10);
    for (const query of queries) {
      const names = [...query.matchAll(/\b(?:webhook|process)_[a-z_]+/g)].map(([name]) => metricOf(name));
      assert.ok(names.length > 0, query);
      const known = new Set(names.flatMap((name) => [...(table[name]?.[1].split(',') ?? []), 'le', 'instance']));
      const grouped = [...query.matchAll(/by \(([^)]+)\)/g)].flatMap(([, labels = '']) => labels.split(', '));
      const selected = [...query.matchAll(/(\w+)(?:=|!=|=~)"/g)].map(([, label = '']) => label);
      for (const name of names) assert.ok(name in table, `${name} in ${query}`);
      for (const label of [...grouped, ...selected]) assert.ok(known.has(label), `${label} in ${query}`);
    }
  });

  test('shows every one of the seven', () => {
    const shown = queries.join(' ');
    for (const name of SEVEN) assert.ok(shown.includes(name), name);
  });
});

/** A histogram has three names in queries. */
function metricOf(name: string): string {
  return name in metricTable ? name : name.replace(/_(?:bucket|sum|count)$/, '');
}
