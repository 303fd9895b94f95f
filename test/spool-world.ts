/** A gateway with a spool on a store that can be taken away: in memory, so that a test decides what becomes of a commit. */
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGateway, type Gateway } from '../src/index.ts';
import { memoryStore } from '../src/store/memory.ts';
import { type CommitBatch, type Store, StoreError } from '../src/store/store.ts';
import { hmac } from '../src/verify/index.ts';
import { systemClock } from '../src/gateway/clock.ts';

/** What the next commits come to: as always, refused, done with the reply lost, or whatever a test does. */
export type Weather = 'up' | 'down' | 'deaf';

/** A store in memory that others share, and that can be away. */
export class Away {
  readonly inner: Store = memoryStore({ clock: systemClock });
  weather: Weather = 'up';
  /** Batches that fail whatever the weather is. */
  poisoned: (batch: CommitBatch) => boolean = () => false;
  /** Called before a commit. */
  before: (batch: CommitBatch) => void = () => undefined;

  /** The store as one gateway has it. Closing it closes nothing. */
  store(): Store {
    const { inner } = this;
    const answers = <Answer>(ask: () => Promise<Answer>): Promise<Answer> =>
      this.weather === 'up' ? ask() : Promise.reject(new StoreError('unavailable', 'It is away.'));
    return {
      work: {
        ...inner.work,
        open: () => answers(() => inner.work.open()),
        commit: (batch) => this.#commit(batch),
        claim: (request) => answers(() => inner.work.claim(request)),
        wakeUps: (...asked) => answers(() => inner.work.wakeUps(...asked)),
        close: () => Promise.resolve(),
      },
      history: {
        ...inner.history,
        event: (id) => answers(() => inner.history.event(id)),
        counts: () => answers(() => inner.history.counts()),
      },
      registry: inner.registry,
    };
  }

  async #commit(batch: CommitBatch): ReturnType<Store['work']['commit']> {
    this.before(batch);
    if (this.poisoned(batch) || this.weather === 'down') throw new StoreError('unavailable', 'It takes nothing.');
    const answers = await this.inner.work.commit(batch);
    if (this.weather === 'deaf') throw new StoreError('unknown', 'The reply was lost.');
    return answers;
  }
}

/** A folder for a spool; removed with `remove`. */
export function spoolFolder(): { readonly path: string; readonly remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-spool-'));
  return { path: join(directory, 'spool.db'), remove: () => rmSync(directory, { recursive: true, force: true }) };
}

export interface SpooledGateway {
  readonly gateway: Gateway;
  /** What the log says, by message. */
  readonly said: { readonly message: string; readonly fields: Readonly<Record<string, unknown>> }[];
  /** Resolves when a message is said, from now on or before. */
  readonly until: (message: string, times?: number) => Promise<void>;
}

/** A gateway whose store is `away`; `register` gives it its handlers. Start it yourself. */
export function spooledGateway(
  away: Away,
  path: string,
  given: {
    readonly settings?: Readonly<Record<string, string | number>>;
    readonly register?: (gateway: Gateway) => void;
  } = {},
): SpooledGateway {
  const said: SpooledGateway['said'] = [];
  const waiting = new Set<() => void>();
  const gateway = createGateway(
    {
      store: 'postgres://127.0.0.1:1/never',
      spool: `sqlite:${path}`,
      logLevel: 'silent',
      adminToken: 'test-token-of-some-length',
      diskReserveBytes: 0,
      port: 0,
      ...given.settings,
      sources: {
        shop: {
          verify: hmac({ header: 'x-signature', secrets: 'test' }),
          type: 'body.type',
          dedupeKey: 'body.id',
          orderKey: 'body.order',
        },
      },
    },
    {
      store: () => away.store(),
      observer: {
        note: (_level, message, fields = {}) => {
          said.push({ message, fields });
          for (const look of waiting) look();
        },
      },
    },
  ) as unknown as Gateway;
  given.register?.(gateway);
  return {
    gateway,
    said,
    until: (message, times = 1) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (said.filter((one) => one.message === message).length < times) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
  };
}

/** What a provider sends. */
export function signed(body: object): RequestInit {
  const text = JSON.stringify(body);
  const signature = createHmac('sha256', 'test').update(text).digest('hex');
  return { method: 'POST', body: text, headers: { 'content-type': 'application/json', 'x-signature': signature } };
}

/** Sends a webhook and answers the status and the id. */
export async function send(gateway: Gateway, body: object): Promise<{ readonly status: number; readonly id: string }> {
  const response = await gateway.fetch(new Request('http://test/in/shop', signed(body)));
  const { id = '' } = (await response.json()) as { id?: string };
  return { status: response.status, id };
}

/** Asks the admin API. */
export async function ask(gateway: Gateway, path: string): Promise<{ readonly status: number; readonly json: Json }> {
  const headers = { authorization: `Bearer ${gateway.adminToken}` };
  const response = await gateway.admin().fetch(new Request(`http://test${path}`, { headers }));
  return { status: response.status, json: (await response.json()) as Json };
}

/** What the admin API answers, as far as tests look at it. */
export interface Json {
  readonly ready?: boolean;
  readonly reason?: string;
  readonly ackMeaning?: string;
  readonly spooled?: boolean;
  readonly alias?: { readonly id: string } | null;
  readonly event?: { readonly id: string };
  readonly duplicates?: { readonly count: number };
  readonly code?: string;
  readonly [name: string]: unknown;
}
