/**
 * `npm run bench:endpoints`: what one hanging endpoint does to 49 others, what 10,000 endpoints cost that have nothing to
 * do, and deliveries per second beside a bare undici loop. Interleaved rounds, medians. Flags: --rounds 5 --seconds 4
 * --count 8000 --concurrency 64 --only isolation,memory,throughput.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cpuS, machine, median } from './machine.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    count: { type: 'string', default: '8000' },
    concurrency: { type: 'string', default: '64' },
    only: { type: 'string', default: 'isolation,memory,throughput' },
    profile: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const count = Number(values.count);
const concurrency = Number(values.concurrency);
const ENDPOINTS = 50;
const EVENTS_PER_S = 10;
const CONFIGURED = 10_000;
const ACTIVE = 100;

const directory = await mkdtemp(join(tmpdir(), 'holdfast-bench-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const write = (line: string): void => void process.stdout.write(`${line}\n`);

/** A program of bench/programs that answers questions. */
class Asked {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(file: string, args: readonly string[], flags: readonly string[] = []): Promise<Asked> {
    const child = fork(new URL(`programs/${file}`, import.meta.url), args, {
      execArgv: ['--conditions=holdfast-source', ...flags],
    });
    await once(child, 'message');
    return new Asked(child);
  }

  async ask<Made>(what: string, given: unknown = null): Promise<Made> {
    const { promise, resolve, reject } = Promise.withResolvers<Made>();
    const answered = ({ made }: { readonly made: Made }): void => resolve(made);
    const ended = (code: number): void => reject(new Error(`It ended with ${code} when asked to ${what}.`));
    this.#child.once('message', answered).once('exit', ended);
    this.#child.send({ what, with: given });
    try {
      return await promise;
    } finally {
      this.#child.off('message', answered).off('exit', ended);
    }
  }

  cpuS(): Promise<number> {
    return cpuS(this.#child.pid ?? 0);
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.send({ what: 'stop', with: null });
    await exited;
  }
}

let stores = 0;
const newStore = (): string => `sqlite:${join(directory, `${++stores}`, 'holdfast.db')}`;
const gatewayOn = (store: string): Promise<Asked> =>
  Asked.start('endpoint-gateway.ts', [store], values.profile ? ['--cpu-prof'] : []);
const receiver = await Asked.start('endpoint-receiver.ts', []);
const url = `http://127.0.0.1:${await receiver.ask<number>('port')}`;

/** p99 in ms from the emission of an event to its delivery, over all endpoints but the first. */
async function isolation(hangs: boolean): Promise<number> {
  const gateway = await gatewayOn(newStore());
  const inputs = Array.from({ length: ENDPOINTS }, (_, number) => ({
    url: `${url}/${number === 0 && hangs ? 'hang' : number}`,
  }));
  await gateway.ask('endpoints', inputs);
  await gateway.ask('load', { type: 'bench', perS: EVENTS_PER_S, seconds: 1 });
  await receiver.ask('reset');
  await gateway.ask('load', { type: 'bench', perS: EVENTS_PER_S, seconds });
  await receiver.ask('count', EVENTS_PER_S * seconds * (ENDPOINTS - 1));
  const latenciesMs = await receiver.ask<number[]>('latenciesMs');
  await gateway.stop();
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
}

async function isolationRounds(): Promise<void> {
  const p99Ms = { without: [] as number[], hanging: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? (['without', 'hanging'] as const) : (['hanging', 'without'] as const)) {
      p99Ms[name].push(await isolation(name === 'hanging'));
      write(`  ${name}: p99 ${p99Ms[name].at(-1)?.toFixed(1)} ms`);
    }
  }
  const [without, hanging] = [median(p99Ms.without), median(p99Ms.hanging)];
  const ratio = median(p99Ms.hanging.map((ms, round) => ms / (p99Ms.without[round] ?? ms)));
  write(`isolation: p99 of 49 endpoints ${without.toFixed(1)} ms, beside one that hangs ${hanging.toFixed(1)} ms:`);
  write(`  ${(hanging / without).toFixed(2)} × (target 1.5); in the median of pairs ${ratio.toFixed(2)} ×`);
}

/** A store with so many endpoints, of which 100 take what is emitted. */
async function configured(endpoints: number): Promise<string> {
  const store = newStore();
  const gateway = await gatewayOn(store);
  const inputs = Array.from({ length: endpoints }, (_, number) => ({
    url: `${url}/${number}`,
    types: [number < ACTIVE ? 'active' : `other-${number}`],
  }));
  await gateway.ask('endpoints', inputs);
  await gateway.stop();
  return store;
}

async function memoryRounds(): Promise<void> {
  const names = { few: ACTIVE, many: CONFIGURED };
  const stores = { few: await configured(ACTIVE), many: await configured(CONFIGURED) };
  const mb = { few: [] as number[], many: [] as number[] };
  const cpu = { few: [] as number[], many: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    for (const name of ['few', 'many'] as const) {
      const gateway = await gatewayOn(stores[name]);
      await receiver.ask('reset');
      const before = await gateway.cpuS();
      await gateway.ask('load', { type: 'active', perS: 10, seconds });
      await receiver.ask('count', ACTIVE * 10 * seconds);
      cpu[name].push(((await gateway.cpuS()) - before) / seconds);
      mb[name].push((await gateway.ask<number>('rssBytes')) / 1e6);
      write(`  ${names[name]} endpoints: ${mb[name].at(-1)?.toFixed(0)} MB, ${cpu[name].at(-1)?.toFixed(2)} CPU`);
      await gateway.stop();
    }
  }
  write(
    `memory: ${ACTIVE} configured ${median(mb.few).toFixed(0)} MB, ${CONFIGURED} ${median(mb.many).toFixed(0)} MB:`,
  );
  write(
    `  ${(median(mb.many) / median(mb.few)).toFixed(2)} × (target 1.2); CPU ${median(cpu.few).toFixed(2)}, ${median(cpu.many).toFixed(2)}`,
  );
}

interface Rate {
  readonly perS: number;
  readonly cpuUs: number;
}

async function timed(program: Asked, run: () => Promise<unknown>): Promise<Rate> {
  await receiver.ask('reset');
  const cpuBefore = await program.cpuS();
  const began = performance.timeOrigin + performance.now();
  await run();
  const ended = await receiver.ask<number>('count', count);
  return { perS: (count * 1000) / (ended - began), cpuUs: (((await program.cpuS()) - cpuBefore) * 1e6) / count };
}

async function throughputRounds(): Promise<void> {
  const gateway = await gatewayOn(newStore());
  const loop = await Asked.start('undici-loop.ts', [url]);
  const [id = ''] = await gateway.ask<string[]>('endpoints', [{ url, concurrency }]);
  const rates = { bare: [] as Rate[], holdfast: [] as Rate[] };
  for (let round = -1; round < rounds; round++) {
    const bare = await timed(loop, () => loop.ask('send', { count, concurrency }));
    await gateway.ask('change', { id, state: 'paused' });
    await gateway.ask('emit', { type: 'bench', count });
    const holdfast = await timed(gateway, () => gateway.ask('change', { id, state: 'active' }));
    await gateway.ask('drained');
    write(
      `  bare ${bare.perS.toFixed(0)} /s, ${bare.cpuUs.toFixed(0)} µs; holdfast ${holdfast.perS.toFixed(0)} /s, ${holdfast.cpuUs.toFixed(0)} µs`,
    );
    // The first round warms up.
    if (round < 0) continue;
    rates.bare.push(bare);
    rates.holdfast.push(holdfast);
  }
  await gateway.stop();
  await loop.stop();
  const of = (name: keyof typeof rates, figure: keyof Rate): number => median(rates[name].map((rate) => rate[figure]));
  for (const name of ['bare', 'holdfast'] as const)
    write(`throughput: ${name} ${of(name, 'perS').toFixed(0)} /s, ${of(name, 'cpuUs').toFixed(0)} µs CPU a delivery`);
  // Of neighbours in time: what else the machine does meanwhile hits both.
  const ratio = median(rates.holdfast.map(({ perS }, round) => perS / (rates.bare[round]?.perS ?? perS)));
  const cpu = median(rates.holdfast.map(({ cpuUs }, round) => cpuUs / (rates.bare[round]?.cpuUs ?? cpuUs)));
  write(`  ${ratio.toFixed(2)} of the bare loop (target 0.6), ${cpu.toFixed(1)} × its CPU`);
}

write(`${machine()}; ${rounds} rounds`);
const only = new Set(values.only.split(','));
if (only.has('throughput')) await throughputRounds();
if (only.has('isolation')) await isolationRounds();
if (only.has('memory')) await memoryRounds();
await receiver.stop();
