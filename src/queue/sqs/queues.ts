/** The queues of the channels: `<prefix>-<channel>`, found by name, made when they are missing. */
import type * as Sqs from '@aws-sdk/client-sqs';
import { HoldfastError } from '../../errors.ts';
import { HINT_BYTES_MAX } from '../hints.ts';
import type { SqsSettings } from './settings.ts';

/** One call of the client, with its limit in time. */
export type Send = <Output>(run: (client: Sqs.SQSClient, signal: AbortSignal) => Promise<Output>) => Promise<Output>;

const BODY_BYTES_MAX = Math.ceil(HINT_BYTES_MAX / 3) * 4;

export interface QueuesParts {
  readonly package: typeof Sqs;
  readonly settings: SqsSettings;
  readonly visibilityS: number;
  readonly send: Send;
}

/** URLs of queues by channel, remembered until one is found to be gone. */
export class Queues {
  readonly #parts: QueuesParts;
  readonly #urls = new Map<string, Promise<string>>();

  constructor(parts: QueuesParts) {
    this.#parts = parts;
  }

  /** The URL of a channel's queue, which is made where it is missing. @throws HoldfastError queue_unfit */
  ensure(channel: string): Promise<string> {
    const known = this.#urls.get(channel);
    if (known !== undefined) return known;
    const found = this.#findOrMake(channel).catch((error: unknown) => {
      this.#urls.delete(channel);
      throw error;
    });
    this.#urls.set(channel, found);
    return found;
  }

  /** The URL of a channel's queue, or `null`. */
  async find(channel: string): Promise<string | null> {
    const known = this.#urls.get(channel);
    if (known !== undefined) return known;
    const { package: sqs, send } = this.#parts;
    const command = new sqs.GetQueueUrlCommand({ QueueName: this.#name(channel) });
    try {
      return (await send((client, abortSignal) => client.send(command, { abortSignal }))).QueueUrl ?? null;
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  /**
   * Does something with a channel's queue. One that has been deleted is forgotten and made again, once.
   * @throws HoldfastError queue_unfit
   */
  async using<Answer>(channel: string, run: (queueUrl: string) => Promise<Answer>): Promise<Answer> {
    const url = await this.ensure(channel);
    try {
      return await run(url);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    this.forget(channel);
    return run(await this.ensure(channel));
  }

  forget(channel: string): void {
    this.#urls.delete(channel);
  }

  #name(channel: string): string {
    return `${this.#parts.settings.prefix}-${channel}`;
  }

  async #findOrMake(channel: string): Promise<string> {
    const found = await this.find(channel);
    if (found === null) return this.#make(channel);
    await this.#check(channel, found);
    return found;
  }

  /** Another process may make it at the same time: the same name with the same attributes is the same queue. */
  async #make(channel: string): Promise<string> {
    const { package: sqs, settings, visibilityS, send } = this.#parts;
    const QueueName = this.#name(channel);
    if (!settings.create) {
      throw new HoldfastError('queue_unfit', { detail: `Queue ${QueueName} is missing, and create is false.` });
    }
    const command = new sqs.CreateQueueCommand({
      QueueName,
      Attributes: { VisibilityTimeout: String(visibilityS), MessageRetentionPeriod: String(settings.retentionS) },
    });
    const { QueueUrl } = await send((client, abortSignal) => client.send(command, { abortSignal }));
    if (QueueUrl === undefined) throw new Error(`SQS made ${QueueName} and did not say where.`);
    return QueueUrl;
  }

  /** The visibility need not be checked: every receive names its own. */
  async #check(channel: string, QueueUrl: string): Promise<void> {
    const { package: sqs, send } = this.#parts;
    const command = new sqs.GetQueueAttributesCommand({
      QueueUrl,
      AttributeNames: ['DelaySeconds', 'MaximumMessageSize'],
    });
    const { Attributes = {} } = await send((client, abortSignal) => client.send(command, { abortSignal }));
    const delayS = Number(Attributes['DelaySeconds'] ?? 0);
    const bytesMax = Number(Attributes['MaximumMessageSize'] ?? BODY_BYTES_MAX);
    const problems = [
      ...(delayS > 0 ? [`DelaySeconds is ${delayS}, which makes every hint late: set 0`] : []),
      ...(bytesMax < BODY_BYTES_MAX
        ? [`MaximumMessageSize is ${bytesMax}: hints take up to ${BODY_BYTES_MAX} bytes`]
        : []),
    ];
    if (problems.length === 0) return;
    throw new HoldfastError('queue_unfit', { detail: `Queue ${this.#name(channel)}: ${problems.join('; ')}.` });
  }
}

/** Whether a failure says that the queue does not exist (any more): its name of today, and of the older protocol. */
export function isMissing(error: unknown): boolean {
  const { name = '' } = error as Partial<Error>;
  return name.includes('QueueDoesNotExist') || name.includes('NonExistentQueue');
}
