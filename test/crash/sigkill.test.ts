/** The process ends at any moment, by its own hand or another's: nothing acknowledged is lost. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isAck, type Sent } from './client.ts';
import { readStored } from './stored.ts';
import type { Exit } from './supervisor.ts';
import { Trial } from './trial.ts';
import { type Label, LEDGER, MAIL } from './wire.ts';

const ROUNDS = 20;

describe('a gateway that is killed', { concurrency: 2 }, () => {
  test(`loses nothing over ${ROUNDS} SIGKILLs at random moments under load`, async (t) => {
    const trial = new Trial(t);
    await trial.start();
    let over = false;
    const load = trial.client.load({ concurrency: 12, most: 8000, until: () => over });
    const readyMs: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      // One in five hits the start itself: recovery must survive a crash, too.
      if (round > 0 && trial.random.next() < 0.2) {
        await trial.kill();
        const starting = trial.launch();
        await new Promise((resolve) => setTimeout(resolve, trial.random.between(50, 500)));
        await starting.kill();
      } else {
        await trial.within(trial.client.next(isAck), 'an acknowledgement');
        await new Promise((resolve) => setTimeout(resolve, trial.random.between(0, 200)));
        await trial.kill();
      }
      readyMs.push((await trial.start()).readyMs);
    }
    over = true;
    await trial.within(load, 'the load to be acknowledged');
    const { acked } = await trial.clean();
    assert.equal(acked, trial.client.sent.length);
    readyMs.sort((a, b) => a - b);
    t.diagnostic(
      `ready again after ${readyMs[ROUNDS / 2]?.toFixed()} ms in the median, ${readyMs.at(-1)?.toFixed()} ms at most`,
    );
  });

  test('keeps of a burst what its label says, and loses nothing at any label', async (t) => {
    /** Whether an event of the burst may be in the store after the crash, and be acknowledged before it. */
    const table: Record<Label, { readonly stored: 'none' | 'some'; readonly acked: 'none' | 'any' }> = {
      'after-verify': { stored: 'none', acked: 'none' },
      'before-commit': { stored: 'none', acked: 'none' },
      'after-append': { stored: 'none', acked: 'none' },
      'after-commit': { stored: 'some', acked: 'none' },
      'before-ack': { stored: 'some', acked: 'none' },
      'after-claim': { stored: 'some', acked: 'any' },
      'in-handler': { stored: 'some', acked: 'any' },
      'before-settle': { stored: 'some', acked: 'any' },
    };
    const trial = new Trial(t, { start: { storePoint: true } });
    await trial.start();
    for (const label of Object.keys(table) as Label[]) {
      await t.test(label, async () => {
        const { stored, acked } = table[label];
        await trial.gateway.arm({ label, hit: 1 });
        const burst = Array.from({ length: 8 }, () => trial.client.make({ order: 'same', plan: 'succeed' }));
        const sending = Promise.all(burst.map((webhook) => trial.client.deliver(webhook)));
        assert.deepEqual(await trial.ended(), { code: null, signal: 'SIGKILL' });
        const told = ackedOf(trial, burst);
        if (acked === 'none') assert.deepEqual(told, []);
        const kept: string[] = [];
        await trial.start({}, async () => {
          for (const { key } of burst) if (await trial.has(key)) kept.push(key);
        });
        assert.equal(kept.length > 0, stored === 'some', `${kept.length} stored`);
        await trial.within(sending, 'the burst to be acknowledged');
        await trial.drained();
        assert.deepEqual(
          ackedOf(trial, burst),
          burst.map(({ key }) => key),
        );
      });
    }
    const { duplicates } = await trial.clean();
    // The handler of the event at `before-settle` had ended when the process was killed, and ends a second time.
    assert.ok(duplicates >= 1);
  });

  test('buries what kills it three times in its first tick, and harms no neighbour', async (t) => {
    const trial = new Trial(t);
    await trial.start();
    const poison = trial.client.make({ plan: 'exit', order: null });
    const sending = [trial.client.deliver(poison)];
    const exits: Exit[] = [await trial.ended()];
    const neighbours = Array.from({ length: 10 }, () => trial.client.make({ plan: 'slow', order: null }));
    sending.push(...neighbours.map((webhook) => trial.client.deliver(webhook)));
    while (exits.length < 10) {
      const exit = await exitOrQuiet(trial);
      if (exit === null) break;
      exits.push(exit);
    }
    assert.deepEqual(
      exits,
      [9, 9, 9].map((code) => ({ code, signal: null })),
    );
    await trial.within(Promise.all(sending), 'poison and neighbours to be acknowledged');
    await trial.clean();
    const { events, deliveries } = await readStored(trial.path);
    const poisonId = events.find(({ key }) => key === poison.key)?.id;
    const dead = deliveries.filter(({ state }) => state === 'dead');
    assert.deepEqual(
      dead.map(({ eventId, destination, reason, crashes }) => ({ eventId, destination, reason, crashes })),
      [{ eventId: poisonId, destination: LEDGER, reason: 'crashed', crashes: 3 }],
    );
    const innocent = deliveries.filter(({ state }) => state !== 'dead');
    assert.ok(innocent.every(({ state, attempts }) => state === 'succeeded' && attempts === 1));
    assert.equal(innocent.filter(({ destination }) => destination === MAIL).length, neighbours.length + 1);
  });

  test('answers what it has read and ends with 0 when it is told to stop under load', async (t) => {
    const trial = new Trial(t);
    await trial.start();
    let over = false;
    const load = trial.client.load({ concurrency: 12, most: 2000, until: () => over });
    for (let seen = 0; seen < 100; seen++) await trial.within(trial.client.next(isAck), 'an acknowledgement');
    await trial.stop();
    over = true;
    const told = new Set(ackedOf(trial));
    const { events } = await readStored(trial.path);
    assert.deepEqual(
      events.filter(({ key }) => !told.has(key)),
      [],
      'nothing is committed without an answer',
    );
    const statuses = new Set(trial.client.sent.flatMap(({ tries }) => tries.map(({ status }) => status)));
    for (const status of [0, 200, 503]) statuses.delete(status);
    assert.deepEqual([...statuses], []);
    await trial.start();
    await trial.within(load, 'the load to be acknowledged');
    const { duplicates } = await trial.clean();
    assert.equal(duplicates, 0);
  });

  test('ends at once at the second signal, and loses nothing', async (t) => {
    const trial = new Trial(t);
    await trial.start();
    const burst = Array.from({ length: 8 }, () => trial.client.make({ plan: 'long', order: null }));
    await trial.within(
      Promise.all(burst.map((webhook) => trial.client.deliver(webhook))),
      'the burst to be acknowledged',
    );
    trial.gateway.signal('SIGTERM');
    await untilRefused(trial);
    trial.gateway.signal('SIGTERM');
    assert.deepEqual(await trial.ended(), { code: 1, signal: null });
    await trial.start();
    await trial.clean();
  });
});

function ackedOf(trial: Trial, among?: readonly { readonly key: string }[]): string[] {
  const acked = trial.client.sent.filter(({ tries }: Sent) => tries.some(isAck)).map(({ key }) => key);
  return among === undefined ? acked : among.map(({ key }) => key).filter((key) => acked.includes(key));
}

/** Starts the gateway: `null` when it gets everything done, else how it ended. */
async function exitOrQuiet(trial: Trial): Promise<Exit | null> {
  try {
    await trial.start();
    await trial.drained();
    return null;
  } catch {
    return trial.ended();
  }
}

/** The first signal has been heard when nobody is let in any more. */
async function untilRefused(trial: Trial): Promise<void> {
  for (;;) {
    const { status } = await trial.client.once(trial.url, trial.client.make({ plan: 'succeed' }));
    if (status === 0 || status === 503) return;
  }
}
