/**
 * One round of one contender: accepting and working at once, then accepting alone, then working off alone what was
 * accepted.
 */
import { familyCpuS, load, type Load, type Program } from '../machine.ts';
import { type Contender, type Running, SECRET } from './contenders.ts';
import type { Servers } from './servers.ts';

/** CPU in microseconds for each webhook. */
export interface Cost {
  readonly gateway: number;
  readonly worker: number;
  readonly database: number;
  readonly broker: number;
}

export interface Round {
  /** Accepted and processed a second, both processes at work. */
  readonly perS: number;
  readonly p99Ms: number;
  readonly cost: Cost;
  /** Accepted a second while no worker runs. */
  readonly acceptedPerS: number;
  readonly acceptedP99Ms: number;
  /** Processed a second of what waits, while nothing is accepted; NaN where too little waited to tell. */
  readonly workedPerS: number;
  /** Of one processor, in the worker. */
  readonly workerShare: number;
  readonly workerRssMb: number;
}

export interface Bounds {
  /** Seconds of each load. */
  readonly seconds: number;
  /** Of the load generator. */
  readonly connections: number;
  /** Seconds after which nobody waits for a worker any longer. */
  readonly patienceS: number;
}

const WARM_UP_S = 1;
const LOOK_MS = 10;
const QUIET_MS = 250;
/** Below so many looks a rate is that of the looking. */
const LOOKS_MIN = 5;

export async function measure(contender: Contender, servers: Servers, bounds: Bounds): Promise<Round> {
  const running = await contender.start(servers);
  const gateway = await running.gateway();
  let worker = await running.worker();
  const { seconds, connections } = bounds;
  try {
    const warm = checked(await load(gateway.port, { seconds: WARM_UP_S, connections, secret: SECRET }));
    await done(worker, warm.requests, bounds.patienceS);
    const both = await together(running, { gateway, worker }, bounds);
    await worker.stop();
    const alone = checked(await load(gateway.port, { seconds, connections, secret: SECRET }));
    worker = await running.worker();
    const drain = await draining(worker, both.left + alone.requests, bounds);
    return { ...both.figures, acceptedPerS: perS(alone), acceptedP99Ms: alone.p99Us / 1000, ...drain };
  } finally {
    await worker.stop();
    await gateway.stop();
    await running.clear();
  }
}

interface Pair {
  readonly gateway: Program;
  readonly worker: Program;
}

async function together(
  running: Running,
  pair: Pair,
  bounds: Bounds,
): Promise<{ readonly figures: Pick<Round, 'perS' | 'p99Ms' | 'cost'>; readonly left: number }> {
  const processedBefore = (await pair.worker.ask()).processed;
  const before = await cpu(running, pair);
  const begun = performance.now();
  const { seconds, connections } = bounds;
  const loaded = checked(await load(pair.gateway.port, { seconds, connections, secret: SECRET }));
  const end = await done(pair.worker, processedBefore + loaded.requests, bounds.patienceS);
  const processed = end.processed - processedBefore;
  // wrk starts and ends in this time too, which takes the slow ones no longer than the fast ones.
  const tookMs = Math.max(loaded.durationUs / 1000, end.at - begun);
  await quiet(pair.worker);
  const after = await cpu(running, pair);
  const each = (name: keyof Cost): number => ((after[name] - before[name]) * 1e6) / Math.max(1, processed);
  return {
    figures: {
      perS: (Math.min(processed, loaded.requests) * 1000) / tookMs,
      p99Ms: loaded.p99Us / 1000,
      cost: { gateway: each('gateway'), worker: each('worker'), database: each('database'), broker: each('broker') },
    },
    left: Math.max(0, loaded.requests - processed),
  };
}

/** From the first webhook that it has processed: how a worker finds out is not how fast it works. */
async function draining(
  worker: Program,
  waiting: number,
  { patienceS }: Bounds,
): Promise<Pick<Round, 'workedPerS' | 'workerShare' | 'workerRssMb'>> {
  const first = await done(worker, 1, patienceS);
  const before = await worker.cpuS();
  const last = await done(worker, waiting, patienceS);
  const spentS = (await worker.cpuS()) - before;
  const tookMs = last.at - first.at;
  const isTelling = tookMs >= LOOKS_MIN * LOOK_MS;
  return {
    workedPerS: isTelling ? ((last.processed - first.processed) * 1000) / tookMs : NaN,
    workerShare: isTelling ? (spentS * 1000) / tookMs : NaN,
    workerRssMb: last.rssBytes / 1e6,
  };
}

interface Seen {
  readonly processed: number;
  readonly rssBytes: number;
  readonly at: number;
}

/** Resolves when a worker has processed so many, or after so long. */
async function done(worker: Program, count: number, patienceS: number): Promise<Seen> {
  const until = performance.now() + patienceS * 1000;
  for (;;) {
    const { processed, rssBytes } = await worker.ask();
    const at = performance.now();
    if (processed >= count || at > until) return { processed, rssBytes, at };
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** What was handled has been stored, too, when nothing has happened for a while. */
async function quiet(worker: Program): Promise<void> {
  for (let last = -1; ;) {
    const { processed } = await worker.ask();
    if (processed === last) return;
    last = processed;
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  }
}

/** CPU seconds so far. */
async function cpu({ database, broker }: Running, { gateway, worker }: Pair): Promise<Cost> {
  return {
    gateway: await gateway.cpuS(),
    worker: await worker.cpuS(),
    database: await familyCpuS(database.pid),
    broker: broker === null ? 0 : await familyCpuS(broker.pid),
  };
}

function perS({ requests, durationUs }: Load): number {
  return (requests * 1e6) / durationUs;
}

function checked(result: Load): Load {
  if (result.errors + result.non2xx > 0) throw new Error(`The load was not taken: ${JSON.stringify(result)}`);
  return result;
}
