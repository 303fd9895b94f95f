/**
 * Connections: opened when wanted, kept for a while, bounded in all and per origin. Each is a client of undici with one
 * socket, so that it is known which socket a request goes over, and that it goes over no other.
 */
import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { Client } from 'undici';
import { EgressError } from './codes.ts';
import { dial, type Dialed, type DialSettings, type DialTimes } from './dial.ts';
import { egressErrorOf } from './failures.ts';
import type { Place } from './rules.ts';

/** Where connections go, and with whose identity: those of two keys are never mixed. */
export interface Origin {
  readonly key: string;
  readonly place: Place;
  /** `null` for http. */
  readonly secureContext: SecureContext | null;
}

/** Somebody who wants a connection: exactly one of the two is called, unless it is abandoned before. */
export interface Waiter {
  readonly origin: Origin;
  given(connection: Connection): void;
  refused(error: EgressError): void;
}

/** Bounds. */
export interface ConnectionLimits {
  /** Sockets at once, idle ones included. */
  readonly socketsMax: number;
  /** Sockets at once to one origin. */
  readonly socketsPerOriginMax: number;
  /** An idle connection is closed after this, unless the server said it closes sooner. */
  readonly idleMs: number;
  /** One that is older is not used again, so that a name that has moved is noticed. */
  readonly ageMaxMs: number;
}

/** Most bytes of the head of an answer. */
const HEAD_BYTES_MAX = 32 * 1024;
/** A client has the one socket it was made with. */
const STALE = new EgressError('connect_reset', 'the connection was closed');

/** What a connection is made with. */
interface ConnectionOptions {
  readonly ClientOf: typeof Client;
  readonly now: number;
  readonly idleMs: number;
}

/** One connection. */
export class Connection {
  readonly origin: Origin;
  readonly client: Client;
  readonly remoteAddress: string;
  readonly openedAt: number;
  readonly socket: Socket;
  /** Of the steps to open it; for its first request only. */
  #times: DialTimes | null;

  constructor(origin: Origin, { socket, remoteAddress, times }: Dialed, options: ConnectionOptions) {
    this.origin = origin;
    this.socket = socket;
    this.remoteAddress = remoteAddress;
    this.openedAt = options.now;
    this.#times = times;
    let unused = true;
    this.client = new options.ClientOf(origin.place.url.origin, {
      connect: (_options, callback) => {
        const isFirst = unused;
        unused = false;
        // The client would not notice one that is there at once.
        queueMicrotask(() => (isFirst ? callback(null, socket) : callback(STALE, null)));
      },
      pipelining: 1,
      allowH2: false,
      // Deadlines are those of the request.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: options.idleMs,
      keepAliveMaxTimeout: options.idleMs,
      maxHeaderSize: HEAD_BYTES_MAX,
    });
  }

  /** The times of its opening, once. */
  takeTimes(): DialTimes {
    const times = this.#times ?? USED_AGAIN;
    this.#times = null;
    return times;
  }

  /** @param why what a request that is under way ends with */
  destroy(why?: EgressError): void {
    this.socket.destroy(why);
    this.client.destroy(STALE, ignore);
  }
}

const USED_AGAIN: DialTimes = { dnsMs: null, connectMs: null, tlsMs: null };
const ignore = (): void => undefined;

/** All connections of an egress. */
export class Connections {
  readonly #settings: DialSettings;
  readonly #limits: ConnectionLimits;
  /** Idle ones by key, the one used last at the end. */
  readonly #idle = new Map<string, Connection[]>();
  /** Idle ones of all keys, the one used longest ago first. */
  readonly #byUse = new Set<Connection>();
  /** Sockets by key: idle, busy and being opened. */
  readonly #open = new Map<string, number>();
  readonly #dialling = new Map<Waiter, AbortController>();
  readonly #waiting = new Set<Waiter>();
  /** Those that count. */
  readonly #all = new Set<Connection>();
  /** Those whose socket has not closed. */
  readonly #alive = new Set<Connection>();
  #sockets = 0;
  #closed = false;

  constructor(settings: DialSettings, limits: ConnectionLimits) {
    this.#settings = settings;
    this.#limits = limits;
  }

  /** Sockets there are now, and how many of them are idle; requests that wait for one. */
  get counts(): {
    readonly sockets: number;
    readonly idle: number;
    readonly waiting: number;
    readonly origins: number;
  } {
    const { size: idle } = this.#byUse;
    return { sockets: this.#sockets, idle, waiting: this.#waiting.size, origins: this.#open.size };
  }

  /** Gives a connection: an idle one at once, else a new one when there may be one. */
  acquire(waiter: Waiter): void {
    if (this.#closed) {
      waiter.refused(new EgressError('aborted', 'the gateway is stopping'));
      return;
    }
    const idle = this.#takeIdle(waiter.origin.key);
    if (idle !== null) waiter.given(idle);
    else if (this.#mayOpen(waiter.origin.key)) void this.#dial(waiter);
    else this.#waiting.add(waiter);
  }

  /** The waiter does not want it any more. */
  abandon(waiter: Waiter, why: EgressError): void {
    this.#waiting.delete(waiter);
    this.#dialling.get(waiter)?.abort(why);
  }

  /** Gives back a connection whose request has ended; `reusable`: the answer came whole and so did the request. */
  release(connection: Connection, reusable: boolean): void {
    const { key } = connection.origin;
    const isOld = this.#settings.clock.monotonic() - connection.openedAt > this.#limits.ageMaxMs;
    if (!reusable || isOld || this.#closed || connection.socket.destroyed) {
      this.#forget(connection);
      connection.destroy();
      this.#serve();
      return;
    }
    const next = this.#waiterOf(key);
    if (next !== null) {
      next.given(connection);
      return;
    }
    const list = this.#idle.get(key);
    if (list === undefined) this.#idle.set(key, [connection]);
    else list.push(connection);
    this.#byUse.add(connection);
    this.#serve();
  }

  /** Ends everything. Safe twice. */
  async close(): Promise<void> {
    this.#closed = true;
    const error = new EgressError('aborted', 'the gateway is stopping');
    for (const waiter of this.#waiting) waiter.refused(error);
    this.#waiting.clear();
    for (const [waiter, controller] of this.#dialling) {
      controller.abort(error);
      // What was aborted is told to nobody: else it is who gave up that aborts.
      waiter.refused(error);
    }
    const gone = [...this.#alive].map(({ socket }) => new Promise((resolve) => socket.once('close', resolve)));
    for (const connection of this.#alive) connection.destroy(error);
    await Promise.all(gone);
  }

  #takeIdle(key: string): Connection | null {
    const connection = this.#idle.get(key)?.pop();
    if (connection === undefined) return null;
    this.#byUse.delete(connection);
    return connection;
  }

  #mayOpen(key: string): boolean {
    if ((this.#open.get(key) ?? 0) >= this.#limits.socketsPerOriginMax) return false;
    if (this.#sockets < this.#limits.socketsMax) return true;
    const [oldest] = this.#byUse;
    if (oldest === undefined) return false;
    this.#forget(oldest);
    oldest.destroy();
    return true;
  }

  async #dial(waiter: Waiter): Promise<void> {
    const { origin } = waiter;
    const controller = new AbortController();
    this.#dialling.set(waiter, controller);
    this.#count(origin.key, 1);
    try {
      // Loaded by the first that sends: it is a quarter of what a process needs that only receives.
      const { Client: ClientOf } = await import('undici');
      const dialed = await dial(origin, this.#settings, controller.signal);
      this.#dialling.delete(waiter);
      const connection = this.#keep(origin, dialed, ClientOf);
      // Nobody wants it any more, but it is there.
      if (controller.signal.aborted) this.release(connection, true);
      else waiter.given(connection);
    } catch (error) {
      this.#dialling.delete(waiter);
      this.#count(origin.key, -1);
      if (!controller.signal.aborted) waiter.refused(egressErrorOf(error, 'connect'));
      this.#serve();
    }
  }

  #keep(origin: Origin, dialed: Dialed, ClientOf: typeof Client): Connection {
    const { idleMs } = this.#limits;
    const connection = new Connection(origin, dialed, { ClientOf, now: this.#settings.clock.monotonic(), idleMs });
    this.#all.add(connection);
    this.#alive.add(connection);
    dialed.socket.once('close', () => {
      this.#alive.delete(connection);
      connection.client.destroy(STALE, ignore);
      this.#forget(connection);
      this.#serve();
    });
    return connection;
  }

  /** It no longer counts. Safe twice. */
  #forget(connection: Connection): void {
    if (!this.#all.delete(connection)) return;
    const { key } = connection.origin;
    this.#count(key, -1);
    if (!this.#byUse.delete(connection)) return;
    const list = this.#idle.get(key) ?? [];
    const index = list.indexOf(connection);
    if (index >= 0) list.splice(index, 1);
    if (list.length === 0) this.#idle.delete(key);
  }

  #count(key: string, change: 1 | -1): void {
    this.#sockets += change;
    const open = (this.#open.get(key) ?? 0) + change;
    if (open > 0) this.#open.set(key, open);
    else {
      this.#open.delete(key);
      this.#idle.delete(key);
    }
  }

  /** The first that waits for a connection of this key, taken from the line. */
  #waiterOf(key: string): Waiter | null {
    for (const waiter of this.#waiting) {
      if (waiter.origin.key !== key) continue;
      this.#waiting.delete(waiter);
      return waiter;
    }
    return null;
  }

  /** Somebody who waits may be able to open one now. */
  #serve(): void {
    for (const waiter of this.#waiting) {
      if (this.#closed) return;
      if (!this.#mayOpen(waiter.origin.key)) continue;
      this.#waiting.delete(waiter);
      void this.#dial(waiter);
      return;
    }
  }
}
