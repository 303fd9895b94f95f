/**
 * What is simulated of every provider, through the real ingest: each type verifies, is read as that type, becomes an
 * event of its own, and is answered as the provider wants.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { simulation } from 'holdfast/testing';
import { payloads } from '../src/cli/simulate/payloads/index.ts';
import { TestClock } from '../src/testing/clock.ts';
import { providers, signRequest } from '../src/verify/index.ts';
import type { UnsignedRequest } from '../src/verify/index.ts';
import { ingestWorld } from './ingest-world.ts';

const now = 1_762_182_000_000;
const ROUNDS = 25;

/** Types that are handshakes: they are answered, and become no event. */
const handshakes = new Set(['discord PING', 'slack url_verification', 'zoom endpoint.url_validation']);
/** Providers that write no type anywhere, or one for all: a source says where its sender has it. */
const untyped = new Set(['generic-hmac', 'generic-timestamped']);

function simulated(key: string, options: { readonly type?: string; readonly together?: boolean } = {}) {
  const { verifier, make, burst } = simulation(key, { ...options, run: 'test', now: () => now });
  const world = ingestWorld({ sources: { [key]: verifier }, clock: new TestClock(now) });
  const intake = world.acceptor.named(key) ?? assert.fail();
  const send = async (request: UnsignedRequest) => {
    const signed = await signRequest(verifier, request, now);
    return world.acceptor.accept(intake, { ...signed, remoteAddress: '192.0.2.1' });
  };
  return { verifier, world, make, burst, send };
}

test('every provider of the catalog is simulated, and nothing else', () => {
  assert.deepEqual(Object.keys(payloads).toSorted(), providers.map(({ key }) => key).toSorted());
});

for (const { key } of providers) {
  describe(key, () => {
    for (const type of Object.keys(payloads[key]?.types ?? {})) {
      test(`${type} is accepted as such`, async () => {
        const { world, make, send } = simulated(key, { type });
        const reply = await send(make(0));
        assert.deepEqual(world.rejected, []);
        assert.ok(reply.status >= 200 && reply.status < 300, `${reply.status} ${Buffer.from(reply.body).toString()}`);
        if (handshakes.has(`${key} ${type}`)) return assert.equal(world.events.length, 0);
        assert.ok(world.events.length > 0);
        for (const event of world.events) assert.equal(event.type, untyped.has(key) ? '' : type);
      });
    }

    test('each request is one of its own, and the same number gives the same bytes again', async () => {
      const { verifier, world, make, send } = simulated(key);
      for (let index = 0; index < ROUNDS; index++) {
        const before = world.events.length;
        await send(make(index));
        assert.ok(world.events.length > before, `request ${index} is a duplicate of an earlier one`);
        assert.deepEqual(make(index), make(index));
      }
      assert.deepEqual(world.rejected, []);
      const after = world.events.length;
      await send(make(0));
      const known = verifier.defaults.dedupeKey !== undefined;
      assert.equal(world.events.length > after, !known, 'sent again it is a duplicate, where the provider has a key');
    });
  });
}

test('ROOK sends eleven documents at once about one user, three summaries among them, and another user the next time', async () => {
  const { world, make, burst, send } = simulated('rook', { together: true });
  assert.equal(burst, 11);
  for (let index = 0; index < 2 * burst; index++) await send(make(index));
  assert.equal(world.events.length, 22);
  const users = world.events.map(({ orderKey }) => orderKey);
  assert.deepEqual([new Set(users.slice(0, 11)).size, new Set(users).size], [1, 2]);
  const types = world.events.slice(0, 11).map(({ type }) => type);
  assert.deepEqual(types.filter((type) => type.endsWith('_summary')).toSorted(), [
    'body_summary',
    'physical_summary',
    'sleep_summary',
  ]);
  assert.ok(types.includes('heart_rate_event'));
});

test('a type nobody wrote down looks like the nearest that somebody did', async () => {
  const { world, make, send } = simulated('stripe', { type: 'invoice.voided' });
  await send(make(0));
  const [event] = world.events;
  assert.equal(event?.type, 'invoice.voided');
  const { data } = JSON.parse(Buffer.from(event.body ?? []).toString()) as { data: { object: { object: string } } };
  assert.equal(data.object.object, 'invoice');
});
