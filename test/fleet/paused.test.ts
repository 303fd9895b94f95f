/** A worker that stands still past its lease has lost what it had: its late outcome is refused. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { Seeded } from '../crash/random.ts';
import { testNeeding } from '../require.ts';
import { Backends, needs, type StoreName } from './backends.ts';
import { Fleet, until } from './fleet.ts';
import { send } from './senders.ts';
import { FREE, TOKEN } from './wire.ts';

const LEASE_MS = 2000;
const HANDLER_MS = 400;

describe('a worker that is stopped and continued', () => {
  const backends = new Backends();
  for (const store of ['postgres', 'mongodb'] as const satisfies readonly StoreName[]) {
    testNeeding(needs(store), `finds its outcome refused, and another's stands: ${store}`, async (t) => {
      const fleet = await Fleet.start(
        t,
        {
          store: await backends.store(store),
          queue: null,
          leaseMs: LEASE_MS,
          handlerMs: HANDLER_MS,
          stopsItself: 'worker-1.1',
        },
        { gateways: 1, workers: 2 },
      );
      const [one, two] = fleet.workers;
      assert.ok(one !== undefined && two !== undefined);
      await two.stop();
      await send(fleet, { keys: 1, each: 1, random: new Seeded(), signal: t.signal, twice: 0 });
      // It stops itself in the middle of its handler: a signal from here could come after the end of it.
      await until(() => fleet.lines().some(({ destination }) => destination === FREE), 20_000);
      await two.launch();
      const other = (): boolean =>
        fleet.lines().some((line) => line.member === two.start && line.ended && line.destination === FREE);
      await until(other, 30_000);
      one.signal('SIGCONT');
      await until(() => fleet.lines().filter((line) => line.destination === FREE && line.ended).length === 2, 20_000);
      // A graceful stop commits what it has: its late outcome has met the store then.
      await one.stop();
      const [line] = fleet.lines().filter(({ destination }) => destination === FREE);
      const { state, attempts, attemptList } = await shown(`${two.admin}/api/deliveries/${line?.delivery}`);
      t.diagnostic(`${fleet.lines().length} handler lines, ${attemptList.length} attempt kept`);
      assert.equal(state, 'succeeded');
      // The one that stood still ran its handler to the end, and its outcome counted for nothing.
      assert.equal(attemptList.length, 1);
      assert.equal(attempts, 1);
      const pid = two.pid;
      assert.ok(attemptList[0]?.worker.includes(`:${pid}/`), `by ${attemptList[0]?.worker}, not by ${pid}`);
    });
  }
});

interface Shown {
  readonly state: string;
  readonly attempts: number;
  readonly attemptList: readonly { readonly worker: string }[];
}

async function shown(url: string): Promise<Shown> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${TOKEN}` } });
  assert.equal(response.status, 200);
  return (await response.json()) as Shown;
}
