/**
 * Pull requests as the server takes them (https://github.com/nats-io/nats-architecture-and-design, ADR-13): a request
 * names a batch and how long it waits, hints come to its inbox, and a status ends it. All use one subscription.
 */
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import type { Clock, Timer } from '../../core/clock.ts';
import { QueueError } from '../queue.ts';

const NANOS_PER_MS = 1_000_000;
/** A server that has not ended a request so long after its time never will: it does not have such a consumer. */
const GRACE_MS = 1_000;
const NO_RESPONDERS = 503;
const CONFLICT = 409;

interface Request {
  readonly channel: string;
  readonly end: (error?: QueueError) => void;
  readonly timer: Timer;
  left: number;
}

export interface PullWant {
  readonly channel: string;
  /** `$JS.API.CONSUMER.MSG.NEXT.<stream>.<consumer>` */
  readonly api: string;
  readonly max: number;
  /** 0: answer at once. */
  readonly waitMs: number;
}

export interface RequestsParts {
  readonly connection: NatsConnection;
  readonly clock: Clock;
  /** A new inbox: `_INBOX.…` */
  readonly inbox: string;
  received(this: void, message: Msg): void;
  /** The consumer of a channel is not there (any more). */
  missing(this: void, channel: string): void;
}

export class Requests {
  readonly #parts: RequestsParts;
  readonly #subscription: Subscription;
  readonly #open = new Map<string, Request>();
  #serial = 0;

  constructor(parts: RequestsParts) {
    this.#parts = parts;
    const callback = (error: Error | null, message: Msg): void => {
      if (error !== null) this.failAll(new QueueError(error.message, error));
      else this.#heard(message);
    };
    this.#subscription = parts.connection.subscribe(`${parts.inbox}.*`, { callback });
  }

  /** Resolves when the request brings no more. @throws QueueError */
  request({ channel, api, max, waitMs }: PullWant): Promise<void> {
    return new Promise((resolve, reject) => {
      const inbox = `${this.#parts.inbox}.${++this.#serial}`;
      const end = (error?: QueueError): void => {
        request.timer.cancel();
        this.#open.delete(inbox);
        if (error === undefined) resolve();
        else reject(error);
      };
      const late = (): void => {
        this.#parts.missing(channel);
        end(waitMs > 0 ? undefined : new QueueError('JetStream does not answer.'));
      };
      const timer = this.#parts.clock.schedule(waitMs + GRACE_MS, late);
      const request: Request = { channel, end, timer, left: max };
      this.#open.set(inbox, request);
      const how = waitMs > 0 ? { expires: Math.ceil(waitMs) * NANOS_PER_MS } : { no_wait: true };
      this.#parts.connection.publish(api, JSON.stringify({ batch: max, ...how }), { reply: inbox });
    });
  }

  failAll(error: QueueError): void {
    for (const request of this.#open.values()) request.end(error);
  }

  close(): void {
    this.#subscription.unsubscribe();
    for (const request of this.#open.values()) request.end();
  }

  #heard(message: Msg): void {
    const request = this.#open.get(message.subject);
    if (!message.subject.startsWith(`${this.#parts.inbox}.`)) this.#hint(message);
    else if (request !== undefined) this.#status(request, message);
  }

  /** A hint says by its subject of which channel it is, not which request it answers: the oldest of that channel. */
  #hint(message: Msg): void {
    this.#parts.received(message);
    for (const request of this.#open.values()) {
      if (!message.subject.endsWith(`.${request.channel}`)) continue;
      request.left--;
      if (request.left === 0) request.end();
      return;
    }
  }

  /** 404 nothing there, 408 time is over, 409 the consumer went, or its server: whatever it is, no more will come. */
  #status(request: Request, message: Msg): void {
    const code = message.headers?.code ?? 0;
    if (code === NO_RESPONDERS || code === CONFLICT) this.#parts.missing(request.channel);
    request.end();
  }
}
