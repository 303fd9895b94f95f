/** What one process is told, or finds out, holds in all of the same store; how soon is printed. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { type Gateway, Unavailable } from 'holdfast';
import type { DestinationLive } from '../../src/api/port.ts';
import { standardWebhooks } from 'holdfast/verify';
import { mongo, mongoHere } from '../mongodb.ts';
import { postgres, postgresHere } from '../postgres.ts';
import { testNeeding } from '../require.ts';
import { Inbox, Sender } from '../sending-world.ts';

/** What is promised. It is printed beside what it took, which on a machine that is busy says little. */
const PROMISED_MS = 5000;

/** Before it is looked again. */
function soon(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10));
}

/** Processes of one store: one that accepts, and those that attempt. */
class Processes implements AsyncDisposable {
  readonly gateway: Sender;
  readonly workers: readonly Sender[];
  readonly #told: (text: string) => void;

  private constructor(gateway: Sender, workers: readonly Sender[], told: (text: string) => void) {
    this.gateway = gateway;
    this.workers = workers;
    this.#told = told;
  }

  static async start(
    store: string,
    told: (text: string) => void,
    register: (gateway: Gateway, worker: number) => void = () => undefined,
  ): Promise<Processes> {
    const start = (role: string, worker: number): Promise<Sender> =>
      Sender.start(
        {
          store,
          role,
          allowWeakerDurability: store.startsWith('mongodb'),
          adminToken: 'test-token-of-the-processes',
          encryptionKeys: [Buffer.alloc(32, 7).toString('base64')],
        },
        { register: (gateway) => register(gateway, worker) },
      );
    const gateway = await start('gateway', 0);
    return new Processes(gateway, [await start('worker', 1), await start('worker', 2)], told);
  }

  /** How long it took until something is so in every worker. */
  async everywhere(what: string, isSo: (worker: Sender) => Promise<boolean>): Promise<void> {
    const begun = performance.now();
    for (const worker of this.workers) while (!(await isSo(worker))) await soon();
    const tookMs = Math.round(performance.now() - begun);
    this.#told(`${what}: everywhere after ${tookMs} ms of ${PROMISED_MS}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of [...this.workers, this.gateway]) await one[Symbol.asyncDispose]();
  }
}

function till(worker: Sender): DestinationLive | undefined {
  return worker.gateway.destinations().find(({ name }) => name === 'till');
}

const postgresServer = postgresHere();
const mongoServer = mongoHere();

for (const { need, url } of [
  { need: postgres, url: () => postgresServer().server.url },
  { need: mongo, url: () => `${mongoServer().server.url}/shared` },
]) {
  describe(`processes of one store on ${need.what}`, () => {
    testNeeding([need], 'hear of pauses, endpoints, secrets and tokens', async (t) => {
      await using inbox = await Inbox.start();
      const register = (gateway: Gateway): void => gateway.handle('till', { from: 'shop' }, () => undefined);
      await using all = await Processes.start(url(), (text) => t.diagnostic(text), register);
      const { gateway } = all;

      await gateway.call('POST /api/queues/till/pause');
      await all.everywhere('a pause', async (worker) => till(worker)?.state === 'paused');
      await gateway.call('POST /api/queues/till/resume');
      await all.everywhere('its end', async (worker) => till(worker)?.state === 'running');

      const { id } = await gateway.endpoint({ url: `${inbox.url}/first`, types: ['paid'] });
      const shown = async (worker: Sender): Promise<{ readonly url?: string; readonly state?: string }> =>
        (await worker.call(`GET /api/endpoints/${id}`)).body;
      await all.everywhere('a new endpoint', async (worker) => (await shown(worker)).url === `${inbox.url}/first`);
      await gateway.call(`PATCH /api/endpoints/${id}`, { url: `${inbox.url}/second` });
      await all.everywhere('its change', async (worker) => (await shown(worker)).url === `${inbox.url}/second`);
      const rotated = await gateway.call<{ readonly secret: string }>(`POST /api/endpoints/${id}/rotate-secret`, {
        overlapMs: 0,
      });
      assert.equal(rotated.status, 200, JSON.stringify(rotated.body));
      const verifier = standardWebhooks({ secrets: rotated.body.secret });
      const begun = performance.now();
      for (let count = 1; ; count++) {
        await gateway.gateway.emit('paid', { count });
        const got = (await inbox.received(count)).at(-1);
        assert.ok(got !== undefined);
        assert.equal(got.path, '/hooks/second');
        const request = { method: got.method, path: got.path, query: '', headers: got.rawHeaders, body: got.body };
        const { ok } = await verifier.verify({ ...request, remoteAddress: null } as never, Date.now());
        if (ok) break;
      }
      const tookMs = Math.round(performance.now() - begun);
      t.diagnostic(`a rotated secret: signed with after ${tookMs} ms of ${PROMISED_MS}`);
      await gateway.call(`PATCH /api/endpoints/${id}`, { state: 'disabled' });
      await all.everywhere('its end', async (worker) => (await shown(worker)).state === 'disabled');

      const made = await gateway.call<{ readonly token: string; readonly id: string }>('POST /api/tokens', {
        name: 'ci',
        scopes: ['read'],
      });
      const { token, id: tokenId } = made.body;
      const asks = async (worker: Sender): Promise<number> =>
        (await worker.call('GET /api/sources', undefined, token)).status;
      await all.everywhere('a token', async (worker) => (await asks(worker)) === 200);
      await gateway.call(`DELETE /api/tokens/${tokenId}`);
      await all.everywhere('its revocation', async (worker) => (await asks(worker)) === 401);
    });

    testNeeding([need], 'hear of a breaker that opens and closes in one of them', async (t) => {
      const attempts: number[] = [];
      let isDown = true;
      const told: string[] = [];
      const register = (gateway: Gateway, worker: number): void => {
        gateway.handle('till', { from: 'emitted', breaker: { failures: 3, openMs: 8000, probes: 1 } }, () => {
          attempts.push(worker);
          if (isDown) throw new Unavailable('the database is away');
        });
        gateway.handle('told', { from: 'holdfast', types: ['breaker.*'] }, ({ type }) => void told.push(type));
      };
      await using all = await Processes.start(url(), (text) => t.diagnostic(text), register);
      await all.gateway.gateway.emit('paid', {});
      const states = async (state: string): Promise<void> =>
        all.everywhere(`a breaker that is ${state}`, async (worker) => till(worker)?.breaker === state);
      while (attempts.length === 0) await soon();
      await states('open');
      assert.equal(attempts.length, 1, 'one found out');
      isDown = false;
      while (attempts.length === 1) await soon();
      await states('closed');
      assert.equal(attempts.length, 2, 'one probe closed all');
      while (told.length < 2) await soon();
      assert.deepEqual(told.toSorted(), ['breaker.closed', 'breaker.opened'], 'reported once');
    });
  });
}
