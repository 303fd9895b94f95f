/** What the cases are written with: queues that stand for processes, ids, and ways to wait for what is promised. */
import assert from 'node:assert/strict';
import { IdMaker } from '../../core/id.ts';
import {
  type ChannelDepth,
  type Hint,
  type Pulled,
  type PulledHint,
  type Queue,
  QueueError,
} from '../../queue/queue.ts';
import type { QueueCapability, QueueConformanceCase, QueueHarness } from './harness.ts';

/** How long a case waits for what must come, in ms: no promise about time, only about ever. */
const LIVE_MS_MAX = 20_000;
const LOOK_MS = 25;

/** A visibility time that does not end within a case. */
const LONG_MS = 60_000;

const ids = new IdMaker({ now: () => Date.now(), fill: (bytes) => crypto.getRandomValues(bytes) });

/** New ids of deliveries. */
export function makeIds(count: number): readonly string[] {
  return Array.from({ length: count }, () => ids.make('dlv'));
}

/** New hints of one channel. */
export function makeHints(channel: string, count: number, idsEach = 1): readonly Hint[] {
  return Array.from({ length: count }, () => ({ channel, ids: makeIds(idsEach) }));
}

/** One case's view of its harness. Closes every queue that it opened. */
export class QueueWorld {
  readonly harness: QueueHarness;
  readonly #opened: Queue[] = [];

  constructor(harness: QueueHarness) {
    this.harness = harness;
  }

  /** A queue of one more process; its visibility time does not end within the case, unless it is `short`. */
  make(visibility: 'long' | 'short' = 'long'): Queue {
    const queue = this.harness.make(visibility === 'long' ? LONG_MS : this.harness.visibilityMs);
    this.#opened.push(queue);
    return queue;
  }

  async open(visibility: 'long' | 'short' = 'long'): Promise<Queue> {
    const queue = this.make(visibility);
    await queue.open();
    return queue;
  }

  dieHolding(channel: string, max: number): Promise<readonly string[]> {
    return this.harness.dieHolding({ channel, max, visibilityMs: this.harness.visibilityMs });
  }

  async close(): Promise<void> {
    for (const queue of this.#opened) await queue.close();
  }
}

/** Tries until it does not reject with a {@link QueueError}. */
export async function untilAvailable<T>(call: () => Promise<T>): Promise<T> {
  const until = Date.now() + LIVE_MS_MAX;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof QueueError) || Date.now() > until) throw error;
    }
    await pause();
  }
}

/** Pulls until it has so many hints, and answers them with what was skipped on the way. Acknowledges nothing. */
export async function pullUntil(queue: Queue, channels: readonly string[], count: number): Promise<Pulled> {
  const hints: PulledHint[] = [];
  let skipped = 0;
  const until = Date.now() + LIVE_MS_MAX;
  while (hints.length < count) {
    const max = count - hints.length;
    const pulled = await untilAvailable(() => queue.pull({ channels, max, waitMs: 1000 }));
    assert.ok(pulled.hints.length <= max, `${pulled.hints.length} hints were given where ${max} were asked for`);
    hints.push(...pulled.hints);
    skipped += pulled.skipped;
    assert.ok(Date.now() < until, `${hints.length} of ${count} hints came`);
  }
  return { hints, skipped };
}

/** Pulls until each of these ids has come, however often. Acknowledges nothing. */
export async function pullIds(queue: Queue, channels: readonly string[], ids: readonly string[]): Promise<void> {
  const missing = new Set(ids);
  const until = Date.now() + LIVE_MS_MAX;
  while (missing.size > 0) {
    const { hints } = await pullUntil(queue, channels, 1);
    for (const id of idsOf(hints)) missing.delete(id);
    assert.ok(Date.now() < until, `${missing.size} of ${ids.length} ids did not come`);
  }
}

/** Looks until the depth of the channel is this. */
export async function untilDepth(queue: Queue, expected: ChannelDepth): Promise<void> {
  const until = Date.now() + LIVE_MS_MAX;
  for (;;) {
    const depth = await queue.depth([expected.channel]);
    if (Date.now() > until) assert.deepEqual(depth, [expected]);
    const [found] = depth;
    if (found?.waiting === expected.waiting && found.given === expected.given) return;
    await pause();
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}

/** All ids of hints, in order. */
export function idsOf(hints: readonly Hint[]): readonly string[] {
  return hints.flatMap(({ ids }) => ids);
}

/** The receipts of pulled hints. */
export function receiptsOf(hints: readonly PulledHint[]): readonly string[] {
  return hints.map(({ receipt }) => receipt);
}

/** Makes a case of a promise and the way to see it. */
export function promise(
  name: string,
  see: (world: QueueWorld) => Promise<void>,
  ...requires: readonly QueueCapability[]
): QueueConformanceCase {
  const run = async (harness: QueueHarness): Promise<void> => {
    const world = new QueueWorld(harness);
    try {
      await see(world);
    } finally {
      await world.close();
    }
  };
  return { name, run, ...(requires.length === 0 ? {} : { requires }) };
}
