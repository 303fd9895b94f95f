/** A delivery that ends whatever process attempts it ends too, on stores where its next process is another one. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { mongo, mongoHere } from '../mongodb.ts';
import { postgres, postgresHere } from '../postgres.ts';
import { testNeeding } from '../require.ts';
import { Receiver, Worker } from './world.ts';
import type { WorkerOptions } from './wire.ts';

interface Row {
  readonly state: string;
  readonly reason: string | null;
  readonly attempts: number;
  readonly crashes: number;
}

/** A process that accepts, workers of which each is started again when it ends, and who they call. */
class World {
  readonly receiver: Receiver;
  readonly gateway: Worker;
  readonly options: WorkerOptions;
  readonly workers = new Set<Worker>();
  /** Workers that ended by what they ran. */
  exits = 0;
  #ending = false;

  private constructor(receiver: Receiver, gateway: Worker, options: WorkerOptions) {
    this.receiver = receiver;
    this.gateway = gateway;
    this.options = options;
  }

  static async start(store: string): Promise<World> {
    const receiver = await Receiver.start({ bystander: 250 });
    const options = { store, receiver: receiver.url, endpoints: {}, lease: '2s', role: 'worker' } as const;
    return new World(receiver, await Worker.start({ ...options, role: 'gateway' }), options);
  }

  async work(): Promise<Worker> {
    const worker = new Worker(this.options);
    this.workers.add(worker);
    void this.#attend(worker);
    await worker.ready();
    return worker;
  }

  /** Does what a supervisor does. */
  async #attend(worker: Worker): Promise<void> {
    const code = await worker.exited;
    this.workers.delete(worker);
    if (code !== 9) return;
    this.exits++;
    if (!this.#ending) await this.work().catch(() => undefined);
  }

  /** The deliveries of a destination, once they are as they should be. */
  async until(destination: string, isSo: (rows: readonly Row[]) => boolean): Promise<readonly Row[]> {
    for (;;) {
      const { rows } = await this.gateway.get<{ readonly rows: readonly Row[] }>(
        `/api/deliveries?destination=${destination}`,
      );
      if (isSo(rows)) return rows;
    }
  }

  async end(): Promise<void> {
    this.#ending = true;
    await Promise.all([...this.workers, this.gateway].map((worker) => worker.end('SIGKILL')));
    await this.receiver.close();
  }
}

const postgresServer = postgresHere();
const mongoServer = mongoHere();

for (const { need, url } of [
  { need: postgres, url: () => postgresServer().server.url },
  { need: mongo, url: () => `${mongoServer().server.url}/crashes` },
]) {
  describe(`processes that die of what they run, on ${need.what}`, () => {
    testNeeding([need], 'three of them make a dead letter, and who only waited is not blamed', async (t) => {
      const world = await World.start(url());
      try {
        await world.work();
        await world.work();
        await world.gateway.emit('bystander', 12);
        await world.receiver.until(() => world.receiver.of('bystander').times.length > 0);
        await world.gateway.emit('poison', 1);
        await world.gateway.emit('slow-poison', 1);
        for (const name of ['poison', 'slow-poison']) {
          const [dead] = await world.until(name, ([row]) => row?.state === 'dead');
          assert.deepEqual([dead?.reason, dead?.crashes, dead?.attempts], ['crashed', 3, 0], name);
        }
        const bystanders = await world.until('bystander', (rows) => rows.every(({ state }) => state === 'succeeded'));
        const blamed = bystanders.reduce((sum, { crashes }) => sum + crashes, 0);
        t.diagnostic(
          `${world.exits} processes died, ${blamed} of 12 bystanders ran then, ${world.receiver.of('bystander').times.length} calls`,
        );
        assert.equal(bystanders.length, 12);
        assert.ok(blamed <= world.exits, `${blamed} crashes of bystanders, of which one at a time ran in each process`);
        // Both may have been there at one death; a start that could not be marked in time is one more.
        assert.ok(world.exits >= 4 && world.exits <= 8, `${world.exits} processes died`);
      } finally {
        await world.end();
      }
    });

    testNeeding(
      [need],
      'one that stood still past its lease counts once at most, and its late outcome is refused',
      async () => {
        const world = await World.start(url());
        try {
          const first = await world.work();
          const before = (await world.until('bystander', () => true)).length;
          const { times } = world.receiver.of('bystander');
          const emitted = world.gateway.emit('bystander', 1);
          // Within the same turn in which its request comes: its answer must not be on the way.
          await world.receiver.until(() => times.length === 1);
          first.signal('SIGSTOP');
          await emitted;
          await world.work();
          await world.receiver.until(() => times.length === 2);
          first.signal('SIGCONT');
          const rows = await world.until(
            'bystander',
            (all) => all.length > before && all.every(({ state }) => state === 'succeeded'),
          );
          // The newest first. Whether its start was marked in time is a matter of luck.
          const [row] = rows;
          assert.ok((row?.crashes ?? 2) <= 1, `${row?.crashes} crashes`);
          assert.equal(row?.attempts, 1);
          assert.equal(world.exits, 0);
        } finally {
          await world.end();
        }
      },
    );
  });
}
