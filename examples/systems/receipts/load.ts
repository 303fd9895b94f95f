/**
 * How fast the system is on this machine, with servers and programs of its own, correctly signed webhooks of both providers:
 *
 *   node --conditions=holdfast-source examples/systems/receipts/load.ts [RECEIPTS]
 *
 * A backlog is written by one worker, two, three; then webhooks come as fast as they are taken, and at 70 % of the rate that
 * can be taken and written. `ORIGIN=http://127.0.0.1:8080` sends to a system that runs elsewhere, at `RATE` (10000) per second.
 */
import { type LoadReport, sendLoad } from 'holdfast/testing';
import { drain, lineOf, pace } from './measure.ts';
import { receiptsOf } from './traffic.ts';
import { World } from './world.ts';

const SHARE = 0.7;
const WORKERS_MAX = 3;

const count = Number(process.argv[2] ?? 10_000);
const { ORIGIN, RATE = '10000' } = process.env;
await (ORIGIN === undefined ? measureHere() : sendTo(ORIGIN, Number(RATE)));

async function measureHere(): Promise<void> {
  const world = await World.start(1);
  try {
    const web = await world.run('web.ts');
    const workers = [];
    let written = 0;
    while (workers.length < WORKERS_MAX) {
      workers.push(await world.run('worker.ts'));
      const running = { world, web, workers };
      await drain(running, `warm-${workers.length}`, Math.ceil(count / 10));
      const drained = await drain(running, `backlog-${workers.length}`, count);
      written = Math.max(written, drained.perS);
      console.log(`${workers.length} worker${workers.length === 1 ? ' ' : 's'}  ${lineOf(drained)}`);
    }
    const running = { world, web, workers };
    const full = await pace(running, 'full', { count, ratePerS: null });
    console.log(`as fast as it is taken: ${answersOf(full.report)}; end to end ${endsOf(full.endToEndMs)}`);
    const ratePerS = Math.floor(SHARE * Math.min(written, full.report.perS));
    const paced = await pace(running, 'paced', { count, ratePerS });
    console.log(`at 70 %, ${ratePerS} per second: ${answersOf(paced.report)}; end to end ${endsOf(paced.endToEndMs)}`);
  } finally {
    await world.stop();
  }
}

/** What k6/webhook-load-test.js does, without k6: so many a second, whatever is still unanswered. */
async function sendTo(origin: string, ratePerS: number): Promise<void> {
  const load = { origin, count: count / 2, ratePerS: ratePerS / 2, concurrency: 200 };
  const name = Date.now().toString(36);
  const reports = await Promise.all([
    sendLoad({ ...load, ...receiptsOf('telnyx', name) }),
    sendLoad({ ...load, ...receiptsOf('resend', name) }),
  ]);
  for (const [index, report] of reports.entries()) console.log(`${['telnyx', 'resend'][index]}: ${answersOf(report)}`);
}

function answersOf({ perS, statuses, errors, latencyMs }: LoadReport): string {
  const { p50 = 0, p95 = 0, p99 = 0 } = latencyMs ?? {};
  const times = `p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
  return `${perS.toFixed()} answers/s, ${times} ${JSON.stringify({ ...statuses, ...errors })}`;
}

function endsOf({ p50, p99, max }: { readonly p50: number; readonly p99: number; readonly max: number }): string {
  return `p50 ${p50.toFixed()} ms, p99 ${p99.toFixed()} ms, max ${max.toFixed()} ms`;
}
