/**
 * What the PostgreSQL store does, alone, on a server of its own on this machine.
 *
 *   node bench/store-postgres.ts [--sizes 64,256] [--events 40000] [--gateways 1]
 *     Whole lives of events a second (appended with one delivery that is handed off and started, its success settled in the
 *     next commit), by events per commit; CPU of this process and of the server for each; bytes on disk.
 *   node bench/store-postgres.ts --backlog 1000,1000000
 *     Claims of 100 a second, and how long one takes, with so many deliveries waiting.
 */
import { parseArgs } from 'node:util';
import { startPostgres } from '../scripts/services/postgres.ts';
import { type PostgresStore, postgresStore } from '../src/store/postgres/index.ts';
import type { Claim, CommitAnswers, NewEvent } from '../src/store/store.ts';
import { claimFigures } from './fleet/claims.ts';
import { familyCpuS } from './machine.ts';
import { batch, clock, event, ids, success } from './store-events.ts';

const { values: flags } = parseArgs({
  options: {
    sizes: { type: 'string', default: '64,256' },
    events: { type: 'string', default: '40000' },
    gateways: { type: 'string', default: '1' },
    backlog: { type: 'string', default: '' },
    set: { type: 'string', multiple: true, default: [] },
  },
});
const numbers = (text: string): number[] => text.split(',').filter(Boolean).map(Number);
const print = (text: string): void => void process.stdout.write(`${text}\n`);

const server = await startPostgres(['shared_buffers=512MB', 'max_wal_size=4GB', ...flags.set]);

async function open(schema: string): Promise<PostgresStore> {
  const store = postgresStore({ url: server.url, clock, schema, process: ids.make('prc'), listenUrl: null });
  await store.work.open();
  return store;
}

function claimsOf({ appends }: CommitAnswers): Claim[] {
  const events = appends.flatMap((answer) => ('events' in answer ? answer.events : []));
  return events.flatMap((one) => ('claims' in one ? one.claims.flatMap((claim) => claim ?? []) : []));
}

async function live(store: PostgresStore, made: readonly NewEvent[], size: number): Promise<void> {
  let claims: Claim[] = [];
  for (let at = 0; at < made.length || claims.length > 0; at += size) {
    const appends = made.slice(at, at + size).map((item) => ({ events: [item] }));
    claims = claimsOf(await store.work.commit(batch({ appends, settlements: claims.map(success) })));
  }
}

async function measureLives(size: number, gateways: number): Promise<void> {
  const stores: PostgresStore[] = [];
  for (let made = 0; made < gateways; made++) stores.push(await open(`lives_${size}_${gateways}`));
  const each = Math.floor(Number(flags.events) / gateways);
  const made = stores.map(() => Array.from({ length: each }, (_, turn) => event(turn)));
  await Promise.all(
    stores.map((store) =>
      live(
        store,
        Array.from({ length: size * 8 }, (_, turn) => event(turn)),
        size,
      ),
    ),
  );
  const [own, its, start] = [process.cpuUsage(), await familyCpuS(server.pid), performance.now()];
  await Promise.all(stores.map((store, index) => live(store, made[index] ?? [], size)));
  const count = each * gateways;
  const seconds = (performance.now() - start) / 1000;
  const [spent, itsS] = [process.cpuUsage(own), (await familyCpuS(server.pid)) - its];
  const { bytesOnDisk } = await (stores[0] as PostgresStore).history.counts();
  print(
    `${gateways} gateway(s), ${size} a commit: ${(count / seconds).toFixed(0)} events/s; CPU an event ` +
      `${((spent.user + spent.system) / count).toFixed(1)} us here, ${((itsS * 1e6) / count).toFixed(1)} us at the server; ` +
      `${(bytesOnDisk / (count + size * 8 * gateways)).toFixed(0)} bytes on disk`,
  );
  for (const store of stores) await store.work.close();
}

async function measureClaims(waiting: number): Promise<void> {
  const figures = await claimFigures(server.url, waiting);
  print(
    `${waiting} waiting: a claim of ${figures.each} takes ${figures.medianMs.toFixed(2)} ms (median), ` +
      `${figures.p95Ms.toFixed(2)} ms (p95); ${figures.perS.toFixed(0)} claimed and settled a second; ` +
      `wake-ups ${figures.wakeUpsMs.toFixed(2)} ms`,
  );
}

try {
  if (flags.backlog !== '') for (const backlog of numbers(flags.backlog)) await measureClaims(backlog);
  else for (const size of numbers(flags.sizes)) await measureLives(size, Number(flags.gateways));
} finally {
  await server.remove();
}
