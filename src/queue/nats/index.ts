/**
 * Hints in NATS JetStream (server 2.9 or newer): one stream, a subject and a durable pull consumer per channel. See
 * docs/drivers/nats.md.
 */
import type * as JetStream from '@nats-io/jetstream';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import type { Clock } from '../../core/clock.ts';
import { HoldfastError } from '../../errors.ts';
import { forEachOf, loadClient, unavailable, within } from '../client.ts';
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
import { Requests } from './requests.ts';
import { type NatsSettings, natsSettings } from './settings.ts';
import {
  consumerInfo,
  consumerOf,
  ensureConsumer,
  ensureStream,
  streamInfo,
  type StreamParts,
  streamWarnings,
  subjectOf,
} from './stream.ts';

/** Also how long a node is waited for that has just gone: a cluster elects another one meanwhile. */
const ANSWER_MS = 2_500;
const CONNECT_AGAIN_MS = 250;
const PING_MS = 10_000;
const IN_FLIGHT_MAX = 256;
const BATCH_MAX = 64;
/** Also how long it takes until the loss of a consumer is noticed. */
const WAIT_MS_MAX = 3_000;
const ACK_PREFIX = '$JS.ACK.';
const ACK_SUBJECT = /^\$JS\.ACK\.[^\s]+$/;
const ACK = '+ACK';
const NAK = '-NAK';

export interface NatsQueueOptions {
  /** `nats://user:password@host:4222?stream=HOLDFAST&subject=holdfast.hints` */
  readonly url: string;
  readonly clock: Clock;
  /** Default {@link VISIBILITY_MS}. All processes of a gateway have the same: it is the consumer's `ack_wait`. */
  readonly visibilityMs?: number;
}

/** @throws HoldfastError config_invalid */
export function natsQueue(options: NatsQueueOptions): Queue {
  return new NatsQueue(options);
}

/** Everything that lives as long as one connection. */
interface Connected extends StreamParts {
  readonly connection: NatsConnection;
  readonly client: JetStream.JetStreamClient;
  readonly requests: Requests;
  /** Channels whose consumer is known to be there. */
  readonly consumers: Map<string, Promise<void>>;
}

class NatsQueue implements Queue {
  readonly #clock: Clock;
  readonly #settings: NatsSettings;
  readonly #visibilityMs: number;
  readonly #intake: Intake;
  #opening: Promise<QueueReport> | null = null;
  #connected: Connected | null = null;
  #connecting: Promise<Connected> | null = null;
  /** Whether there is a connection now; while it is made again, the client would only keep what it is given. */
  #up = false;
  /** What the server said last of an answer that it did not take. It says so to nobody's request. */
  #refused: string | null = null;
  #closed = false;

  constructor({ url, clock, visibilityMs = VISIBILITY_MS }: NatsQueueOptions) {
    this.#settings = natsSettings(url);
    this.#clock = clock;
    this.#visibilityMs = visibilityMs;
    const source = {
      batchMax: BATCH_MAX,
      waitMsMax: WAIT_MS_MAX,
      request: (channel: string, max: number, waitMs: number) => this.#request(channel, max, waitMs),
      handBack: (receipts: readonly string[]) => this.#answer(receipts, NAK),
      discard: (receipts: readonly string[]) => this.#answer(receipts, ACK),
    };
    this.#intake = new Intake(source, clock, visibilityMs);
  }

  open(): Promise<QueueReport> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = null;
      throw error;
    });
    return this.#opening;
  }

  async push(hints: readonly Hint[]): Promise<void> {
    const messages = hints.map(({ channel, ids }) => ({
      subject: subjectOf(this.#settings, channel),
      bytes: encodeIds(ids),
    }));
    const connected = await this.#now();
    await this.#asking(() =>
      forEachOf(messages, IN_FLIGHT_MAX, async ({ subject, bytes }) => {
        try {
          await connected.client.publish(subject, bytes, { timeout: ANSWER_MS });
        } catch (error) {
          // Nobody answers for this subject: the stream is gone.
          if (!isNotEnabled(error)) throw error;
          await ensureStream(connected);
          await connected.client.publish(subject, bytes, { timeout: ANSWER_MS });
        }
      }),
    );
  }

  async pull(request: PullRequest): Promise<Pulled> {
    await this.#now();
    return this.#intake.pull(request);
  }

  async ack(receipts: readonly string[]): Promise<void> {
    await this.#answer(receipts, ACK);
    const refused = this.#refused;
    this.#refused = null;
    if (refused !== null) throw new QueueError(refused);
  }

  async depth(channels: readonly string[]): Promise<readonly ChannelDepth[]> {
    const connected = await this.#now();
    const depths = new Map<string, ChannelDepth>();
    let unread: Readonly<Record<string, number>> | null = null;
    await this.#asking(() =>
      forEachOf(channels, IN_FLIGHT_MAX, async (channel) => {
        const consumer = await consumerInfo(connected, channel);
        if (consumer !== null) {
          depths.set(channel, { channel, waiting: consumer.num_pending, given: consumer.num_ack_pending });
          return;
        }
        // Nobody has pulled from it yet: all that is stored waits.
        unread ??=
          (await streamInfo(connected, { subjects_filter: `${this.#settings.subject}.>` }))?.state.subjects ?? {};
        depths.set(channel, { channel, waiting: unread[subjectOf(this.#settings, channel)] ?? 0, given: 0 });
      }),
    );
    return channels.map((channel) => depths.get(channel) ?? { channel, waiting: 0, given: 0 });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#opening?.catch(() => undefined);
    await this.#intake.close();
    this.#closed = true;
    const connected = this.#connected;
    connected?.requests.close();
    // What was handed back is flushed, where there is a connection to flush to.
    if (this.#up)
      await within(this.#clock, ANSWER_MS, connected?.connection.flush() ?? Promise.resolve()).catch(() => null);
    await connected?.connection.close();
  }

  async #open(): Promise<QueueReport> {
    if (this.#closed) throw new QueueError('The queue is closed.');
    const connected = await this.#connect();
    const info = await ensureStream(connected).catch((error: unknown) => {
      throw error instanceof HoldfastError ? error : unavailable(error);
    });
    const { config } = info;
    const { servers, stream, subject } = this.#settings;
    return {
      driver: 'nats',
      place: `nats://${servers.join(',')} ${stream} ${subject}.>`,
      settings: {
        version: connected.connection.info?.version ?? 'unknown',
        retention: config.retention,
        storage: config.storage,
        discard: config.discard,
        replicas: config.num_replicas,
        maxBytes: config.max_bytes,
        maxAgeMs: config.max_age / 1e6,
      },
      warnings: streamWarnings(connected.package, config),
    };
  }

  async #now(): Promise<Connected> {
    if (this.#closed) throw new QueueError('The queue is closed.');
    if (this.#opening === null) throw new QueueError('The queue has not been opened.');
    const connected = await this.#connect();
    if (!this.#up) throw new QueueError('There is no connection to NATS now.');
    return connected;
  }

  /** A client that gave up (it was refused too often) is replaced; one that has not connects again by itself. */
  async #connect(): Promise<Connected> {
    if (this.#connected?.connection.isClosed() === false) return this.#connected;
    this.#connecting ??= this.#makeConnection().finally(() => {
      this.#connecting = null;
    });
    return this.#connecting;
  }

  async #makeConnection(): Promise<Connected> {
    const { connect, createInbox } = await loadClient(
      '@nats-io/transport-node',
      () => import('@nats-io/transport-node'),
    );
    const js = await loadClient('@nats-io/jetstream', () => import('@nats-io/jetstream'));
    const { servers, user, password, token, tls } = this.#settings;
    const connection = await connect({
      servers: [...servers],
      name: 'holdfast',
      timeout: ANSWER_MS,
      maxReconnectAttempts: -1,
      reconnectTimeWait: CONNECT_AGAIN_MS,
      ignoreAuthErrorAbort: true,
      pingInterval: PING_MS,
      ...(user === null ? {} : { user }),
      ...(password === null ? {} : { pass: password }),
      ...(token === null ? {} : { token }),
      ...(tls ? { tls: {} } : {}),
    }).catch((error: unknown) => {
      throw unavailable(error);
    });
    if (this.#closed) {
      await connection.close();
      throw new QueueError('The queue is closed.');
    }
    const manager = await js.jetstreamManager(connection, { checkAPI: false, timeout: ANSWER_MS });
    const requests = new Requests({
      connection,
      clock: this.#clock,
      inbox: createInbox(),
      received: (message) => this.#received(message),
      missing: (channel) => this.#connected?.consumers.delete(channel),
    });
    const connected: Connected = {
      package: js,
      connection,
      manager,
      client: js.jetstream(connection, { timeout: ANSWER_MS }),
      requests,
      consumers: new Map(),
      settings: this.#settings,
      visibilityMs: this.#visibilityMs,
    };
    this.#connected = connected;
    this.#up = true;
    void this.#follow(connected);
    return connected;
  }

  /** Requests do not outlive a connection: the server has forgotten them. Ends with the connection. */
  async #follow({ connection, requests, consumers }: Connected): Promise<void> {
    for await (const status of connection.status()) {
      const { type } = status;
      if (type === 'error' && status.error.message.includes(ACK_PREFIX)) this.#refused = status.error.message;
      if (type === 'reconnect') this.#up = true;
      if (type !== 'disconnect' && type !== 'close') continue;
      this.#up = false;
      consumers.clear();
      requests.failAll(new QueueError('The connection to NATS was lost.'));
    }
  }

  async #request(channel: string, max: number, waitMs: number): Promise<void> {
    const connected = await this.#now();
    const { consumers, requests } = connected;
    const known = consumers.get(channel) ?? this.#makeConsumer(connected, channel);
    consumers.set(channel, known);
    try {
      await this.#asking(() => known);
    } catch (error) {
      consumers.delete(channel);
      throw error;
    }
    const { stream } = this.#settings;
    const api = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumerOf(this.#settings, channel)}`;
    await requests.request({ channel, api, max, waitMs });
  }

  async #makeConsumer(connected: Connected, channel: string): Promise<void> {
    await ensureStream(connected);
    await ensureConsumer(connected, channel);
  }

  #received(message: Msg): void {
    const channel = message.subject.slice(this.#settings.subject.length + 1);
    this.#intake.received(channel, message.data, message.reply ?? '');
  }

  /** Answers hints. The server has got the answers when it answers the ping that follows them. */
  async #answer(receipts: readonly string[], answer: string): Promise<void> {
    const { connection } = await this.#now();
    const subjects = receipts.filter((receipt) => ACK_SUBJECT.test(receipt));
    if (subjects.length === 0) return;
    for (const subject of subjects) connection.publish(subject, answer);
    await this.#asking(() => connection.flush());
  }

  /** An answer of the server within its time, or the port's error. @throws QueueError */
  #asking<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    return within(this.#clock, 2 * ANSWER_MS, ask()).catch((error: unknown) => {
      throw unavailable(error);
    });
  }
}

function isNotEnabled(error: unknown): boolean {
  return error instanceof Error && error.name === 'JetStreamNotEnabled';
}
