/** Brings the events of a running gateway to a program on the developer's machine, until Ctrl-C. */
import type { WebSocket } from 'ws';
import type { z } from 'zod';
import type { eventDetailShape } from '../api/shapes.ts';
import { formatDuration } from '../core/duration.ts';
import { HoldfastError } from '../errors.ts';
import { Client, httpSend } from './client.ts';
import { exitCodes } from './exit.ts';
import { openStream } from './follow.ts';
import { Feed, type ListedEvent, type Wanted } from './listen-feed.ts';
import { type ForwardOptions, type Forwarded, Forwarder } from './listen-forward.ts';
import type { Address } from './locate.ts';
import { type Output, plain } from './output.ts';
import { amount } from './text.ts';

type EventDetail = z.output<typeof eventDetailShape>;

export interface ListenOptions extends Wanted, ForwardOptions {
  /** Where the gateway is now: after a restart it may be elsewhere. `null`: none runs. */
  readonly locate: () => Address | null;
  readonly out: Output;
  readonly json: boolean;
  /** Most requests at once. */
  readonly concurrency: number;
  /** How many of the newest events are sent first. */
  readonly last: number;
  /** Aborted at Ctrl-C. */
  readonly signal: AbortSignal;
}

const RECONNECT_FIRST_MS = 250;
const RECONNECT_LAST_MS = 5000;
/** The stream tells what one process accepts; of a gateway of several the rest is found by looking. */
const LOOK_EVERY_MS = 5000;

/**
 * Forwards events until Ctrl-C (exit code 0). A gateway that goes away is waited for.
 * @throws UsageError for a target on another machine
 * @throws HoldfastError gateway_unreachable when none answers at first; unauthorized, forbidden, token_expired
 */
export async function listen(options: ListenOptions): Promise<number> {
  const forwarder = new Forwarder(options);
  try {
    await forwarder.check();
    await new Listening(options, forwarder).run();
  } finally {
    await forwarder.close();
  }
  return exitCodes.ok.code;
}

class Listening {
  readonly #options: ListenOptions;
  readonly #forwarder: Forwarder;
  readonly #feed: Feed;
  /** Events to be sent, in order. */
  readonly #waiting: ListedEvent[] = [];
  /** `null` while there is no connection: then nothing is sent, for nothing can be fetched. */
  #client: Client | null = null;
  #socket: WebSocket | null = null;
  #sending = 0;
  #looking: Promise<void> | null = null;
  #lookAgain = false;

  constructor(options: ListenOptions, forwarder: Forwarder) {
    this.#options = options;
    this.#forwarder = forwarder;
    this.#feed = new Feed(options);
  }

  async run(): Promise<void> {
    const { signal, out } = this.#options;
    let delayMs = 0;
    while (!signal.aborted) {
      try {
        await this.#session();
        delayMs = 0;
      } catch (error) {
        if (!this.#feed.begun || !isAway(error)) throw error;
      }
      if (signal.aborted) return;
      if (delayMs === 0) out.note('The gateway went away; waiting for it to come back.');
      delayMs = Math.min(RECONNECT_LAST_MS, Math.max(RECONNECT_FIRST_MS, delayMs * 2));
      await pause(delayMs, signal);
    }
  }

  /** One connection, from its beginning to its end. */
  async #session(): Promise<void> {
    const { locate, source, signal } = this.#options;
    const address = locate();
    // Connected first, looked then: what is accepted in between is seen by one of the two.
    const socket = await openStream(address, { kinds: 'accepted', source });
    const ended = endOf(socket, signal);
    const client = new Client(httpSend(address?.adminUrl ?? ''), address?.token ?? null);
    const look = setInterval(() => this.#look(client, socket), LOOK_EVERY_MS);
    try {
      await this.#begin(client);
      this.#client = client;
      this.#socket = socket;
      socket.on('message', () => this.#look(client, socket));
      this.#look(client, socket);
      await ended;
    } finally {
      clearInterval(look);
      this.#client = null;
      socket.terminate();
      await this.#looking;
    }
  }

  async #begin(client: Client): Promise<void> {
    const { out, last, target } = this.#options;
    if (this.#feed.begun) {
      out.note('The gateway is back.');
      return;
    }
    this.#waiting.push(...(await this.#feed.begin(client, last)));
    out.note(`Forwarding to ${target.href}; Ctrl-C ends.`);
  }

  /** Looks for news, once at a time; asked meanwhile, once more. */
  #look(client: Client, socket: WebSocket): void {
    this.#lookAgain = true;
    this.#looking ??= this.#lookUntilQuiet(client)
      .catch(() => socket.terminate()) // Connecting again says what is wrong.
      .finally(() => {
        this.#looking = null;
      });
  }

  async #lookUntilQuiet(client: Client): Promise<void> {
    while (this.#lookAgain && this.#client === client) {
      this.#lookAgain = false;
      const { events, whole } = await this.#feed.news(client);
      if (!whole) this.#options.out.note(`Too much was accepted meanwhile: the older events are passed over.`);
      this.#waiting.push(...events);
      this.#send();
    }
  }

  #send(): void {
    while (this.#sending < this.#options.concurrency && this.#client !== null && !this.#options.signal.aborted) {
      const event = this.#waiting.shift();
      if (event === undefined) return;
      this.#sending++;
      void this.#sendOne(event, this.#client).finally(() => {
        this.#sending--;
        this.#send();
      });
    }
  }

  async #sendOne(event: ListedEvent, client: Client): Promise<void> {
    const { signal } = this.#options;
    try {
      const { event: detail } = await client.get<{ readonly event: EventDetail }>(`/api/events/${event.id}`);
      const body = event.bodyBytes === 0 ? new Uint8Array() : await client.bytes(`/api/events/${event.id}/body`);
      const forwarded = await this.#forwarder.send(detail, body, signal);
      if (!signal.aborted) this.#show(event, forwarded);
    } catch (error) {
      if (isAway(error)) this.#putBack(event);
      else this.#show(event, { status: null, durationMs: 0, error: messageOf(error) });
    }
  }

  /** It was not fetched: it is its turn again when the gateway is back. */
  #putBack(event: ListedEvent): void {
    this.#client = null;
    this.#socket?.terminate();
    const place = this.#waiting.findIndex(({ receivedAt }) => receivedAt > event.receivedAt);
    this.#waiting.splice(place < 0 ? this.#waiting.length : place, 0, event);
  }

  #show(event: ListedEvent, { status, durationMs, error }: Forwarded): void {
    const { out, json } = this.#options;
    const { id, source, type } = event;
    if (json) {
      out.json({ eventId: id, source, type, status, durationMs, error });
      return;
    }
    const isGood = status !== null && status < 400;
    const answered = status === null ? plain(error ?? '') : `${status} in ${formatDuration(durationMs)}`;
    out.line(
      `${out.paint(isGood ? 'green' : 'red', answered.padEnd(16))} ${plain(source)} ${plain(type) || '-'} ${id}`,
    );
    const left = this.#waiting.length;
    if (left > 0 && left % 100 === 0) out.note(`${amount(left, 'event waits', 'events wait')}.`);
  }
}

/** Resolves when the connection ends or Ctrl-C was pressed. */
function endOf(socket: WebSocket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => resolve();
    socket.on('close', end);
    socket.on('error', () => socket.terminate());
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Gone, or not ready: it can be waited for. */
const AWAY: ReadonlySet<string> = new Set(['gateway_unreachable', 'store_unavailable', 'overloaded', 'stopping']);

function isAway(error: unknown): boolean {
  return error instanceof HoldfastError && AWAY.has(error.code);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
