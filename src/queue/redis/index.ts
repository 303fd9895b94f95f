/**
 * Hints in Redis 6.2 or newer (and what speaks its protocol, with streams and Lua): a stream per channel, one group,
 * one script a batch. See docs/drivers/redis.md.
 */
import type { Clock } from '../../core/clock.ts';
import { HoldfastError } from '../../errors.ts';
import { Bell } from '../bell.ts';
import { inParts, queueUrl, UrlSettings } from '../client.ts';
import { decodeIds, encodeIds } from '../hints.ts';
import {
  type ChannelDepth,
  type Hint,
  type Pulled,
  type PulledHint,
  type PullRequest,
  type Queue,
  type QueueReport,
  VISIBILITY_MS,
} from '../queue.ts';
import { notOpen, RedisConnection } from './connection.ts';
import { ACK, DEPTH, PULL, PUSH } from './scripts.ts';

/** A script holds up everything else in Redis while it runs: so many hints are a millisecond or two. */
const SCRIPT_HINTS_MAX = 500;

/** A waiting pull looks this often without having heard anything: for visibilities that ended, and calls not heard. */
const LOOK_MS = 1_000;

/** For how long a look that found nothing asks to be called. Longer than {@link LOOK_MS}. */
const FLAG_MS = 5_000;

/** A stream to which nobody has pushed for so long goes: its hints have been offered again since. */
const STREAM_MS = 24 * 3_600_000;

const RECEIPT = /^([A-Za-z0-9_-]{1,64}):(\d{1,20}-\d{1,20})$/;

export interface RedisQueueOptions {
  /** `redis://user:password@host:6379/0?prefix=holdfast`, or `rediss://` for TLS. */
  readonly url: string;
  readonly clock: Clock;
  /** Default {@link VISIBILITY_MS}. */
  readonly visibilityMs?: number;
}

/** @throws HoldfastError config_invalid */
export function redisQueue(options: RedisQueueOptions): Queue {
  return new RedisQueue(options);
}

class RedisQueue implements Queue {
  readonly #clock: Clock;
  readonly #visibilityMs: number;
  readonly #lookMs: number;
  /** The URL for the client, without what is ours. */
  readonly #url: string;
  readonly #place: string;
  readonly #prefix: string;
  readonly #bell: Bell;
  #opening: Promise<QueueReport> | null = null;
  #connection: RedisConnection | null = null;
  #closed = false;
  #turn = 0;
  #lookedForEndedAt = -Infinity;
  readonly #lookedUpTo = new Map<string, string>();

  constructor({ url: text, clock, visibilityMs = VISIBILITY_MS }: RedisQueueOptions) {
    const url = queueUrl(text, ['redis', 'rediss']);
    const prefix = new UrlSettings(url, ['prefix']).name('prefix', 'holdfast');
    url.search = '';
    this.#url = url.href;
    this.#place = `${url.protocol}//${url.host}${url.pathname} {${prefix}}`;
    this.#prefix = `{${prefix}}`;
    this.#clock = clock;
    this.#visibilityMs = visibilityMs;
    this.#lookMs = Math.min(LOOK_MS, visibilityMs / 4);
    this.#bell = new Bell(clock);
  }

  open(): Promise<QueueReport> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = null;
      throw error;
    });
    return this.#opening;
  }

  async push(hints: readonly Hint[]): Promise<void> {
    const connection = this.#connected();
    const encoded = hints.map(({ channel, ids }) => ({ key: this.#key(channel), bytes: encodeIds(ids) }));
    for (const part of inParts(encoded, SCRIPT_HINTS_MAX)) {
      await connection.run(PUSH, {
        keys: [this.#flag, ...part.map(({ key }) => key)],
        values: [STREAM_MS, this.#bellName, ...part.map(({ bytes }) => bytes)],
      });
    }
  }

  async pull(request: PullRequest): Promise<Pulled> {
    const until = this.#clock.monotonic() + request.waitMs;
    const { signal } = request;
    let skipped = 0;
    for (;;) {
      const since = this.#bell.rings;
      const leftMs = until - this.#clock.monotonic();
      const over = leftMs <= 0 || signal?.aborted === true;
      const taken = await this.#take(request, over ? 0 : FLAG_MS);
      skipped += taken.skipped;
      if (taken.hints.length > 0 || over) return { hints: taken.hints, skipped };
      if (taken.skipped > 0) continue;
      await this.#bell.wait({ since, delayMs: Math.min(leftMs, this.#lookMs), signal });
      if (this.#closed) return { hints: [], skipped };
    }
  }

  async ack(receipts: readonly string[]): Promise<void> {
    const connection = this.#connected();
    for (const part of inParts(receipts, SCRIPT_HINTS_MAX)) {
      const entries = part.flatMap((receipt) => {
        const [, channel, entry] = RECEIPT.exec(receipt) ?? [];
        return channel === undefined || entry === undefined ? [] : [{ key: this.#key(channel), entry }];
      });
      if (entries.length === 0) continue;
      const byKey = [...Map.groupBy(entries, ({ key }) => key)];
      const values = byKey.flatMap(([, of]) => [of.length, ...of.map(({ entry }) => entry)]);
      await connection.run(ACK, { keys: byKey.map(([key]) => key), values });
    }
  }

  async depth(channels: readonly string[]): Promise<readonly ChannelDepth[]> {
    const keys = channels.map((channel) => this.#key(channel));
    const counts = (await this.#connected().run(DEPTH, { keys, values: [] })) as readonly number[];
    return channels.map((channel, index) => {
      const [length = 0, given = 0] = counts.slice(2 * index, 2 * index + 2);
      return { channel, waiting: Math.max(0, length - given), given };
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#bell.ring();
    await this.#opening?.catch(() => undefined);
    this.#connection?.close();
  }

  async #open(): Promise<QueueReport> {
    if (this.#closed) throw notOpen(true);
    const connection = await RedisConnection.open({
      url: this.#url,
      clock: this.#clock,
      bell: this.#bellName,
      heard: () => this.#bell.ring(),
    });
    try {
      const report = reportOf(await connection.info(), this.#place);
      this.#connection = connection;
      return report;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  #connected(): RedisConnection {
    if (this.#closed || this.#connection === null) throw notOpen(this.#closed);
    return this.#connection;
  }

  /** One look at the channels, beginning with another one each time. */
  async #take({ channels, max }: PullRequest, flagMs: number): Promise<{ hints: PulledHint[]; skipped: number }> {
    const connection = this.#connected();
    if (channels.length === 0) return { hints: [], skipped: 0 };
    const turn = this.#turn++ % channels.length;
    const order = [...channels.slice(turn), ...channels.slice(0, turn)];
    const found = (await connection.run(PULL, {
      keys: [this.#flag, ...order.map((channel) => this.#key(channel))],
      values: [
        max,
        Math.ceil(max / channels.length),
        this.#looksForEnded() ? this.#visibilityMs : 0,
        flagMs,
        ...order.map((channel) => this.#lookedUpTo.get(channel) ?? '0-0'),
      ],
    })) as readonly (readonly [number, Buffer, Buffer, number])[];
    const hints: PulledHint[] = [];
    const strange: string[] = [];
    for (const [stream, entry, bytes, again] of found) {
      const channel = order[stream - 1] ?? '';
      const receipt = `${channel}:${entry.toString()}`;
      if (again === 1) this.#lookedUpTo.set(channel, nextEntry(entry.toString()));
      const ids = decodeIds(bytes);
      if (ids === null) strange.push(receipt);
      else hints.push({ channel, ids, receipt });
    }
    if (strange.length > 0) await this.ack(strange);
    return { hints, skipped: strange.length };
  }

  /** Whether it is time to look for visibilities that ended: not at every pull, a look goes through what is given. */
  #looksForEnded(): boolean {
    const now = this.#clock.monotonic();
    if (now < this.#lookedForEndedAt + this.#lookMs) return false;
    this.#lookedForEndedAt = now;
    return true;
  }

  #key(channel: string): string {
    return `${this.#prefix}:hints:${channel}`;
  }

  get #flag(): string {
    return `${this.#prefix}:waiting`;
  }

  get #bellName(): string {
    return `${this.#prefix}:bell`;
  }
}

/** The lowest name that an entry after this one can have. */
function nextEntry(entry: string): string {
  const [ms = '0', sequence = '0'] = entry.split('-');
  return `${ms}-${BigInt(sequence) + 1n}`;
}

function reportOf(info: ReadonlyMap<string, string>, place: string): QueueReport {
  const version = info.get('redis_version') ?? '0';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < 6 || (major === 6 && minor < 2)) {
    throw new HoldfastError('queue_unfit', { detail: `Redis ${version} has no XAUTOCLAIM: 6.2 or newer is needed.` });
  }
  if (info.get('redis_mode') === 'cluster') {
    throw new HoldfastError('queue_unfit', {
      detail: 'This is a node of a Redis Cluster; a queue is one slot of it and needs a single Redis (or a primary).',
    });
  }
  const policy = info.get('maxmemory_policy') ?? 'unknown';
  const maxMemory = Number(info.get('maxmemory') ?? 0);
  const warnings = [
    ...(maxMemory > 0 && policy !== 'noeviction'
      ? [`maxmemory-policy is ${policy}: when memory is full Redis removes hints, which are then late; set noeviction.`]
      : []),
    ...(info.get('role') === 'slave' ? ['This is a replica: pushes fail until it is a primary.'] : []),
  ];
  const settings = { version, maxmemory: maxMemory, 'maxmemory-policy': policy, aof: info.get('aof_enabled') ?? '0' };
  return { driver: 'redis', place, settings, warnings };
}
