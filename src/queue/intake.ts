/**
 * Pulling from brokers that give one channel at a time (a consumer, a queue of their own): one request a channel is
 * under way while somebody pulls, what it brings lies here until a pull takes it, and what no pull takes is handed back.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { Bell } from './bell.ts';
import { unavailable } from './client.ts';
import { decodeIds } from './hints.ts';
import type { Pulled, PulledHint, PullRequest, QueueError } from './queue.ts';

/** What is handed back when no pull has taken it for so long: this process is busy, another may not be. */
const KEEP_MS_MAX = 1_000;

/** After a request that ended early with nothing, the next one for that channel waits so long. */
const REST_MS = 100;

/** What the driver of such a broker does for the intake. */
export interface Source {
  /** How many hints one request asks for at most. */
  readonly batchMax: number;
  /** How long one request waits at most, in ms. */
  readonly waitMsMax: number;
  /**
   * Asks for up to `max` hints of a channel, waiting `waitMs` for the first; 0: what is there now. Calls
   * {@link Intake.received} for each, resolves when this request brings no more. Ends by itself, a little after
   * `waitMs` at the latest.
   * @throws QueueError
   */
  request(channel: string, max: number, waitMs: number): Promise<void>;
  /** Makes hints that were received ready for anybody at once. */
  handBack(receipts: readonly string[]): Promise<void>;
  /** Takes what is no hint out of the broker. */
  discard(receipts: readonly string[]): Promise<void>;
}

interface Kept {
  readonly hint: PulledHint;
  readonly since: number;
}

/** One channel: what lies here, and the request that is under way. */
class Lane {
  kept: Kept[] = [];
  asking = false;
  /** Whether the request under way has brought anything. */
  brought = false;
  restUntil = -Infinity;
  failure: QueueError | null = null;
}

export class Intake {
  readonly #clock: Clock;
  readonly #source: Source;
  readonly #keepMs: number;
  readonly #bell: Bell;
  readonly #lanes = new Map<string, Lane>();
  #handBack: Timer | null = null;
  #skipped = 0;
  #turn = 0;
  #closed = false;

  constructor(source: Source, clock: Clock, visibilityMs: number) {
    this.#source = source;
    this.#clock = clock;
    this.#keepMs = Math.min(KEEP_MS_MAX, visibilityMs / 4);
    this.#bell = new Bell(clock);
  }

  /** The source has got this from the broker. */
  received(channel: string, bytes: Uint8Array, receipt: string): void {
    const ids = decodeIds(bytes);
    this.#lane(channel).brought = true;
    if (ids === null) {
      this.#skipped++;
      // Where this fails it is met again, and counted again.
      this.#source.discard([receipt]).catch(() => undefined);
    } else if (this.#closed) {
      this.#source.handBack([receipt]).catch(() => undefined);
    } else {
      this.#lane(channel).kept.push({ hint: { channel, ids, receipt }, since: this.#clock.monotonic() });
      this.#handBack ??= this.#clock.schedule(this.#keepMs, () => this.#handBackOld());
    }
    this.#bell.ring();
  }

  /** See the port. The driver has checked that it is open. @throws QueueError */
  async pull(request: PullRequest): Promise<Pulled> {
    const { channels, signal } = request;
    const until = this.#clock.monotonic() + request.waitMs;
    for (const channel of channels) this.#lane(channel).failure = null;
    let asked = false;
    for (;;) {
      const since = this.#bell.rings;
      const hints = this.#take(request);
      const leftMs = until - this.#clock.monotonic();
      const late = leftMs <= 0 && (request.waitMs > 0 || (asked && !this.#asking(channels)));
      if (hints.length > 0 || late || this.#closed || signal?.aborted === true) return this.#answer(hints);
      this.#throwFailure(channels);
      if (leftMs > 0 || !asked) this.#ask(request, Math.max(0, leftMs));
      asked = true;
      // With no wait the requests that were just made are waited for: they end by themselves.
      const delayMs = request.waitMs === 0 ? Infinity : Math.min(leftMs, this.#restMs(channels));
      await this.#bell.wait({ since, delayMs: Math.min(delayMs, 2 ** 30), signal });
    }
  }

  /** Ends waiting pulls and hands back what lies here. What arrives afterwards is handed back too. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#handBack?.cancel();
    this.#bell.ring();
    const receipts = [...this.#lanes.values()].flatMap(({ kept }) => kept.map(({ hint }) => hint.receipt));
    this.#lanes.clear();
    if (receipts.length > 0) await this.#source.handBack(receipts).catch(() => undefined);
  }

  #answer(hints: readonly PulledHint[]): Pulled {
    const skipped = this.#skipped;
    this.#skipped = 0;
    return { hints, skipped };
  }

  /** One of each channel in turns; the turn goes on where the last pull stopped. */
  #take({ channels, max }: PullRequest): readonly PulledHint[] {
    const hints: PulledHint[] = [];
    for (let empty = 0; empty < channels.length && hints.length < max; this.#turn++) {
      const kept = this.#lane(channels[this.#turn % channels.length] ?? '').kept.shift();
      empty = kept === undefined ? empty + 1 : 0;
      if (kept !== undefined) hints.push(kept.hint);
    }
    return hints;
  }

  #ask({ channels, max }: PullRequest, leftMs: number): void {
    const now = this.#clock.monotonic();
    const each = Math.min(this.#source.batchMax, Math.max(1, Math.ceil(max / channels.length)));
    // A request may last longer than the pull that makes it: what it brings then lies here for the next.
    const waitMs = leftMs > 0 ? this.#source.waitMsMax : 0;
    for (const channel of channels) {
      const lane = this.#lane(channel);
      if (!lane.asking && lane.restUntil <= now) void this.#request(channel, lane, { each, waitMs });
    }
  }

  async #request(channel: string, lane: Lane, of: { readonly each: number; readonly waitMs: number }): Promise<void> {
    lane.asking = true;
    lane.brought = false;
    const begun = this.#clock.monotonic();
    try {
      await this.#source.request(channel, of.each, of.waitMs);
    } catch (error) {
      lane.failure = unavailable(error);
    }
    const now = this.#clock.monotonic();
    if (!lane.brought && now - begun < of.waitMs) lane.restUntil = now + REST_MS;
    lane.asking = false;
    this.#bell.ring();
  }

  #asking(channels: readonly string[]): boolean {
    return channels.some((channel) => this.#lane(channel).asking);
  }

  /** How long until the next of these channels may be asked again, in ms; Infinity when all are being asked. */
  #restMs(channels: readonly string[]): number {
    const now = this.#clock.monotonic();
    const resting = channels.map((channel) => this.#lane(channel)).filter(({ asking }) => !asking);
    return Math.min(...resting.map(({ restUntil }) => Math.max(1, restUntil - now)));
  }

  #throwFailure(channels: readonly string[]): void {
    for (const channel of channels) {
      const { failure } = this.#lane(channel);
      if (failure !== null) throw failure;
    }
  }

  #handBackOld(): void {
    this.#handBack = null;
    const before = this.#clock.monotonic() - this.#keepMs;
    const receipts: string[] = [];
    let left = 0;
    for (const lane of this.#lanes.values()) {
      const old = lane.kept.filter(({ since }) => since <= before);
      receipts.push(...old.map(({ hint }) => hint.receipt));
      lane.kept = lane.kept.slice(old.length);
      left += lane.kept.length;
    }
    if (left > 0) this.#handBack = this.#clock.schedule(this.#keepMs, () => this.#handBackOld());
    if (receipts.length > 0) this.#source.handBack(receipts).catch(() => undefined);
  }

  #lane(channel: string): Lane {
    const known = this.#lanes.get(channel) ?? new Lane();
    this.#lanes.set(channel, known);
    return known;
  }
}
