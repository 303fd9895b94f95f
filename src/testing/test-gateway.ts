/**
 * A gateway for users' own tests: the real one, on the store in memory and a clock that stands still, with no ports.
 * Requests are signed and go through the real ingest; time passes when the test says so.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { type Config, resolveConfig } from '../config.ts';
import type { DeliveryState } from '../core/delivery.ts';
import { type Duration, durationMs } from '../core/duration.ts';
import { Gateway } from '../gateway.ts';
import type { Source } from '../ingest/source.ts';
import { templateOf, unsigned, withType } from '../cli/simulate/template.ts';
import { memoryStore } from '../store/memory.ts';
import type { DeliveryFilter, DeliveryRecord, DestinationCounts, Store } from '../store/store.ts';
import { TestClock } from './clock.ts';

/** What a request was answered. */
export interface TestAnswer {
  readonly status: number;
  /** Of the accepted event; `null` when it was refused, or when the source's own answer does not say. */
  readonly eventId: string | null;
  readonly body: string;
  readonly headers: Headers;
}

export interface SendOptions {
  /** The dedupe key. Default: a different one each time. */
  readonly key?: string;
  /** Headers to add. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Registers handlers, as the module a config names does. */
export type Register<Given extends Config> = (gateway: Gateway<Given>) => unknown;

/** Real milliseconds after which `settled` gives up. */
const SETTLE_MS = 10_000;
/** Turns of the event loop in which nothing may change before things count as settled. */
const QUIET_TURNS = 8;
/** The same where something is ready, and nothing runs: what keeps it can only be the clock. */
const WAITING_TURNS = 64;
/** Real milliseconds that an attempt may take before time passes without it. */
const PATIENCE_MS = 500;
/** Answers every secret: it is text for those that take text, and a key for those that want `whsec_`. */
const TEST_SECRET = `whsec_${Buffer.from('holdfast-test-secret-of-32-bytes').toString('base64')}`;
/** Whatever runs it elsewhere, here it is one process on the store in memory. */
const ALONE = { store: 'memory:', queue: '', role: 'all', spool: '' };

const endedStates: readonly DeliveryState[] = ['succeeded', 'skipped', 'dead', 'cancelled'];

export class TestGateway<Given extends Config> implements AsyncDisposable {
  readonly gateway: Gateway<Given>;
  readonly clock: TestClock;
  readonly #store: Store;
  readonly #sources: readonly Source[];
  #sent = 0;
  /** What ran when nobody waited for it any longer. */
  #slow = '';

  constructor(parts: { gateway: Gateway<Given>; clock: TestClock; store: Store; sources: readonly Source[] }) {
    this.gateway = parts.gateway;
    this.clock = parts.clock;
    this.#store = parts.store;
    this.#sources = parts.sources;
  }

  /**
   * Sends a JSON body to a source as its provider would: with the type and a dedupe key where the source reads them, and
   * signed. Resolves with the answer, after the commit.
   */
  async send(
    ...[source, type, body = {}, options = {}]: [
      source: keyof Given['sources'] & string,
      type: string,
      body?: object,
      options?: SendOptions,
    ]
  ): Promise<TestAnswer> {
    const found = this.#sources.find(({ name }) => name === source);
    if (found === undefined) throw new Error(`There is no source '${source}'.`);
    const draft = {
      contentType: 'application/json',
      headers: Object.entries(options.headers ?? {}).flat(),
      query: '',
      body: Buffer.from(JSON.stringify(body)),
    };
    const typed = withType(draft, found.type, { name: type, split: found.split });
    const keyed = templateOf(typed, found.dedupeKey, found.split)(options.key ?? `test-${++this.#sent}`);
    const request = unsigned(keyed, 'POST', found.path);
    const signature = (await found.verifier.sign?.(request, this.clock.now())) ?? [];
    return this.request(found.path, {
      method: 'POST',
      headers: pairs([...request.headers, ...signature]),
      body: Buffer.from(keyed.body),
    });
  }

  /** Sends any request to the ingest side: for what is malformed, not signed, or hand-made. */
  async request(path: string, init: RequestInit): Promise<TestAnswer> {
    const response = await this.gateway.fetch(new Request(`http://test${path}`, init));
    const body = await response.text();
    return {
      status: response.status,
      eventId: /"(evt_[0-9a-z]+)"/.exec(body)?.[1] ?? null,
      body,
      headers: response.headers,
    };
  }

  /**
   * Lets time pass, and what falls due with it happen. What an attempt does in real time (files, a database) takes none of
   * this one, up to half a second; what takes longer, or has no end, runs on while time passes.
   */
  async advance(duration: Duration): Promise<void> {
    await this.clock.advanceSlowly(durationMs(duration, 'duration'), () => this.#attempted());
    await this.settled();
  }

  /**
   * Resolves when nothing is ready or running. What is due later, held or blocked stays, and so does what waits for its
   * batch to fill or for its rate: for time, that is. @throws when that takes 10 s of real time
   */
  async settled(): Promise<void> {
    const until = performance.now() + SETTLE_MS;
    let before = '';
    for (let quiet = 0, waiting = 0; quiet < QUIET_TURNS && waiting < WAITING_TURNS;) {
      await turn();
      const { destinations } = await this.#store.history.counts();
      const busy = this.#busy(destinations);
      const now = JSON.stringify(destinations);
      quiet = busy === null ? quiet + 1 : 0;
      waiting = now === before && this.#running() === '' ? waiting + 1 : 0;
      before = now;
      if (performance.now() > until)
        throw new Error(`Not settled after ${SETTLE_MS} ms: ${busy ?? 'unknown'} still runs.`);
    }
  }

  /** Deliveries, oldest first. */
  async deliveries(filter: DeliveryFilter = {}): Promise<readonly DeliveryRecord[]> {
    return (await this.#store.history.deliveries(filter, { limit: 10_000, oldestFirst: true })).rows;
  }

  /** Dead letters that are not resolved, oldest first. */
  deadLetters(): Promise<readonly DeliveryRecord[]> {
    return this.deliveries({ states: ['dead'], resolved: false });
  }

  /** How often each destination has ended deliveries, by state: `{ billing: { succeeded: 2 } }`. */
  async outcomes(): Promise<Readonly<Record<string, Partial<Record<DeliveryState, number>>>>> {
    const counted: Record<string, Partial<Record<DeliveryState, number>>> = {};
    for (const { destination, state } of await this.deliveries({ states: endedStates })) {
      const counts = (counted[destination] ??= {});
      counts[state] = (counts[state] ?? 0) + 1;
    }
    return counted;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.gateway.stop({ graceMs: 0 });
  }

  /** Resolves when what runs has ended, or has taken too long: then it is not waited for again. */
  async #attempted(): Promise<void> {
    const until = performance.now() + PATIENCE_MS;
    let running = '';
    let turns = 0;
    do {
      await turn();
      running = this.#running();
      turns++;
    } while (running !== '' && running !== this.#slow && (turns < WAITING_TURNS || performance.now() < until));
    this.#slow = running;
    if (turns > 1) await turn();
  }

  /** How many attempts run, by destination; '' for none. */
  #running(): string {
    const running = this.gateway.destinations().filter((destination) => destination.running > 0);
    return running.map((destination) => `${destination.name} ${destination.running}`).join();
  }

  /** A destination that has something to do now; `null`: none. */
  #busy(counts: readonly DestinationCounts[]): string | null {
    const paused = new Set(
      this.gateway
        .destinations()
        .filter(({ state, breaker }) => state === 'paused' || breaker === 'open')
        .map(({ name }) => name),
    );
    return (
      counts.find(({ destination, ready, claimed }) => claimed > 0 || (ready > 0 && !paused.has(destination)))
        ?.destination ?? null
    );
  }
}

/**
 * Starts a gateway for a test. Secrets that come from the environment are given one of the test's own, with which
 * `send` signs. Use it with `await using`.
 */
export async function testGateway<const Given extends Config>(
  config: Given,
  register: Register<Given> = () => undefined,
): Promise<TestGateway<Given>> {
  const clock = new TestClock();
  const environment = (name: string): string | undefined => (name.startsWith('HOLDFAST_') ? undefined : TEST_SECRET);
  const quiet = { logLevel: 'silent', diskReserveBytes: 0, ...config, ...ALONE };
  let store: Store | null = null;
  const gateway = new Gateway<Given>(quiet, {
    clock,
    environment,
    random: () => 0.5,
    store: (parts) => (store = memoryStore(parts)),
  });
  await register(gateway);
  await gateway.start();
  if (store === null) throw new Error('The gateway made no store.');
  return new TestGateway({ gateway, clock, store, sources: resolveConfig(quiet, environment).sources });
}

function pairs(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, index) => [flat[2 * index] ?? '', flat[2 * index + 1] ?? '']);
}
