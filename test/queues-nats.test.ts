/** The NATS queue on a real nats-server: the conformance suite, and what only JetStream can do to it. */
import { queueDrivers } from '../src/testing/capabilities.ts';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import {
  AckPolicy,
  DiscardPolicy,
  jetstream,
  jetstreamManager,
  type JetStreamManager,
  RetentionPolicy,
  type StreamConfig,
} from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { nats, natsService } from '../scripts/services/nats.ts';
import { idsOf, makeHints, pullIds, pullUntil, untilAvailable } from '../src/testing/queues/world.ts';
import { brokerOf, describeConformance, queueAt } from './queues-harness.ts';
import { testNeeding } from './require.ts';

async function asking<Answer>(url: string, ask: (connection: NatsConnection) => Promise<Answer>): Promise<Answer> {
  const connection = await connect({ servers: new URL(url).host });
  try {
    return await ask(connection);
  } finally {
    await connection.close();
  }
}

describeConformance({
  kind: nats,
  capabilities: queueDrivers.nats,
  visibilityMs: 1000,
  make: (directory) => natsService(directory),
  urlOf: (service, run) => `${service.url}?stream=CASE${run}&subject=case${run}.hints`,
  litter: ({ url, channel, bytes }) =>
    asking(url, async (connection) => {
      const subject = new URL(url).searchParams.get('subject');
      await jetstream(connection).publish(`${subject}.${channel}`, bytes);
    }),
  wipe: (url) =>
    asking(url, async (connection) => {
      const manager = await jetstreamManager(connection);
      await manager.streams.delete(new URL(url).searchParams.get('stream') ?? '');
    }),
});

const VISIBILITY_MS = 30_000;
const DAY_NS = 24 * 3600 * 1e9;

describe('a stream that is there already', () => {
  const broker = brokerOf(nats, (directory) => natsService(directory));
  let runs = 0;

  /** A stream as a user may have made it, and the URL of a queue in it. */
  async function given(config: Partial<StreamConfig>): Promise<string> {
    const name = `GIVEN${++runs}`;
    const { url } = broker.service;
    await managing(url, (manager) => manager.streams.add({ name, subjects: [`given${runs}.>`], ...config }));
    return `${url}?stream=${name}&subject=given${runs}.hints`;
  }

  const fit: readonly (readonly [string, Partial<StreamConfig>, RegExp])[] = [
    [
      'of a work queue with an age, a size and a duplicate window',
      {
        retention: RetentionPolicy.Workqueue,
        max_age: DAY_NS,
        max_bytes: 1e6,
        discard: DiscardPolicy.New,
        duplicate_window: 120e9,
      },
      /^$/,
    ],
    [
      'whose subjects have as many tokens as a hint needs',
      { subjects: [`given${runs + 2}.*.*`], retention: RetentionPolicy.Workqueue, discard: DiscardPolicy.New },
      /^$/,
    ],
    [
      'that is limited and drops the oldest',
      {
        retention: RetentionPolicy.Limits,
        max_age: DAY_NS,
        max_bytes: 1e6,
        discard: DiscardPolicy.Old,
      },
      /discard is old.*retention is limits/,
    ],
  ];
  for (const [how, config, warnings] of fit) {
    testNeeding([nats], `${how} carries hints`, async () => {
      const queue = queueAt(await given(config), VISIBILITY_MS);
      assert.match((await queue.open()).warnings.join(' '), warnings);
      const pushed = makeHints('h-till', 3);
      // Twice: a duplicate window takes no notice of hints.
      await queue.push(pushed);
      await queue.push(pushed);
      await pullIds(queue, ['h-till'], idsOf(pushed));
      await queue.close();
    });
  }

  const unfit: readonly (readonly [Partial<StreamConfig>, RegExp])[] = [
    [{ retention: RetentionPolicy.Interest }, /retention is interest/],
    [{ retention: RetentionPolicy.Limits }, /limits without max_age or max_bytes/],
    [{ subjects: ['else.>'], retention: RetentionPolicy.Workqueue }, /subjects are else\.>: add given\d+\.hints\.>/],
    [{ no_ack: true, retention: RetentionPolicy.Workqueue }, /no_ack is true/],
    [{ max_msg_size: 1024, retention: RetentionPolicy.Workqueue }, /max_msg_size is 1024: hints take up to \d+ bytes/],
  ];
  for (const [config, problem] of unfit) {
    testNeeding([nats], `is refused where ${problem.source}`, async () => {
      const queue = queueAt(await given(config), VISIBILITY_MS);
      await assert.rejects(queue.open(), { code: 'queue_unfit', message: problem });
      await queue.close();
    });
  }

  testNeeding([nats], 'under another name and has the subjects is named', async () => {
    const url = await given({ retention: RetentionPolicy.Workqueue });
    const queue = queueAt(url.replace(/stream=\w+/, 'stream=OTHER'), VISIBILITY_MS);
    await assert.rejects(queue.open(), { code: 'queue_unfit', message: new RegExp(`belongs to GIVEN${runs} already`) });
    await queue.close();
  });

  testNeeding([nats], 'and full is unavailable until something is acknowledged', async () => {
    const url = await given({ retention: RetentionPolicy.Workqueue, discard: DiscardPolicy.New, max_msgs: 5 });
    const queue = queueAt(url, VISIBILITY_MS);
    await queue.open();
    await queue.push(makeHints('h-till', 5));
    await assert.rejects(queue.push(makeHints('h-till', 1)), { name: 'QueueError', failure: 'unavailable' });
    const { hints } = await queue.pull({ channels: ['h-till'], max: 1, waitMs: 2000 });
    await queue.ack(hints.map(({ receipt }) => receipt));
    await untilAvailable(() => queue.push(makeHints('h-till', 1)));
    await queue.close();
  });

  testNeeding([nats], 'with somebody else reading the same subjects is unavailable, and says why', async () => {
    const url = await given({ retention: RetentionPolicy.Workqueue });
    const stream = `GIVEN${runs}`;
    await managing(url, (manager) =>
      manager.consumers.add(stream, { durable_name: 'greedy', ack_policy: AckPolicy.Explicit }),
    );
    const queue = queueAt(url, VISIBILITY_MS);
    await queue.open();
    await assert.rejects(queue.pull({ channels: ['h-till'], max: 1, waitMs: 1000 }), {
      name: 'QueueError',
      message: /a consumer of somebody else/,
    });
    await queue.close();
  });
});

function managing<Answer>(url: string, ask: (manager: JetStreamManager) => Promise<Answer>): Promise<Answer> {
  return asking(url, async (connection) => ask(await jetstreamManager(connection)));
}

describe('a user who may not acknowledge', () => {
  const broker = brokerOf(nats, (directory) => {
    const config = join(directory, 'rights.conf');
    const permissions = '{ publish: ["$JS.API.>", "holdfast.>"], subscribe: ["_INBOX.>"] }';
    const user = `{ user: ada, password: x, permissions: ${permissions} }`;
    writeFileSync(config, `no_auth_user: ada\nauthorization { users = [${user}] }\n`);
    return natsService(directory, ['--config', config]);
  });

  testNeeding([nats], 'is told so, by the second acknowledgement at the latest', async () => {
    const queue = queueAt(broker.service.url, VISIBILITY_MS);
    await queue.open();
    await queue.push(makeHints('h-till', 2));
    const { hints } = await pullUntil(queue, ['h-till'], 2);
    const acknowledged = (async (): Promise<void> => {
      for (const { receipt } of hints) await queue.ack([receipt]);
    })();
    await assert.rejects(acknowledged, { name: 'QueueError', message: /Permissions Violation.*\$JS\.ACK\.HOLDFAST/i });
    await queue.close();
  });
});
