/**
 * Hears what other gateways commit, on a connection of its own. Only a hint that saves waiting: when the connection is
 * lost everything is found by looking, and whoever listens is told to look once it is back.
 */
import { Client } from 'pg';
import type { Clock, Timer } from '../../core/clock.ts';
import { KEEP_ALIVE_MS } from './connection.ts';
import { givenText } from './text.ts';

/** What one commit made ready (`null`: any destination), and whether it wrote documents. */
export interface Heard {
  readonly ready: readonly string[] | null;
  readonly written: boolean;
  /** Whether it was a transaction of a caller's own. */
  readonly callers: boolean;
}

export interface ListenerOptions {
  readonly url: string;
  readonly channel: string;
  /** The number of this process: what it did itself it knows. */
  readonly owner: number;
  readonly clock: Clock;
  readonly heard: (heard: Heard) => void;
}

/** The number of no process: rows in transactions of callers. */
export const CALLERS = 0;

const AGAIN_MS = 1_000;
const CONNECT_MS = 5_000;
const GOODBYE_MS = 1_000;

export class Listener {
  readonly #options: ListenerOptions;
  #client: Client | null = null;
  #timer: Timer | null = null;
  #stopped = true;
  #lost = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** Begins to listen; never fails. Resolves when the first try has ended. */
  start(): Promise<void> {
    this.#stopped = false;
    return this.#connect();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    const client = this.#client;
    this.#client = null;
    if (client !== null) await letGo(client);
  }

  async #connect(): Promise<void> {
    const { url, channel, heard } = this.#options;
    const client = new Client({
      connectionString: url,
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: CONNECT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    });
    this.#client = client;
    const lose = (): void => {
      if (this.#client === client) this.#again();
    };
    client.on('error', lose);
    client.on('end', lose);
    client.on('notification', ({ payload }) => this.#hear(payload ?? ''));
    try {
      await client.connect();
      await client.query(`LISTEN "${channel}"`);
      if (this.#lost) heard({ ready: null, written: true, callers: true });
      this.#lost = false;
    } catch {
      lose();
    }
  }

  #again(): void {
    const client = this.#client;
    this.#client = null;
    this.#lost = true;
    if (client !== null) void letGo(client);
    if (!this.#stopped) this.#timer = this.#options.clock.schedule(AGAIN_MS, () => void this.#connect());
  }

  #hear(payload: string): void {
    const told = parse(payload);
    if (told === null || told.by === this.#options.owner) return;
    const { by, written } = told;
    const ready = told.ready?.map((name) => givenText(name)) ?? null;
    this.#options.heard({ ready, written, callers: by === CALLERS });
  }
}

/** Says good-bye. Who is not there any more does not say it back: the socket is closed then. */
async function letGo(client: Client): Promise<void> {
  const timer = setTimeout(() => client.connection.stream.destroy(), GOODBYE_MS);
  await client.end().catch(() => undefined);
  clearTimeout(timer);
}

/** Anybody who may connect can notify: what does not look like ours is nobody's. */
function parse(payload: string): (Omit<Heard, 'callers'> & { readonly by: number }) | null {
  try {
    const { by, ready, written } = JSON.parse(payload) as Partial<Record<string, unknown>>;
    const names = Array.isArray(ready) ? ready.filter((name) => typeof name === 'string') : null;
    return typeof by === 'number' ? { by, ready: names, written: written === true } : null;
  } catch {
    return null;
  }
}
