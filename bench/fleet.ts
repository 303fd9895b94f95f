/**
 * `npm run bench:fleet`: a gateway and a worker as processes of their own, on each store with each queue, beside Fastify with
 * BullMQ on the same Redis and with pg-boss and graphile-worker on the same Postgres; how long claims take with many waiting, and
 * what a hint takes in each broker. Interleaved rounds, medians, as Markdown. At most about six minutes.
 *
 *   --rounds 3        of each; FerretDB and moto, which only stand in for what they speak like, get one
 *   --minutes 6       in which another round has to fit; on a busy machine there are fewer
 *   --seconds 2       of each of a round's two loads
 *   --connections 64  of the load generator
 *   --patience 5      seconds after which nobody waits for a worker
 *   --only NAMES      postgres,postgres+redis,postgres+nats,postgres+sqs,mongodb,mongodb+sqs,bullmq,pg-boss,graphile-worker,
 *                     pg-boss-each,graphile-worker-each,claims,hints
 *   --waiting 1000,1000000
 */
import { parseArgs } from 'node:util';
import { HINT_IDS_MAX } from '../src/queue/queue.ts';
import { type ClaimFigures, claimFigures } from './fleet/claims.ts';
import { type Contender, contenders, isStandIn } from './fleet/contenders.ts';
import { brokers, bytesPerHint } from './fleet/hints.ts';
import { dedupeTable, figuresTable, type HintBytes, hintsTable, targetsTable, workersTable } from './fleet/report.ts';
import { measure, type Round } from './fleet/round.ts';
import { lacks, Servers } from './fleet/servers.ts';
import { machine, missing } from './machine.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '2' },
    minutes: { type: 'string', default: '6' },
    connections: { type: 'string', default: '64' },
    patience: { type: 'string', default: '5' },
    only: { type: 'string' },
    waiting: { type: 'string', default: '1000,1000000' },
  },
});
const rounds = Number(values.rounds);
const bounds = {
  seconds: Number(values.seconds),
  connections: Number(values.connections),
  patienceS: Number(values.patience),
};
const HINTS = { redis: 20_000, nats: 20_000, sqs: 500 };
const OTHERS = ['claims', 'hints'];

const write = (text: string): void => void process.stdout.write(`${text}\n`);
const only = values.only?.split(',');
const known = [...contenders.map(({ name }) => name), ...OTHERS];
const unknown = only?.find((name) => !known.includes(name));
if (unknown !== undefined) throw new Error(`--only: '${unknown}' is none of ${known.join(', ')}`);
if (await missing('wrk')) throw new Error('wrk is missing: apt-get install wrk');
const isWanted = (name: string): boolean => only?.includes(name) ?? true;

const until = performance.now() + Number(values.minutes) * 60_000;

/** Those that were asked for and can be run here. */
function present(): readonly Contender[] {
  return contenders.filter((contender) => {
    if (!isWanted(contender.name)) return false;
    const lacking = contender.needs.map(lacks).find((text) => text !== null);
    if (lacking !== undefined) write(`${contender.name}: skipped, ${lacking}`);
    return lacking === undefined;
  });
}

async function measureAll(servers: Servers): Promise<ReadonlyMap<Contender, readonly Round[]>> {
  const all = present();
  const measured = new Map(all.map((contender) => [contender, [] as Round[]]));
  // Whoever is the very first finds cold servers: that is nobody's figure.
  if (all[0] !== undefined) await measure(all[0], servers, { ...bounds, seconds: 1 });
  // A round is begun when one like it fits: of a part of one, no ratio can be told.
  let roundMs = 0;
  for (let round = 0; round < rounds && performance.now() + roundMs < until; round++) {
    roundMs = 0;
    // Each is once the first after what came before.
    const turned = all.map((_, index) => all[(index + round) % all.length] as Contender);
    for (const contender of turned) {
      if (round > 0 && isStandIn(contender)) continue;
      const begun = performance.now();
      const one = await measure(contender, servers, bounds);
      if (!isStandIn(contender)) roundMs += performance.now() - begun;
      measured.get(contender)?.push(one);
      write(
        `round ${round + 1}  ${contender.name.padEnd(15)} ${one.perS.toFixed(0).padStart(6)} /s, p99 ${one.p99Ms.toFixed(1)} ms; ` +
          `accepted alone ${one.acceptedPerS.toFixed(0)} /s, p99 ${one.acceptedP99Ms.toFixed(1)} ms; ` +
          (Number.isNaN(one.workedPerS) ? 'too little waited' : `worked off ${one.workedPerS.toFixed(0)} /s`),
      );
    }
  }
  return measured;
}

async function measureClaims(servers: Servers): Promise<ReadonlyMap<number, ClaimFigures>> {
  const claims = new Map<number, ClaimFigures>();
  if (!isWanted('claims') || lacks('postgres') !== null) return claims;
  for (const waiting of values.waiting.split(',').map(Number)) {
    const { url, drop } = await servers.store('postgres');
    const figures = await claimFigures(url, waiting);
    await drop();
    claims.set(waiting, figures);
    write(`${waiting} waiting: a claim of ${figures.each} takes ${figures.medianMs.toFixed(2)} ms`);
  }
  return claims;
}

async function measureHints(): Promise<readonly HintBytes[]> {
  const all: HintBytes[] = [];
  for (const name of brokers) {
    if (!isWanted('hints') || lacks(name) !== null) continue;
    const single = await bytesPerHint(name, { hints: HINTS[name], idsEach: 1 });
    const full = await bytesPerHint(name, { hints: HINTS[name] / 10, idsEach: HINT_IDS_MAX });
    all.push({ name, single, full, idsEach: HINT_IDS_MAX });
  }
  return all;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
const servers = new Servers();
try {
  write(`${machine()}; ${rounds} rounds, loads of ${bounds.seconds} s, ${bounds.connections} connections, 1 KB JSON\n`);
  const hints = await measureHints();
  const claims = await measureClaims(servers);
  const measured = await measureAll(servers);
  const all = [...measured].map(([contender, list]) => ({ contender, rounds: list }));
  const tables = [targetsTable(all, { claims })];
  if (all.length > 0) tables.unshift(figuresTable(all), workersTable(all), dedupeTable(all));
  if (hints.length > 0) tables.push(hintsTable(hints));
  write(`\n${tables.join('\n\n')}`);
} finally {
  await servers.stop();
}
