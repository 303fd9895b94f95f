/** Hints in Amazon SQS: a standard queue per channel, long polls, batches of ten. See docs/drivers/sqs.md. */
import type * as Sqs from '@aws-sdk/client-sqs';
import type { Clock } from '../../core/clock.ts';
import { forEachOf, loadClient, unavailable } from '../client.ts';
import { encodeIds } from '../hints.ts';
import { Intake } from '../intake.ts';
import {
  type ChannelDepth,
  type Hint,
  type Pulled,
  type PullRequest,
  type Queue,
  QueueError,
  type QueueReport,
  VISIBILITY_MS,
} from '../queue.ts';
import { BATCH_MAX, inBatches, type Refusal } from './batches.ts';
import { isMissing, Queues } from './queues.ts';
import { type SqsSettings, sqsSettings } from './settings.ts';

const CONNECT_MS = 3_000;
const ANSWER_MS = 5_000;
/** SQS would wait for 20 s; but a queue that was deleted meanwhile is noticed only at the end of it. */
const WAIT_MS_MAX = 10_000;
/** A long poll a channel, and some for everything else. */
const SOCKETS_MAX = 256;
const IN_FLIGHT_MAX = 16;
const RECEIPT = /^([A-Za-z0-9_-]{1,64}):(.+)$/s;

export interface SqsQueueOptions {
  /** `sqs://region/prefix`, or `sqs://key:secret@region/prefix?endpoint=http://127.0.0.1:9324` */
  readonly url: string;
  readonly clock: Clock;
  /** Where the URL says no `visibility`; rounded up to whole seconds. Default {@link VISIBILITY_MS}. */
  readonly visibilityMs?: number;
}

/** @throws HoldfastError config_invalid */
export function sqsQueue(options: SqsQueueOptions): Queue {
  return new SqsQueue(options);
}

interface Opened {
  readonly package: typeof Sqs;
  readonly client: Sqs.SQSClient;
  readonly queues: Queues;
}

class SqsQueue implements Queue {
  readonly #settings: SqsSettings;
  readonly #visibilityS: number;
  readonly #intake: Intake;
  readonly #closing = new AbortController();
  #opening: Promise<QueueReport> | null = null;
  #opened: Opened | null = null;
  #closed = false;

  constructor({ url, clock, visibilityMs = VISIBILITY_MS }: SqsQueueOptions) {
    this.#settings = sqsSettings(url, visibilityMs);
    this.#visibilityS = this.#settings.visibilityMs / 1000;
    const source = {
      batchMax: BATCH_MAX,
      waitMsMax: WAIT_MS_MAX,
      request: (channel: string, max: number, waitMs: number) => this.#request(channel, max, waitMs),
      handBack: (receipts: readonly string[]) => this.#handBack(receipts),
      discard: (receipts: readonly string[]) => this.ack(receipts),
    };
    this.#intake = new Intake(source, clock, this.#settings.visibilityMs);
  }

  open(): Promise<QueueReport> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = null;
      throw error;
    });
    return this.#opening;
  }

  async push(hints: readonly Hint[]): Promise<void> {
    const { package: sqs, client, queues } = this.#now();
    const byChannel = Map.groupBy(hints, ({ channel }) => channel);
    const bodies = [...byChannel].map(([channel, of]) => ({
      channel,
      bodies: of.map(({ ids }) => encodeIds(ids).toString('base64')),
    }));
    await this.#asking(() =>
      forEachOf(bodies, IN_FLIGHT_MAX, ({ channel, bodies }) =>
        inBatches(
          bodies,
          (batch) =>
            queues.using(channel, async (QueueUrl) => {
              const Entries = batch.map((MessageBody, index) => ({ Id: String(index), MessageBody }));
              const command = new sqs.SendMessageBatchCommand({ QueueUrl, Entries });
              return refusals(await client.send(command, { abortSignal: this.#limit() }));
            }),
          'thrown',
        ),
      ),
    );
  }

  async pull(request: PullRequest): Promise<Pulled> {
    this.#now();
    return this.#intake.pull(request);
  }

  async ack(receipts: readonly string[]): Promise<void> {
    const { package: sqs, client } = this.#now();
    await this.#withReceipts(receipts, async (QueueUrl, handles) => {
      const Entries = handles.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle }));
      const command = new sqs.DeleteMessageBatchCommand({ QueueUrl, Entries });
      return refusals(await client.send(command, { abortSignal: this.#limit() }));
    });
  }

  async depth(channels: readonly string[]): Promise<readonly ChannelDepth[]> {
    const { package: sqs, client, queues } = this.#now();
    const depths = new Map<string, ChannelDepth>();
    await this.#asking(() =>
      forEachOf(channels, IN_FLIGHT_MAX, async (channel) => {
        const QueueUrl = await queues.find(channel);
        if (QueueUrl === null) return;
        const command = new sqs.GetQueueAttributesCommand({
          QueueUrl,
          AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
        });
        try {
          const { Attributes = {} } = await client.send(command, { abortSignal: this.#limit() });
          depths.set(channel, {
            channel,
            waiting: Number(Attributes['ApproximateNumberOfMessages'] ?? 0),
            given: Number(Attributes['ApproximateNumberOfMessagesNotVisible'] ?? 0),
          });
        } catch (error) {
          if (!isMissing(error)) throw error;
          queues.forget(channel);
        }
      }),
    );
    return channels.map((channel) => depths.get(channel) ?? { channel, waiting: 0, given: 0 });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#opening?.catch(() => undefined);
    await this.#intake.close();
    this.#closed = true;
    this.#closing.abort();
    this.#opened?.client.destroy();
  }

  async #open(): Promise<QueueReport> {
    if (this.#closed) throw new QueueError('The queue is closed.');
    const sqs = await loadClient('@aws-sdk/client-sqs', () => import('@aws-sdk/client-sqs'));
    const { region, prefix, endpoint, credentials } = this.#settings;
    const client = new sqs.SQSClient({
      region,
      maxAttempts: 2,
      requestHandler: {
        connectionTimeout: CONNECT_MS,
        httpAgent: { maxSockets: SOCKETS_MAX },
        httpsAgent: { maxSockets: SOCKETS_MAX },
      },
      // The URL of a queue names the host that SQS believes to have, which behind another endpoint may not be reached.
      ...(endpoint === null ? {} : { endpoint, useQueueUrlAsEndpoint: false }),
      ...(credentials === null ? {} : { credentials }),
    });
    try {
      const command = new sqs.ListQueuesCommand({ QueueNamePrefix: `${prefix}-`, MaxResults: 1 });
      await client.send(command, { abortSignal: this.#limit() });
    } catch (error) {
      // Who may not list queues may use them all the same; it answered.
      if (!(error as Error).name.startsWith('AccessDenied')) {
        client.destroy();
        throw unavailable(error);
      }
    }
    const queues = new Queues({
      package: sqs,
      settings: this.#settings,
      visibilityS: this.#visibilityS,
      send: (run) => run(client, this.#limit()),
    });
    this.#opened = { package: sqs, client, queues };
    const { create, retentionS } = this.#settings;
    const settings = { visibilityS: this.#visibilityS, create: String(create), retentionS };
    return { driver: 'sqs', place: `${endpoint ?? 'AWS'} ${region} ${prefix}-*`, settings, warnings: [] };
  }

  #now(): Opened {
    if (this.#closed) throw new QueueError('The queue is closed.');
    if (this.#opened === null) throw new QueueError('The queue has not been opened.');
    return this.#opened;
  }

  async #request(channel: string, max: number, waitMs: number): Promise<void> {
    const { package: sqs, client, queues } = this.#now();
    const waitS = Math.ceil(waitMs / 1000);
    const { Messages = [] } = await this.#asking(() =>
      queues.using(channel, (QueueUrl) => {
        const command = new sqs.ReceiveMessageCommand({
          QueueUrl,
          MaxNumberOfMessages: max,
          WaitTimeSeconds: waitS,
          VisibilityTimeout: this.#visibilityS,
        });
        return client.send(command, { abortSignal: this.#limit(waitS * 1000) });
      }),
    );
    for (const { Body = '', ReceiptHandle = '' } of Messages) {
      this.#intake.received(channel, Buffer.from(Body, 'base64'), `${channel}:${ReceiptHandle}`);
    }
  }

  async #handBack(receipts: readonly string[]): Promise<void> {
    const { package: sqs, client } = this.#now();
    await this.#withReceipts(receipts, async (QueueUrl, handles) => {
      const Entries = handles.map((ReceiptHandle, index) => ({
        Id: String(index),
        ReceiptHandle,
        VisibilityTimeout: 0,
      }));
      const command = new sqs.ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries });
      return refusals(await client.send(command, { abortSignal: this.#limit() }));
    });
  }

  /** By channel, in batches. A receipt that SQS does not know (any more) is nobody's; so is one of a queue that is gone. */
  async #withReceipts(
    receipts: readonly string[],
    send: (queueUrl: string, handles: readonly string[]) => Promise<readonly Refusal[]>,
  ): Promise<void> {
    const { queues } = this.#now();
    const known = receipts.flatMap((receipt) => {
      const [, channel, handle] = RECEIPT.exec(receipt) ?? [];
      return channel === undefined || handle === undefined ? [] : [{ channel, handle }];
    });
    await this.#asking(() =>
      forEachOf([...Map.groupBy(known, ({ channel }) => channel)], IN_FLIGHT_MAX, async ([channel, of]) => {
        const url = await queues.find(channel);
        if (url === null) return;
        try {
          const handles = of.map(({ handle }) => handle);
          await inBatches(handles, (batch) => send(url, batch), 'ignored');
        } catch (error) {
          if (!isMissing(error)) throw error;
          queues.forget(channel);
        }
      }),
    );
  }

  /** Ends a call after its time, or when the queue closes. */
  #limit(waitMs = 0): AbortSignal {
    return AbortSignal.any([this.#closing.signal, AbortSignal.timeout(waitMs + ANSWER_MS)]);
  }

  #asking<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    return ask().catch((error: unknown) => {
      throw unavailable(error);
    });
  }
}

function refusals({
  Failed = [],
}: {
  readonly Failed?: readonly Sqs.BatchResultErrorEntry[] | undefined;
}): readonly Refusal[] {
  return Failed.map(({ Id, SenderFault, Code }) => ({ Id, SenderFault, Code }));
}
