import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OPERATIONAL } from '../core/event.ts';
import { handler, Rig, settle } from '../../test/dispatch-rig.ts';
import type { Destination } from './destination.ts';

/** After three processes have died of the first event of a key, and before the fourth has looked. */
async function afterThreeDeaths(overrides: Partial<Destination>, told: (body: unknown) => void): Promise<Rig> {
  const alarm = handler('alarm', (event) => told(event.body), { from: new Set([OPERATIONAL]) });
  const poisoned = handler('h', () => new Promise(() => undefined), overrides);
  let rig = await new Rig([poisoned, alarm]).start();
  // What runs is marked by the next commit.
  for (let sent = 0; sent < 2; sent++) {
    await rig.send(1, { orderKey: 'k' });
    await settle();
  }
  for (let deaths = 0; deaths < 3; deaths++) {
    await rig.advance(100);
    rig.store.crash();
    const { clock, store } = rig;
    rig = new Rig([deaths < 2 ? poisoned : handler('h', () => undefined, overrides), alarm], { clock, store });
    if (deaths < 2) await rig.start();
  }
  return rig;
}

test('what three processes died of is reported when it becomes a dead letter', async () => {
  const told: unknown[] = [];
  const rig = await afterThreeDeaths({}, (body) => void told.push(body));
  await rig.start();
  await rig.advance(2000);
  const [poison, next] = (await rig.deliveries()).filter(({ destination }) => destination === 'h');
  assert.deepEqual([poison?.state, poison?.reason, next?.state], ['dead', 'crashed', 'succeeded']);
  assert.equal(told.length, 1);
  assert.partialDeepStrictEqual(told[0], { destination: 'h', deliveryId: poison?.id, reason: 'crashed' });
});

test('what three processes died of holds its order key where its destination says so', async () => {
  const rig = await afterThreeDeaths({ onDead: 'hold' }, () => undefined);
  await rig.start();
  await rig.advance(2000);
  await settle();
  const states = async (): Promise<string[]> =>
    (await rig.deliveries()).filter(({ destination }) => destination === 'h').map(({ state }) => state);
  assert.deepEqual(await states(), ['dead', 'blocked']);
  const [poison] = await rig.deliveries();
  const deliveryIds = [poison?.id ?? ''];
  await rig.dispatcher.committer.act({ kind: 'resolve', deliveryIds, note: 'seen to', by: 'ada' });
  await rig.advance(100);
  assert.deepEqual(await states(), ['dead', 'succeeded']);
});
