/**
 * The queue in memory: the executable specification, for tests and for several gateways in one process. What is pushed
 * is gone when the process ends, which is what a broker that was wiped looks like.
 */
import type { Clock } from '../core/clock.ts';
import { Bell } from './bell.ts';
import { decodeIds, encodeIds } from './hints.ts';
import {
  type ChannelDepth,
  type Hint,
  type Pulled,
  type PulledHint,
  type PullRequest,
  type Queue,
  QueueError,
  type QueueReport,
  VISIBILITY_MS,
} from './queue.ts';

interface Entry {
  readonly id: number;
  readonly bytes: Uint8Array;
}

/** Entries of one channel: those that wait as they came, those that were given as they were given. */
class Channel {
  readonly waiting = new Map<number, Entry>();
  readonly given = new Map<number, { readonly entry: Entry; readonly until: number }>();

  /** When the visibility of what was given first ends: of all, since queues that share a broker have one visibility. */
  get firstEnd(): number {
    return this.given.values().next().value?.until ?? Infinity;
  }

  ended(now: number): Entry | undefined {
    return this.firstEnd <= now ? this.given.values().next().value?.entry : undefined;
  }
}

/** What several memory queues share: the place of a broker. */
export class MemoryBroker {
  readonly #channels = new Map<string, Channel>();
  readonly #bells = new Set<() => void>();
  #entries = 0;
  #up = true;

  /** Whether it answers. */
  get up(): boolean {
    return this.#up;
  }

  /** It stops answering; what it holds stays. */
  stop(): void {
    this.#up = false;
    this.#ring();
  }

  start(): void {
    this.#up = true;
    this.#ring();
  }

  /** Everything it held is gone. */
  wipe(): void {
    this.#channels.clear();
  }

  /** Adds bytes to a channel, hint or not. */
  add(channel: string, bytes: Uint8Array): void {
    const entry = { id: ++this.#entries, bytes };
    this.#channel(channel).waiting.set(entry.id, entry);
    this.#ring();
  }

  /** Gives an entry of a channel until a time: one whose visibility has ended, or the oldest that waits. */
  take(channel: string, time: { readonly now: number; readonly until: number }): Entry | null {
    const known = this.#channels.get(channel);
    if (known === undefined) return null;
    const entry = known.ended(time.now) ?? known.waiting.values().next().value;
    if (entry === undefined) return null;
    known.waiting.delete(entry.id);
    known.given.delete(entry.id);
    known.given.set(entry.id, { entry, until: time.until });
    return entry;
  }

  remove(channel: string, id: number): void {
    this.#channels.get(channel)?.waiting.delete(id);
    this.#channels.get(channel)?.given.delete(id);
  }

  /** When the next visibility in these channels ends; Infinity when nothing is given. */
  nextEnd(channels: readonly string[]): number {
    return Math.min(...channels.map((channel) => this.#channels.get(channel)?.firstEnd ?? Infinity));
  }

  depth(channel: string, now: number): ChannelDepth {
    const known = this.#channels.get(channel) ?? new Channel();
    const ended = [...known.given.values()].filter(({ until }) => until <= now).length;
    return { channel, waiting: known.waiting.size + ended, given: known.given.size - ended };
  }

  /** Calls `run` when something may have changed, until the function it returns is called. */
  onChange(run: () => void): () => void {
    this.#bells.add(run);
    return () => void this.#bells.delete(run);
  }

  #ring(): void {
    for (const bell of this.#bells) bell();
  }

  #channel(name: string): Channel {
    const known = this.#channels.get(name) ?? new Channel();
    this.#channels.set(name, known);
    return known;
  }
}

export interface MemoryQueueOptions {
  readonly clock: Clock;
  /** Shared by queues that stand for processes of one gateway. Default: one of its own. */
  readonly broker?: MemoryBroker;
  /** The same for all that share a broker. Default {@link VISIBILITY_MS}. */
  readonly visibilityMs?: number;
}

export function memoryQueue(options: MemoryQueueOptions): Queue {
  return new MemoryQueue(options);
}

class MemoryQueue implements Queue {
  readonly #clock: Clock;
  readonly #broker: MemoryBroker;
  readonly #visibilityMs: number;
  readonly #bell: Bell;
  #closed = false;
  #turn = 0;

  constructor(options: MemoryQueueOptions) {
    this.#clock = options.clock;
    this.#bell = new Bell(options.clock);
    this.#broker = options.broker ?? new MemoryBroker();
    this.#visibilityMs = options.visibilityMs ?? VISIBILITY_MS;
  }

  async open(): Promise<QueueReport> {
    this.#answering();
    const settings = { visibilityMs: this.#visibilityMs };
    return { driver: 'memory', place: 'this process', settings, warnings: [] };
  }

  async push(hints: readonly Hint[]): Promise<void> {
    this.#answering();
    const encoded = hints.map(({ channel, ids }) => ({ channel, bytes: encodeIds(ids) }));
    for (const { channel, bytes } of encoded) this.#broker.add(channel, bytes);
  }

  async pull(request: PullRequest): Promise<Pulled> {
    const { channels, signal } = request;
    const until = this.#clock.monotonic() + request.waitMs;
    const forget = this.#broker.onChange(() => this.#bell.ring());
    let skipped = 0;
    try {
      for (;;) {
        const since = this.#bell.rings;
        this.#answering();
        const taken = this.#take(request);
        skipped += taken.skipped;
        const over = this.#clock.monotonic() >= until || signal?.aborted === true;
        if (taken.hints.length > 0 || over) return { hints: taken.hints, skipped };
        const end = Math.min(until, this.#broker.nextEnd(channels));
        await this.#bell.wait({ since, delayMs: end - this.#clock.monotonic(), signal });
        if (this.#closed) return { hints: [], skipped };
      }
    } finally {
      forget();
    }
  }

  async ack(receipts: readonly string[]): Promise<void> {
    this.#answering();
    for (const receipt of receipts) {
      const [channel = '', id = ''] = receipt.split(':');
      this.#broker.remove(channel, Number(id));
    }
  }

  async depth(channels: readonly string[]): Promise<readonly ChannelDepth[]> {
    this.#answering();
    return channels.map((channel) => this.#broker.depth(channel, this.#clock.monotonic()));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#bell.ring();
  }

  #answering(): void {
    if (this.#closed) throw new QueueError('The queue is closed.');
    if (!this.#broker.up) throw new QueueError('The broker does not answer.');
  }

  /** One of each channel in turns; the turn goes on where the last pull stopped. */
  #take({ channels, max }: PullRequest): { hints: PulledHint[]; skipped: number } {
    const now = this.#clock.monotonic();
    const hints: PulledHint[] = [];
    let skipped = 0;
    for (let empty = 0; empty < channels.length && hints.length < max; this.#turn++) {
      const channel = channels[this.#turn % channels.length] ?? '';
      const entry = this.#broker.take(channel, { now, until: now + this.#visibilityMs });
      empty = entry === null ? empty + 1 : 0;
      const ids = entry === null ? null : decodeIds(entry.bytes);
      if (ids !== null) hints.push({ channel, ids, receipt: `${channel}:${entry?.id}` });
      if (entry === null || ids !== null) continue;
      this.#broker.remove(channel, entry.id);
      skipped++;
    }
    return { hints, skipped };
  }
}
