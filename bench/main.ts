/**
 * `npm run bench`: accepted and processed per second and CPU per webhook, beside a no-op server and beside
 * Fastify + BullMQ, interleaved in one run; medians of the rounds. Flags: --rounds 5 --seconds 8 --keys 5000000.
 */
import { rmSync, statSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cpuS, load, type Load, machine, median, missing, Program, startRedis } from './machine.ts';
import { preparedStore } from './prepared.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '8' },
    keys: { type: 'string', default: '5000000' },
    only: { type: 'string' },
  },
});
const SECRET = 'bench-secret';
const seconds = Number(values.seconds);
const DRAIN_MS_MAX = 120_000;

interface Round {
  readonly perS: number;
  readonly cpuUs: number;
  readonly p99Us: number;
  readonly loopP99Ms: number;
  readonly rssMb: number;
}

const directory = await mkdtemp(join(tmpdir(), 'holdfast-bench-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

/** What was measured of Holdfast at half of its full rate. */
const halves: { readonly perS: number; readonly p99Ms: number; readonly loopP99Ms: number }[] = [];
const diskBytes: number[] = [];

async function noop(): Promise<Round> {
  const program = await Program.start('noop.ts');
  await load(program.port, { seconds: 1, secret: SECRET });
  const before = await program.cpuS();
  const result = checked(await load(program.port, { seconds, secret: SECRET }));
  const round = await figures(result, { programs: [program], before, since: 0 });
  await program.stop();
  return round;
}

async function holdfast(): Promise<Round> {
  const store = await preparedStore(directory, { keys: Number(values.keys), owedTo: null });
  const sizeBefore = statSync(store).size;
  const program = await Program.start('holdfast.ts', [`sqlite:${store}`, SECRET]);
  const warm = await load(program.port, { seconds: 2, secret: SECRET });
  await program.ask();
  const before = await program.cpuS();
  const result = checked(await load(program.port, { seconds, secret: SECRET }));
  const round = await figures(result, { programs: [program], before, since: performance.now() });
  // 64 connections that each wait this long send about half of what they could.
  const pauseMs = Math.max(2, Math.round((1000 * 64) / (round.perS / 2) - result.p50Us / 1000));
  await program.ask();
  const half = checked(await load(program.port, { seconds, secret: SECRET, pauseMs }));
  const { loopP99Ms } = await program.ask();
  await program.stop();
  const events = statSync(store).size - sizeBefore;
  halves.push({ perS: (half.requests * 1e6) / half.durationUs, p99Ms: half.p99Us / 1000, loopP99Ms });
  diskBytes.push(events / (warm.requests + result.requests + half.requests));
  return round;
}

async function bullmq(): Promise<Round> {
  const redis = await startRedis(directory);
  const worker = await Program.start('bullmq.ts', ['worker', String(redis.port), SECRET]);
  const gateway = await Program.start('bullmq.ts', ['gateway', String(redis.port), SECRET]);
  await load(gateway.port, { seconds: 1, secret: SECRET });
  await drained(worker);
  const before = (await worker.cpuS()) + (await gateway.cpuS()) + (await cpuS(redis.pid));
  const since = performance.now();
  const processedBefore = (await worker.ask()).processed;
  const result = checked(await load(gateway.port, { seconds, secret: SECRET }));
  await drained(worker);
  const tookS = (performance.now() - since) / 1000;
  const processed = (await worker.ask()).processed - processedBefore;
  const cpu = (await worker.cpuS()) + (await gateway.cpuS()) + (await cpuS(redis.pid)) - before;
  await gateway.stop();
  await worker.stop();
  await redis.stop();
  return { perS: processed / tookS, cpuUs: (cpu * 1e6) / processed, p99Us: result.p99Us, loopP99Ms: 0, rssMb: 0 };
}

/** Waits until a worker has nothing left to do. */
async function drained(worker: Program): Promise<void> {
  const until = performance.now() + DRAIN_MS_MAX;
  for (let last = -1; performance.now() < until;) {
    const { processed } = await worker.ask();
    if (processed === last) return;
    last = processed;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function figures(
  result: Load,
  run: { programs: readonly Program[]; before: number; since: number },
): Promise<Round> {
  const [program] = run.programs;
  if (program === undefined) throw new Error('No program.');
  const answer = await program.ask();
  if (run.since > 0) await drained(program);
  const cpu = (await program.cpuS()) - run.before;
  const tookS =
    run.since > 0
      ? Math.max(result.durationUs / 1e6, (performance.now() - run.since - 400) / 1000)
      : result.durationUs / 1e6;
  return {
    perS: result.requests / tookS,
    cpuUs: (cpu * 1e6) / result.requests,
    p99Us: result.p99Us,
    loopP99Ms: answer.loopP99Ms,
    rssMb: answer.rssBytes / 1e6,
  };
}

function checked(result: Load): Load {
  if (result.errors + result.non2xx > 0) throw new Error(`The load was not taken: ${JSON.stringify(result)}`);
  return result;
}

const contenders: Readonly<Record<string, () => Promise<Round>>> = { noop, holdfast, bullmq };
const rounds = new Map<string, Round[]>(Object.keys(contenders).map((name) => [name, []]));
const write = (line: string): void => void process.stdout.write(`${line}\n`);

if (await missing('wrk')) throw new Error('wrk is missing: apt-get install wrk');
write(
  `${machine()}; ${values.rounds} rounds of ${seconds} s, 64 connections, 1 KB JSON, ${values.keys} dedupe keys retained`,
);
for (let round = 1; round <= Number(values.rounds); round++) {
  for (const [name, contend] of Object.entries(contenders)) {
    if (values.only !== undefined && !values.only.split(',').includes(name)) continue;
    if (name === 'bullmq' && (await missing('redis-server'))) continue;
    const figures = await contend();
    rounds.get(name)?.push(figures);
    write(
      `round ${round}  ${name.padEnd(9)} ${figures.perS.toFixed(0).padStart(7)} /s  ${figures.cpuUs.toFixed(1).padStart(6)} µs CPU  p99 ${(figures.p99Us / 1000).toFixed(1)} ms`,
    );
  }
}

function of(name: string, figure: keyof Round): number {
  return median((rounds.get(name) ?? []).map((round) => round[figure]));
}

write('');
write('| | accepted and processed / s | CPU µs each | ACK p99 at full rate, ms | loop delay p99, ms | RSS, MB |');
write('| --- | --- | --- | --- | --- | --- |');
for (const name of Object.keys(contenders)) {
  if ((rounds.get(name) ?? []).length === 0) continue;
  write(
    `| ${name} | ${of(name, 'perS').toFixed(0)} | ${of(name, 'cpuUs').toFixed(1)} | ${(of(name, 'p99Us') / 1000).toFixed(1)} | ${of(name, 'loopP99Ms').toFixed(1)} | ${of(name, 'rssMb').toFixed(0)} |`,
  );
}
write('');
write(
  `against the no-op server: rate ${(of('holdfast', 'perS') / of('noop', 'perS')).toFixed(2)} (target 0.5, stretch 0.7), CPU ${(of('holdfast', 'cpuUs') / of('noop', 'cpuUs')).toFixed(2)} × (target 2.5, stretch 1.8)`,
);
if ((rounds.get('bullmq') ?? []).length > 0)
  write(
    `against Fastify + BullMQ: rate ${(of('holdfast', 'perS') / of('bullmq', 'perS')).toFixed(1)} × (target 3, stretch 5)`,
  );
if (halves.length > 0) {
  write('');
  write('| Holdfast | measured | target | stretch |');
  write('| --- | --- | --- | --- |');
  const perS = median(halves.map((half) => half.perS)).toFixed(0);
  write(
    `| ACK p99 at about half of the full rate (${perS} /s), ms | ${median(halves.map((half) => half.p99Ms)).toFixed(1)} | 15 | 8 |`,
  );
  write(`| event-loop delay p99 then, ms | ${median(halves.map((half) => half.loopP99Ms)).toFixed(1)} | 10 | 5 |`);
  write(`| bytes on disk per 1 KB event | ${median(diskBytes).toFixed(0)} | 1843 | 410 |`);
}
