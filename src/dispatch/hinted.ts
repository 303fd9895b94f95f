/**
 * Hints in: a worker asks the queue for the channels of the lanes that want work, claims in the store what the hints
 * name, and acknowledges them whatever the claim answered. Where the claim failed the hint is given again, to anybody.
 */
import type { Clock } from '../core/clock.ts';
import { Bell } from '../queue/bell.ts';
import { endpointChannels } from '../queue/hints.ts';
import type { PulledHint } from '../queue/queue.ts';
import type { Broker } from './broker.ts';
import type { Directory, Lanes } from './lanes.ts';
import { channelOf } from './offers.ts';

export interface HintedOptions {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly lanes: Lanes;
  readonly directory: Directory;
  /** Claims these ids for these destinations. Resolves when the store has answered; `false`: it did not. */
  readonly claim: (destinations: readonly string[], ids: readonly string[]) => Promise<boolean>;
}

/** Hints that one pull takes at most: 128 ids each. */
const PULL_MAX = 8;
/** A pull waits so long: then lanes that want work only now are asked for too. */
const PULL_WAIT_MS = 1000;
/** While every lane has enough, or the broker or the store is away. */
const REST_MS = 50;
const FAILED_MS = 500;

export class Hinted {
  readonly #options: HintedOptions;
  readonly #bell: Bell;
  readonly #stopping = new AbortController();
  /** The channel of each managed endpoint: a digest that is made once, and again for all when some have gone. */
  #channelOf = new Map<string, string>();
  #running: Promise<void> | null = null;

  constructor(options: HintedOptions) {
    this.#options = options;
    this.#bell = new Bell(options.clock);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Takes no more. Hints that were taken and not acknowledged are given to others. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const channels = this.#channels();
      if (channels.length === 0) await this.#rest(REST_MS);
      else if (!(await this.#pull(channels))) await this.#rest(FAILED_MS);
    }
  }

  /** Whether the broker and the store took part. */
  async #pull(channels: readonly string[]): Promise<boolean> {
    const { broker, claim } = this.#options;
    const { signal } = this.#stopping;
    const pulled = await broker.use((queue) => queue.pull({ channels, max: PULL_MAX, waitMs: PULL_WAIT_MS, signal }));
    if (pulled === null) return false;
    if (pulled.hints.length === 0 || signal.aborted) return true;
    const ids = pulled.hints.flatMap((hint) => hint.ids);
    if (!(await claim(this.#destinationsOf(pulled.hints), ids))) return false;
    await broker.use((queue) => queue.ack(pulled.hints.map(({ receipt }) => receipt)));
    return true;
  }

  #channels(): readonly string[] {
    const { lanes, directory } = this.#options;
    const fixed = lanes.fixed();
    const wanting = [...lanes.values()].filter((lane) => fixed.has(lane.destination.name) && lane.wantsHints);
    const channels = wanting.map((lane) => channelOf(lane.destination.name));
    const some = directory.names()[Symbol.iterator]().next().done !== true;
    return some ? [...channels, ...endpointChannels()] : channels;
  }

  /** The destinations of this process that hints of these channels may be for. */
  #destinationsOf(hints: readonly PulledHint[]): readonly string[] {
    const { lanes, directory } = this.#options;
    const channels = new Set(hints.map(({ channel }) => channel));
    const found = [...lanes.fixed()].filter((name) => channels.has(channelOf(name)));
    let count = 0;
    for (const name of directory.names()) {
      count++;
      const channel = this.#channelOf.get(name) ?? channelOf(name);
      this.#channelOf.set(name, channel);
      // What is held here, or is for another process to do, is found by who has it when it looks.
      if (channels.has(channel) && lanes.awake(name)?.paused !== true) found.push(name);
    }
    if (this.#channelOf.size > 2 * count) this.#channelOf = new Map();
    return found;
  }

  #rest(delayMs: number): Promise<void> {
    return this.#bell.wait({ since: this.#bell.rings, delayMs, signal: this.#stopping.signal });
  }
}
