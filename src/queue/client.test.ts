import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { systemClock } from '../gateway/clock.ts';
import { forEachOf, loadClient } from './client.ts';
import { natsQueue } from './nats/index.ts';
import { redisQueue } from './redis/index.ts';
import { inBatches, type Refusal } from './sqs/batches.ts';
import { sqsQueue } from './sqs/index.ts';

const clock = systemClock;

describe('the URL of a queue', () => {
  const wrong: readonly (readonly [() => unknown, RegExp])[] = [
    [() => redisQueue({ url: 'redis://h?prefx=a', clock }), /'prefx' is no setting .*Did you mean 'prefix'\?/],
    [
      () => redisQueue({ url: 'redis://h?prefix=a{b}', clock }),
      /prefix expects a name such as 'holdfast', got 'a\{b\}'/,
    ],
    [() => redisQueue({ url: 'http://h', clock }), /begins with redis:\/\/ or rediss:\/\//],
    [() => redisQueue({ url: 'no url', clock }), /begins with redis:\/\//],
    [() => redisQueue({ url: 'redis://u:100%@h', clock }), /user and password percent-encoded/],
    [() => natsQueue({ url: 'nats://u:100%@h', clock }), /user and password percent-encoded/],
    [() => sqsQueue({ url: 'sqs://AKIA:100%@eu-west-1/p', clock }), /user and password percent-encoded/],
    [() => natsQueue({ url: 'nats://h/STREAM', clock }), /has no path; name the stream: \?stream=/],
    [() => natsQueue({ url: 'nats://h?subject=a..b', clock }), /subject expects/],
    [() => natsQueue({ url: 'nats://h?replicas=2', clock }), /replicas expects 1, 3, 5, got '2'/],
    [() => natsQueue({ url: 'nats://h?maxAge=soon', clock }), /maxAge expects a duration such as '24h', got 'soon'/],
    [() => natsQueue({ url: 'nats://h?maxBytes=much', clock }), /maxBytes expects a size such as '256MiB'/],
    [() => sqsQueue({ url: 'sqs://eu-west-1/a.b', clock }), /expected sqs:\/\/region\/prefix/],
    [() => sqsQueue({ url: 'sqs://eu-west-1/p?endpoint=localhost', clock }), /endpoint expects an http/],
    [() => sqsQueue({ url: 'sqs://eu-west-1/p?create=maybe', clock }), /create expects true, false, got 'maybe'/],
    [() => sqsQueue({ url: 'sqs://eu-west-1/p?retention=15d', clock }), /retention expects 1m to 14d/],
    [() => sqsQueue({ url: 'sqs://eu-west-1/p?visibility=500ms', clock }), /visibility expects 1s to 12h/],
  ];
  for (const [make, message] of wrong) {
    test(`is refused with ${message.source}`, () => {
      assert.throws(make, { name: 'HoldfastError', code: 'config_invalid', message });
    });
  }

  test('is never repeated in an error: it may hold a password', () => {
    assert.throws(
      () => redisQueue({ url: 'http://user:hunter2@h', clock }),
      (error: Error) => !error.message.includes('hunter2'),
    );
  });
});

describe('a client', () => {
  test('that is not installed is named, with the command that installs it', async () => {
    const name: string = 'no-such-client';
    await assert.rejects(
      loadClient(name, () => import(name)),
      { code: 'client_missing', message: /npm install no-such-client/ },
    );
  });

  test('that fails by itself is not called missing', async () => {
    const broken = new Error('broken');
    await assert.rejects(
      loadClient('broken', () => Promise.reject(broken)),
      broken,
    );
  });
});

describe('many calls', () => {
  test('are so many at a time, and all that have begun end before a failure is told', async () => {
    let [now, most, ended] = [0, 0, 0];
    const run = async (item: number): Promise<void> => {
      most = Math.max(most, ++now);
      await Promise.resolve();
      now--;
      ended++;
      if (item === 3) throw new Error('third');
    };
    await assert.rejects(forEachOf([1, 2, 3, 4, 5, 6, 7, 8], 3, run), /third/);
    assert.deepEqual([most, now], [3, 0]);
    assert.ok(ended >= 3);
  });
});

describe('a batch that SQS refuses a part of', () => {
  const entries = Array.from({ length: 12 }, (_, index) => `entry ${index}`);
  const refuse = (index: number, SenderFault: boolean): Refusal => ({ Id: String(index), SenderFault, Code: 'Why' });

  test('is sent again with that part alone', async () => {
    const sent: string[][] = [];
    await inBatches(
      entries,
      async (batch) => {
        sent.push([...batch]);
        return sent.length === 1 ? [refuse(3, false), refuse(7, false)] : [];
      },
      'thrown',
    );
    const sorted = sent.toSorted((left, right) => right.length - left.length);
    assert.deepEqual(sorted[0], entries.slice(0, 10));
    assert.deepEqual(
      new Set(sorted.slice(1).map((batch) => batch.join())),
      new Set(['entry 10,entry 11', 'entry 3,entry 7']),
    );
  });

  test('again and again is a failure', async () => {
    await assert.rejects(
      inBatches(entries, async (batch) => batch.map((_, index) => refuse(index, false)), 'ignored'),
      { name: 'QueueError', failure: 'unavailable', message: /Why/ },
    );
  });

  test('for a fault of ours is a failure at once, or what was acknowledged already', async () => {
    let calls = 0;
    const send = async (): Promise<readonly Refusal[]> => [refuse(0, ++calls > 0)];
    await assert.rejects(inBatches(entries.slice(0, 3), send, 'thrown'), { name: 'QueueError' });
    await inBatches(entries.slice(0, 3), send, 'ignored');
    assert.equal(calls, 2);
  });
});
