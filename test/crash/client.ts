/**
 * A provider: sends signed webhooks, keeps a log of what it was answered, and sends again what it was not answered or
 * was told to try later, with the same dedupe key. Its log is the truth of what was acknowledged.
 */
import { Agent, request } from 'node:http';
import type { Seeded } from './random.ts';
import { type Plan, sha256, signature, SOURCE } from './wire.ts';

/** One request. `status` 0: no answer, nobody knows what became of it. */
export interface Try {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly status: number;
  /** Id of the event that the answer names. */
  readonly id: string | null;
  readonly retryAfter: string | null;
  /** Nobody listened: it was certainly not received. */
  readonly refused: boolean;
}

export interface Sent {
  readonly key: string;
  readonly order: string | null;
  readonly plan: Plan;
  readonly sha: string;
  readonly tries: Try[];
}

export interface Webhook {
  readonly key: string;
  readonly order: string | null;
  readonly plan: Plan;
  readonly body: Buffer;
  /** Default: the source that the checker looks at. */
  readonly source?: string;
}

export interface ClientOptions {
  readonly random: Seeded;
  /** Where the gateway is; resolves when it is up. */
  readonly up: () => Promise<string>;
  /** Keys start with it. */
  readonly name?: string;
}

const ANSWER_DEADLINE_MS = 10_000;
const AGAIN_MS = 20;
const ORDER_KEYS = 7;

export class Client {
  readonly sent: Sent[] = [];
  readonly #options: ClientOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256 });
  readonly #watchers = new Set<(one: Try) => void>();
  #count = 0;
  #stopped = false;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** The next webhook of a mixed load: sizes, order keys, and now and then a handler that has a plan of its own. */
  make(given: Partial<Webhook> = {}): Webhook {
    const { random, name = 'w' } = this.#options;
    const number = this.#count++;
    const chance = random.next();
    const plan =
      chance < 0.02
        ? 'reject'
        : chance < 0.04
          ? 'skip'
          : chance < 0.1
            ? 'fail-once'
            : chance < 0.3
              ? 'slow'
              : 'succeed';
    const size = random.next() < 0.03 ? random.between(8_000, 32_000) : random.between(0, 900);
    const order = number % 3 === 0 ? `o${random.between(1, ORDER_KEYS)}` : null;
    return { key: `${name}-${number}`, order, plan, body: random.bytes(size), ...given };
  }

  /** Sends once, whatever comes of it. */
  async once(url: string, webhook: Webhook): Promise<Try> {
    const sent = this.#note(webhook);
    const one = await this.#try(url, webhook);
    sent.tries.push(one);
    for (const watch of this.#watchers) watch(one);
    return one;
  }

  /** Sends to a source that the checker does not look at. */
  async aside(url: string, source: string, body: string): Promise<Try> {
    return this.#try(url, { key: '', order: null, plan: 'succeed', body: Buffer.from(body), source });
  }

  /** Sends until it is acknowledged, or the client is stopped. */
  async deliver(webhook: Webhook): Promise<Sent> {
    const sent = this.#note(webhook);
    while (!this.#stopped) {
      const url = await this.#options.up();
      const one = await this.#try(url, webhook);
      sent.tries.push(one);
      for (const watch of this.#watchers) watch(one);
      if (isAck(one)) break;
      // A pace, not a synchronisation: a provider does not send again at once.
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
    return sent;
  }

  /** Keeps `concurrency` requests in flight until `until` says stop or `most` were sent; resolves when all are answered. */
  async load(options: {
    readonly concurrency: number;
    readonly most: number;
    readonly until?: () => boolean;
    readonly given?: Partial<Webhook>;
  }): Promise<void> {
    let left = options.most;
    const worker = async (): Promise<void> => {
      while (left > 0 && !this.#stopped && options.until?.() !== true) {
        left--;
        await this.deliver(this.make(options.given));
      }
    };
    await Promise.all(Array.from({ length: options.concurrency }, worker));
  }

  /** Resolves with the first answer for which `seen` holds. */
  next(seen: (one: Try) => boolean): Promise<Try> {
    return new Promise((resolve) => {
      const watch = (one: Try): void => {
        if (!seen(one)) return;
        this.#watchers.delete(watch);
        resolve(one);
      };
      this.#watchers.add(watch);
    });
  }

  /** Gives up what is not acknowledged yet. */
  stop(): void {
    this.#stopped = true;
    this.#agent.destroy();
  }

  #note({ key, order, plan, body }: Webhook): Sent {
    const sent: Sent = { key, order, plan, sha: sha256(body), tries: [] };
    this.sent.push(sent);
    return sent;
  }

  #try(url: string, { key, order, plan, body, source = SOURCE }: Webhook): Promise<Try> {
    const startedAt = performance.now();
    return new Promise((resolve) => {
      const end = (status: number, rest: Partial<Try> = {}): void =>
        resolve({ startedAt, endedAt: performance.now(), status, id: null, retryAfter: null, refused: false, ...rest });
      const headers = {
        'content-type': 'application/octet-stream',
        'content-length': body.length,
        'x-signature': signature(body),
        'x-key': key,
        'x-plan': plan,
        ...(order !== null && { 'x-order': order }),
      };
      const sending = request(`${url}/in/${source}`, { method: 'POST', agent: this.#agent, headers });
      sending.setTimeout(ANSWER_DEADLINE_MS, () => sending.destroy(new Error('no answer in time')));
      sending.on('error', (error: NodeJS.ErrnoException) => end(0, { refused: error.code === 'ECONNREFUSED' }));
      sending.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', () => end(0));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const status = response.statusCode ?? 0;
          end(status, { id: status < 300 ? idIn(text) : null, retryAfter: response.headers['retry-after'] ?? null });
        });
      });
      sending.end(body);
    });
  }
}

export function isAck(one: Try): boolean {
  return one.status >= 200 && one.status < 300;
}

function idIn(text: string): string | null {
  const { id } = JSON.parse(text) as { readonly id?: unknown };
  return typeof id === 'string' ? id : null;
}
