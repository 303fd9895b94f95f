/**
 * Hints out: what a commit left in the store for anybody to claim is told to the queue, soon after and never instead.
 * A hint may be lost: workers look at the store every few seconds.
 */
import type { Clock } from '../core/clock.ts';
import { isId } from '../core/id.ts';
import { endpointChannel, handlerChannel, hintsOf, type Ready } from '../queue/hints.ts';
import type { Hint } from '../queue/queue.ts';
import type { Broker } from './broker.ts';

/** Most hints of a channel that may lie in the broker: behind a backlog workers find their work in the store. */
const OUTSTANDING_MAX = 256;
/** So many hints of a channel are pushed between two looks at how many it holds. */
const TRUSTED_MAX = 64;
/** The least time between two looks: some brokers charge for them. */
const LOOK_MS = 1000;
/** Ids that wait for a push; beyond that they are left to be found. */
const WAITING_MAX = 8192;

/** The channel that hints of a destination go through. */
export function channelOf(destination: string): string {
  return isId('ep', destination) ? endpointChannel(destination) : handlerChannel(destination);
}

interface Outstanding {
  count: number;
  lookedAt: number;
}

export class Offers {
  readonly #broker: Broker;
  readonly #clock: Clock;
  readonly #outstanding = new Map<string, Outstanding>();
  #waiting: Ready[] = [];
  #pushing: Promise<void> | null = null;
  #closed = false;

  constructor({ broker, clock }: { readonly broker: Broker; readonly clock: Clock }) {
    this.#broker = broker;
    this.#clock = clock;
  }

  /** A delivery that waits in the store for whoever claims it. */
  add(destination: string, deliveryId: string): void {
    if (this.#closed || !this.#broker.opened || this.#waiting.length >= WAITING_MAX) return;
    this.#waiting.push({ channel: channelOf(destination), id: deliveryId });
    this.#pushing ??= Promise.resolve().then(() => this.#pushAll());
  }

  /** Takes no more; resolves when what waited is pushed. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#pushing;
  }

  /** One push at a time: what comes meanwhile goes with the next. */
  async #pushAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const hints = hintsOf(this.#waiting);
      this.#waiting = [];
      const wanted = await this.#within(hints);
      if (wanted.length === 0) continue;
      const pushed = await this.#broker.use(async (queue) => {
        await queue.push(wanted);
        return true;
      });
      if (pushed === true) for (const { channel } of wanted) this.#of(channel).count++;
    }
    this.#pushing = null;
  }

  /** Those whose channels have room. */
  async #within(hints: readonly Hint[]): Promise<readonly Hint[]> {
    const now = this.#clock.monotonic();
    const unsure = [...new Set(hints.map(({ channel }) => channel))].filter((channel) => {
      const { count, lookedAt } = this.#of(channel);
      return count >= TRUSTED_MAX && now - lookedAt >= LOOK_MS;
    });
    if (unsure.length > 0) await this.#look(unsure);
    const adding = new Map<string, number>();
    return hints.filter(({ channel }) => {
      const more = (adding.get(channel) ?? 0) + 1;
      if (this.#of(channel).count + more > OUTSTANDING_MAX) return false;
      adding.set(channel, more);
      return true;
    });
  }

  async #look(channels: readonly string[]): Promise<void> {
    const depths = await this.#broker.use((queue) => queue.depth(channels));
    const lookedAt = this.#clock.monotonic();
    for (const { channel, waiting, given } of depths ?? []) {
      this.#outstanding.set(channel, { count: waiting + given, lookedAt });
    }
  }

  #of(channel: string): Outstanding {
    const known = this.#outstanding.get(channel) ?? { count: 0, lookedAt: Number.NEGATIVE_INFINITY };
    this.#outstanding.set(channel, known);
    return known;
  }
}
