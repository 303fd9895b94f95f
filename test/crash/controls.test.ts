/**
 * Controls: gateways that are wrong in one way each. The checker must say so, by the rule that is broken, and must find
 * nothing wrong with the right gateway in the same trial. (`synchronous=OFF` is in power-cut.test.ts.)
 */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { explain, type Rule } from './check.ts';
import { isAck } from './client.ts';
import { Trial } from './trial.ts';
import type { Control } from './wire.ts';

describe('controls', { concurrency: 2 }, () => {
  control('ACK before commit', { wrong: ['ack-before-commit'], breaks: 'lost' }, async (trial) => {
    const first = trial.client.next(isAck);
    const burst = Array.from({ length: 6 }, () => trial.client.make({ plan: 'succeed' }));
    for (const webhook of burst) void trial.client.once(trial.url, webhook);
    await trial.within(first, 'an acknowledgement');
    await trial.kill();
    await trial.start();
  });

  control('settle before the handler ran', { wrong: ['settle-before-run'], breaks: 'unprocessed' }, async (trial) => {
    const burst = Array.from({ length: 6 }, () => trial.client.make({ plan: 'succeed', order: null }));
    await trial.within(
      Promise.all(burst.map((webhook) => trial.client.deliver(webhook))),
      'the burst to be acknowledged',
    );
    await trial.drained();
    await trial.kill();
    await trial.start();
  });

  control('no fence', { wrong: ['no-fence'], always: ['short-lease'], breaks: 'stale' }, async (trial) => {
    await trial.within(
      trial.client.deliver(trial.client.make({ plan: 'overtaken', order: null })),
      'the acknowledgement',
    );
    // What falls due makes the gateway look for leases that have ended, too.
    await trial.within(
      trial.client.deliver(trial.client.make({ plan: 'fail-once', order: null })),
      'the acknowledgement',
    );
    await trial.drained();
    // Both invocations have come to their end, whichever counted.
    await trial.invocationsEnded();
  });

  control('dedupe off', { wrong: ['dedupe-off'], breaks: 'twice' }, async (trial) => {
    await trial.gateway.arm({ label: 'before-ack', hit: 1 });
    const burst = Array.from({ length: 6 }, () => trial.client.make({ plan: 'succeed', order: null }));
    const sending = Promise.all(burst.map((webhook) => trial.client.deliver(webhook)));
    assert.deepEqual(await trial.ended(), { code: null, signal: 'SIGKILL' });
    await trial.start();
    await trial.within(sending, 'the burst to be acknowledged');
  });
});

interface ControlOptions {
  readonly wrong: readonly Control[];
  /** What belongs to the trial and breaks nothing. */
  readonly always?: readonly Control[];
  readonly breaks: Rule;
}

function control(
  name: string,
  { wrong, always = [], breaks }: ControlOptions,
  run: (trial: Trial) => Promise<void>,
): void {
  const verdictOf = async (t: TestContext, controls: readonly Control[]) => {
    const trial = new Trial(t, { start: { controls }, leasesEnd: controls.includes('short-lease') });
    await trial.start();
    await run(trial);
    return trial.verdict();
  };
  test(`${name}: breaks '${breaks}', which the right gateway does not`, async (t) => {
    const [right, red] = await Promise.all([verdictOf(t, always), verdictOf(t, [...always, ...wrong])]);
    assert.deepEqual(right.breaches, [], explain(right));
    const rules = new Set(red.breaches.map(({ rule }) => rule));
    assert.ok(rules.has(breaks), `expected '${breaks}': ${explain(red)}`);
  });
}
