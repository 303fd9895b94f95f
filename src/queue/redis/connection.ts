/** The connections to Redis: one for commands, which fails at once while there is none; one that only listens. */
import { createHash } from 'node:crypto';
import type { Redis, RedisOptions } from 'ioredis';
import type { Clock } from '../../core/clock.ts';
import { loadClient, unavailable, within } from '../client.ts';
import { QueueError } from '../queue.ts';

const CONNECT_MS = 3_000;
const ANSWER_MS = 5_000;
const AGAIN_MS_MIN = 50;
const AGAIN_MS_MAX = 1_000;

/**
 * A command is not queued while there is no connection, and not sent again when one breaks: the port says that the call
 * failed. A broken connection is made again for ever; a silent one is given up by `socketTimeout`. A replica that was a
 * primary says READONLY, a script of it somewhere in its error: then the address leads to another one by now.
 */
const COMMANDS = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  enableAutoPipelining: false,
  connectTimeout: CONNECT_MS,
  commandTimeout: ANSWER_MS,
  socketTimeout: ANSWER_MS,
  connectionName: 'holdfast',
  retryStrategy: (times: number) => Math.min(AGAIN_MS_MAX, AGAIN_MS_MIN * times),
  reconnectOnError: (error: Error) => error.message.includes('READONLY'),
} satisfies RedisOptions;

/** The listener may wait for its connection. Where it misses something, the next look finds it. */
const LISTENER = {
  ...COMMANDS,
  enableOfflineQueue: true,
  maxRetriesPerRequest: null,
  commandTimeout: undefined,
  socketTimeout: undefined,
  autoResubscribe: true,
} satisfies RedisOptions;

/** What a script takes. */
export interface ScriptInput {
  readonly keys: readonly string[];
  readonly values: readonly (string | number | Buffer)[];
}

interface Opening {
  readonly url: string;
  readonly clock: Clock;
  /** The channel on which waiting processes are called, and what to do then. */
  readonly bell: string;
  heard(this: void): void;
}

export class RedisConnection {
  readonly #commands: Redis;
  readonly #listener: Redis;
  readonly #digests = new Map<string, string>();

  private constructor(commands: Redis, listener: Redis) {
    this.#commands = commands;
    this.#listener = listener;
  }

  /**
   * @throws QueueError, HoldfastError client_missing
   */
  static async open({ url, clock, bell, heard }: Opening): Promise<RedisConnection> {
    const { Redis } = await loadClient('ioredis', () => import('ioredis'));
    const commands = new Redis(url, COMMANDS);
    const listener = new Redis(url, LISTENER);
    // Every failure comes back from a call too; without a listener ioredis prints it.
    for (const client of [commands, listener]) client.on('error', () => undefined);
    listener.on('message', heard);
    const connection = new RedisConnection(commands, listener);
    try {
      await commands.connect();
      // Where it cannot listen now, or ever, waiting pulls look each second all the same.
      await within(clock, CONNECT_MS, listener.subscribe(bell)).catch(() => undefined);
    } catch (error) {
      connection.close();
      throw unavailable(error);
    }
    return connection;
  }

  /** Runs a script, and brings it to a server that does not have it. @throws QueueError */
  async run(script: string, input: ScriptInput): Promise<unknown> {
    const digest = this.#digests.get(script) ?? createHash('sha1').update(script).digest('hex');
    this.#digests.set(script, digest);
    const rest = [input.keys.length, ...input.keys, ...input.values];
    try {
      return await this.#commands.callBuffer('EVALSHA', [digest, ...rest]);
    } catch (error) {
      if (!(error as Error).message.startsWith('NOSCRIPT')) throw unavailable(error);
    }
    return this.#commands.callBuffer('EVAL', [script, ...rest]).catch((error: unknown) => {
      throw unavailable(error);
    });
  }

  /** The lines `name:value` of INFO. @throws QueueError */
  async info(): Promise<ReadonlyMap<string, string>> {
    const text = await this.#commands.info().catch((error: unknown) => {
      throw unavailable(error);
    });
    const lines = text.split('\r\n').map((line) => line.split(':', 2));
    return new Map(lines.map(([name = '', value = '']) => [name, value]));
  }

  close(): void {
    this.#commands.disconnect();
    this.#listener.disconnect();
  }
}

/** A queue that is not connected, and why. */
export function notOpen(closed: boolean): QueueError {
  return new QueueError(closed ? 'The queue is closed.' : 'The queue has not been opened.');
}
