/** The SQS queue on what stands in for SQS: the conformance suite, and what only SQS can do to it. */
import { queueDrivers } from '../src/testing/capabilities.ts';
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { sqs, sqsService } from '../scripts/services/sqs.ts';
import { idsOf, makeHints, pullIds } from '../src/testing/queues/world.ts';
import { brokerOf, describeConformance, queueAt } from './queues-harness.ts';
import { testNeeding } from './require.ts';

function endpointOf(url: string): string {
  return new URL(url).searchParams.get('endpoint') ?? '';
}

async function asking<Answer>(url: string, ask: (client: SQSClient) => Promise<Answer>): Promise<Answer> {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new SQSClient({
    region: 'us-east-1',
    endpoint: endpointOf(url),
    credentials,
    useQueueUrlAsEndpoint: false,
  });
  try {
    return await ask(client);
  } finally {
    client.destroy();
  }
}

describeConformance({
  kind: sqs,
  capabilities: queueDrivers.sqs,
  visibilityMs: 1000,
  make: () => sqsService(),
  urlOf: (service, run) => service.url.replace('/holdfast', `/case${run}`),
  litter: ({ url, channel, bytes }) =>
    asking(url, async (client) => {
      const QueueName = `${new URL(url).pathname.slice(1)}-${channel}`;
      const { QueueUrl } = await client.send(new GetQueueUrlCommand({ QueueName }));
      const MessageBody = Buffer.from(bytes).toString('base64');
      await client.send(new SendMessageCommand({ QueueUrl, MessageBody }));
    }),
  wipe: async (url) => {
    const { status } = await fetch(`${endpointOf(url)}/moto-api/reset`, { method: 'POST' });
    assert.equal(status, 200);
  },
});

const VISIBILITY_MS = 30_000;

describe('queues that are there already', () => {
  const broker = brokerOf(sqs, () => sqsService());

  testNeeding([sqs], 'carry hints, whatever visibility they were made with', async () => {
    const Attributes = { VisibilityTimeout: '3600', ReceiveMessageWaitTimeSeconds: '5' };
    const { url } = broker.service;
    await asking(url, (client) => client.send(new CreateQueueCommand({ QueueName: 'holdfast-h-till', Attributes })));
    const [one, other] = [queueAt(url, 1000), queueAt(url, 1000)];
    await Promise.all([one.open(), other.open()]);
    const pushed = makeHints('h-till', 2);
    await one.push(pushed);
    await pullIds(one, ['h-till'], idsOf(pushed));
    await one.close();
    await pullIds(other, ['h-till'], idsOf(pushed));
    await other.close();
  });

  testNeeding([sqs], 'are made with the visibility and the retention that the URL says', async () => {
    const { url } = broker.service;
    const queue = queueAt(`${url}&visibility=60s&retention=4d`, VISIBILITY_MS);
    assert.deepEqual((await queue.open()).settings, { visibilityS: 60, create: 'true', retentionS: 4 * 86_400 });
    const pushed = makeHints('h-kept', 1);
    await queue.push(pushed);
    const made = await asking(url, async (client) => {
      const { QueueUrl } = await client.send(new GetQueueUrlCommand({ QueueName: 'holdfast-h-kept' }));
      return (await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }))).Attributes;
    });
    assert.equal(made?.['VisibilityTimeout'], '60');
    assert.equal(made?.['MessageRetentionPeriod'], '345600');
    await pullIds(queue, ['h-kept'], idsOf(pushed));
    await queue.close();
  });

  testNeeding(
    [sqs],
    'give what was taken and not acknowledged to another after the visibility of the URL',
    async () => {
      const url = `${broker.service.url}&visibility=1s`;
      const [one, other] = [queueAt(url, VISIBILITY_MS), queueAt(url, VISIBILITY_MS)];
      await Promise.all([one.open(), other.open()]);
      const pushed = makeHints('h-lost', 1);
      await one.push(pushed);
      const taken = await one.pull({ channels: ['h-lost'], max: 1, waitMs: 5000 });
      assert.equal(taken.hints.length, 1);
      await pullIds(other, ['h-lost'], idsOf(pushed));
      await Promise.all([one.close(), other.close()]);
    },
  );

  testNeeding([sqs], 'are refused where they delay what they carry', async () => {
    const { url } = broker.service;
    const Attributes = { DelaySeconds: '30' };
    await asking(url, (client) => client.send(new CreateQueueCommand({ QueueName: 'holdfast-h-late', Attributes })));
    const queue = queueAt(url, VISIBILITY_MS);
    await queue.open();
    await assert.rejects(queue.push(makeHints('h-late', 1)), { name: 'QueueError', message: /DelaySeconds is 30/ });
    await queue.close();
  });

  testNeeding([sqs], 'are not made where that is not wanted: the one that is missing is named', async () => {
    const queue = queueAt(`${broker.service.url}&create=false`, VISIBILITY_MS);
    await queue.open();
    const message = /holdfast-h-none is missing, and create is false/;
    await assert.rejects(queue.push(makeHints('h-none', 1)), { name: 'QueueError', message });
    await queue.close();
  });
});
