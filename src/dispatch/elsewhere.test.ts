import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { StoredAnswer } from '../store/store.ts';
import { World } from '../testing/conformance/world.ts';
import { memoryHarness } from '../testing/memory-harness.ts';
import { Answers } from './answers.ts';

const ANSWER: StoredAnswer = { status: 200, headers: [['x-by', 'another']], body: Buffer.from('said elsewhere') };

/** A process that waits, and a store in which another process does the work. */
async function waiting(here: ReadonlySet<string> = new Set()) {
  const world = await World.open(await memoryHarness());
  const { clock } = world.harness;
  let looks = 0;
  const { history } = world.store;
  const answers = new Answers({
    responders: { of: new Map([['shop', new Set(['reply'])]]), split: new Set() },
    clock,
    elsewhere: {
      deliveries: (...asked) => {
        looks++;
        return history.deliveries(...asked);
      },
      event: (id) => history.event(id),
    },
    here: () => here,
  });
  const wait = (eventId: string, repeat = false) => {
    const { answer, cancel } = answers.wait(eventId, 'reply', repeat);
    const told: { answer?: StoredAnswer | null } = {};
    void answer.then((given) => (told.answer = given));
    return { told, cancel };
  };
  return { world, answers, wait, looks: () => looks };
}

describe('an answer that another process makes', () => {
  test('is given to whoever waits for it here', async () => {
    const { world, wait } = await waiting();
    const eventId = await world.accept({}, 'reply');
    const { told } = wait(eventId);
    await world.advance(100);
    assert.equal('answer' in told, false);
    const claim = await world.claimOne('reply');
    await world.settle(claim, world.build.succeeded(), { answer: ANSWER });
    await world.advance(100);
    assert.equal(Buffer.from(told.answer?.body ?? []).toString(), 'said elsewhere');
  });

  test('is waited for no longer when the attempt failed there, or ended without one', async () => {
    for (const end of ['retry', 'skipped', 'dead', 'succeeded'] as const) {
      const { world, wait } = await waiting();
      const { told } = wait(await world.accept({}, 'reply'));
      const claim = await world.claimOne('reply');
      const outcomes = {
        retry: world.build.retry(60_000),
        skipped: world.build.skipped('nothing to do'),
        dead: world.build.dead('rejected'),
        succeeded: world.build.succeeded(),
      };
      await world.settle(claim, outcomes[end]);
      await world.advance(100);
      assert.equal(told.answer, null, end);
    }
  });

  test('is waited for while an earlier event of its order key is at work', async () => {
    const { world, wait } = await waiting();
    await world.accept({ orderKey: 'k' }, 'reply');
    const { told } = wait(await world.accept({ orderKey: 'k' }, 'reply'));
    await world.finish('reply', world.build.succeeded());
    await world.advance(100);
    assert.equal('answer' in told, false);
    await world.settle(await world.claimOne('reply'), world.build.succeeded(), { answer: ANSWER });
    await world.advance(200);
    assert.equal(told.answer?.status, 200);
  });

  test('is looked for at once when its event was committed before', async () => {
    const { world, wait } = await waiting();
    const eventId = await world.accept({}, 'reply');
    await world.settle(await world.claimOne('reply'), world.build.succeeded());
    const { told } = wait(eventId, true);
    // The clock stands still.
    for (let turn = 0; turn < 10; turn++) await new Promise((next) => setImmediate(next));
    assert.equal(told.answer, null);
  });

  test('is looked for less and less often, and not when nobody waits', async () => {
    const { world, answers, wait, looks } = await waiting();
    const { cancel, told } = wait(await world.accept({}, 'reply'));
    await world.advance(12_000);
    assert.ok(looks() > 5 && looks() <= 20, `${looks()} looks`);
    cancel();
    await world.advance(100);
    assert.equal(told.answer, null);
    const before = looks();
    await world.advance(60_000);
    assert.equal(looks(), before);
    answers.close();
  });

  test('is not looked for while its event is at work here', async () => {
    const here = new Set<string>();
    const { world, answers, wait, looks } = await waiting(here);
    const eventId = await world.accept({}, 'reply');
    here.add(eventId);
    const { told } = wait(eventId);
    await world.advance(1000);
    assert.equal(looks(), 0);
    answers.settled(eventId, 'reply', ANSWER);
    await world.advance(1);
    assert.equal(told.answer?.status, 200);
  });
});
