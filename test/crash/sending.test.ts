/** The process ends at any moment while it sends: every delivery it owes is made, and none twice that was known to be done. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { explainSending } from './sending-check.ts';
import { SendingTrial, USUAL } from './sending-trial.ts';
import type { Control } from './wire.ts';

const ROUNDS = 20;
const FAN = 110;
const WEBHOOKS = 8;
/** Twenty starts of a process: beside other work they take twice as long. */
const LONG = { timeout: 300_000 };

describe('a gateway that is killed while it sends', () => {
  test(`loses no delivery over ${ROUNDS} SIGKILLs, fan-outs and changes of endpoints among them`, LONG, async (t) => {
    const sending = await SendingTrial.start(t);
    const { trial, receiver } = sending;
    const { client, random } = trial;
    for (const number of [1, 2, 3]) await sending.make(`/usual/${number}`, USUAL);
    await sending.make('/ordered', USUAL, { ordered: true });
    await Promise.all(Array.from({ length: FAN }, (_, number) => sending.make(`/fan/${number}`, ['fan'])));
    const open: Promise<unknown>[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const before = receiver.got.length;
      for (let number = 0; number < WEBHOOKS; number++) open.push(client.deliver(client.make()));
      open.push(client.deliver(client.make({ plan: 'fan', order: null })));
      await trial.within(receiver.count(before + random.between(1, 120)), 'requests of the round');
      await sending.look();
      const known = sending.endpoints.filter(({ path }) => path.startsWith('/late/'));
      const change = round % 4 === 3 && known[0] ? sending.remove(known[0]) : sending.make(`/late/${round}`, ['late']);
      // A change comes before the kill, or is hit by it.
      if (random.next() < 0.5) await change;
      await sending.killAndStart(random.next() < 0.2 ? random.between(50, 400) : null);
      await change;
    }
    await trial.within(Promise.all(open), 'every webhook to be acknowledged');
    await trial.drained();
    const { rows } = await trial.api<{ rows: { id: string }[] }>('/api/endpoints?limit=200');
    const there = new Set(rows.map(({ id }) => id));
    for (const { destination, path } of sending.endpoints)
      assert.ok(destination === 'crm' || there.has(destination), `${path} is there`);
    for (const id of sending.gone) assert.ok(!there.has(id), `${id} is gone`);
    await client.deliver(client.make({ plan: 'late', order: null }));
    const { duplicates } = await sending.clean();
    t.diagnostic(`${(duplicates / ROUNDS).toFixed(1)} deliveries a kill were made twice`);
  });

  test('makes a delivery that was on its way whenever the process was killed, however often', async (t) => {
    const sending = await SendingTrial.start(t);
    const { trial, receiver } = sending;
    await sending.make('/usual/1', USUAL);
    const { promise, resolve } = Promise.withResolvers<void>();
    receiver.hold = promise;
    await trial.client.deliver(trial.client.make({ plan: 'succeed', order: null }));
    for (let kill = 1; kill <= 4; kill++) {
      await trial.within(receiver.count(2 * kill), 'both endpoints to be asked');
      // The next start of an attempt, whoever's it is, would mark the two that run.
      await trial.client.deliver(trial.client.make({ plan: 'late', order: null }));
      await trial.kill();
      receiver.run++;
      await trial.start();
    }
    resolve();
    const verdict = await sending.verdict();
    assert.deepEqual(
      verdict.breaches.filter(({ rule }) => rule !== 'repeated'),
      [],
      explainSending(verdict),
    );
  });

  test('control: one that settles before it sends loses deliveries, and the right one does not', async (t) => {
    const verdictOf = async (controls: readonly Control[]) => {
      const sending = await SendingTrial.start(t, controls);
      const { trial, receiver } = sending;
      await sending.make('/usual/1', USUAL, { concurrency: 1 });
      const { promise, resolve } = Promise.withResolvers<void>();
      receiver.hold = promise;
      const burst = Array.from({ length: 6 }, () => trial.client.make({ plan: 'succeed', order: null }));
      await trial.within(Promise.all(burst.map((one) => trial.client.deliver(one))), 'the acknowledgements');
      await trial.within(receiver.count(2), 'the first requests');
      await trial.kill();
      resolve();
      await receiver.disconnected();
      receiver.run++;
      await trial.start();
      return sending.verdict();
    };
    const [right, red] = await Promise.all([verdictOf([]), verdictOf(['settle-before-send'])]);
    assert.deepEqual(right.breaches, [], explainSending(right));
    assert.ok(
      red.breaches.some(({ rule }) => rule === 'unsent'),
      explainSending(red),
    );
  });
});
