/** What the system does, in figures: how fast workers write, what it costs them, how long a receipt is on its way. */
import { type LoadReport, sendLoad } from 'holdfast/testing';
import { type Provider, receiptsOf, sendBatch, tallyOf } from './traffic.ts';
import { type Program, until, type World } from './world.ts';

const DESTINATION = 'receipts';
const MINUTES_MS = 10 * 60_000;

/** Running programs and their servers. */
export interface Running {
  readonly world: World;
  readonly web: Program;
  readonly workers: readonly Program[];
}

/** How a backlog was worked off. */
export interface Drained {
  /** Receipts written per second, from the first write to the last. */
  readonly perS: number;
  /** Processor time of each worker, as a share of one processor while it wrote. */
  readonly cpu: readonly number[];
  /** Receipts in an attempt, on average. */
  readonly batchSize: number;
  /** Receipts that each worker wrote. */
  readonly shares: readonly number[];
}

/** How long receipts were on their way, in milliseconds: from when the provider made them until they were written. */
export interface Paced {
  readonly report: LoadReport;
  readonly endToEndMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

/** Lets receipts wait until all are acknowledged, then has the workers write them. */
export async function drain({ world, web, workers }: Running, name: string, count: number): Promise<Drained> {
  const batch = await sendBatch(world.pool, name, count);
  const all = [web, ...workers];
  await tell(all, 'pause'); // each of them: the others hear of it within seconds
  await sendBoth(web, name, { count });
  const before = await Promise.all(workers.map(figures));
  await tell(all, 'resume');
  await until(async () => (await tallyOf(world.pool, batch)).counted === count, MINUTES_MS);
  const { seconds } = await timesOf(world, batch);
  const after = await Promise.all(workers.map(figures));
  const used = after.map((now, index) => differenceOf(now, before[index]));
  const attempts = used.reduce((sum, one) => sum + one.attempts, 0);
  return {
    perS: count / Math.max(seconds, 0.001),
    cpu: used.map(({ cpuS }) => cpuS / Math.max(seconds, 0.001)),
    batchSize: count / Math.max(attempts, 1),
    shares: used.map(({ receipts }) => receipts),
  };
}

/** Sends at a rate (`null`: as fast as it is taken) while the workers write. */
export async function pace(
  { world, web }: Running,
  name: string,
  { count, ratePerS }: { readonly count: number; readonly ratePerS: number | null },
): Promise<Paced> {
  const batch = await sendBatch(world.pool, name, count);
  const report = await sendBoth(web, name, { count, ratePerS });
  await until(async () => (await tallyOf(world.pool, batch)).counted === count, MINUTES_MS);
  const { p50, p99, max } = await timesOf(world, batch);
  return { report, endToEndMs: { p50, p99, max } };
}

/** Receipts of one batch, half of them of each provider. Answers the report of the slower half. */
async function sendBoth(
  { origin }: Program,
  name: string,
  { count, ratePerS = null }: { readonly count: number; readonly ratePerS?: number | null },
): Promise<LoadReport> {
  const half = async (provider: Provider, from: number, to: number): Promise<LoadReport> => {
    const { verifier, make } = receiptsOf(provider, name);
    const load = { origin, verifier, count: to - from, make: (index: number) => make(from + index), concurrency: 32 };
    return sendLoad({ ...load, ratePerS: ratePerS === null ? null : ratePerS / 2 });
  };
  const middle = Math.floor(count / 2);
  const [texts, mails] = await Promise.all([half('telnyx', 0, middle), half('resend', middle, count)]);
  for (const { statuses, errors } of [texts, mails]) {
    const other = Object.keys({ ...statuses, ...errors }).filter((what) => what !== '200');
    if (other.length > 0) throw new Error(`Not all were taken: ${JSON.stringify({ ...statuses, ...errors })}`);
  }
  const slower = (texts.latencyMs?.p99 ?? 0) > (mails.latencyMs?.p99 ?? 0) ? texts : mails;
  return { ...slower, sent: count, perS: texts.perS + mails.perS };
}

async function tell(programs: readonly Program[], what: 'pause' | 'resume'): Promise<void> {
  const told = programs.map((program) => program.ask(`/api/queues/${DESTINATION}/${what}`, { method: 'POST' }));
  for (const answer of await Promise.all(told)) if (!answer.ok) throw new Error(`${what}: ${await answer.text()}`);
}

async function timesOf(world: World, batch: number) {
  const { rows } = await world.pool.query<{ seconds: number; p50: number; p99: number; max: number }>(
    `WITH way AS (SELECT "recordedAt" AS at, extract(epoch FROM "recordedAt" - "deliveredAt")::float8 * 1000 AS ms
                  FROM recipients WHERE "batchId" = $1)
     SELECT extract(epoch FROM max(at) - min(at))::float8 AS seconds, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS p50,
            percentile_cont(0.99) WITHIN GROUP (ORDER BY ms) AS p99, max(ms) AS max FROM way`,
    [batch],
  );
  return rows[0] ?? { seconds: 0, p50: 0, p99: 0, max: 0 };
}

interface Figures {
  readonly cpuS: number;
  readonly attempts: number;
  readonly receipts: number;
}

async function figures(program: Program): Promise<Figures> {
  const [cpuS = 0, attempts = 0, receipts = 0] = await Promise.all(
    ['process_cpu_seconds_total ', 'webhook_batch_size_count{', 'webhook_batch_size_sum{'].map((start) =>
      program.metric(start),
    ),
  );
  return { cpuS, attempts, receipts };
}

function differenceOf(now: Figures, before: Figures = { cpuS: 0, attempts: 0, receipts: 0 }): Figures {
  return {
    cpuS: now.cpuS - before.cpuS,
    attempts: now.attempts - before.attempts,
    receipts: now.receipts - before.receipts,
  };
}

export function lineOf({ perS, cpu, batchSize }: Drained): string {
  const each = cpu.map((share) => `${(100 * share).toFixed()} %`).join(', ');
  return `${perS.toFixed().padStart(6)} receipts/s, batches of ${batchSize.toFixed()}, processor of each worker ${each}`;
}
