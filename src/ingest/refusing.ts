/** Answering a request before its body has arrived, so that the sender gets to read the answer. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../core/clock.ts';
import type { IngestMessage, Taker } from './message.ts';
import type { Reply } from './reply.ts';
import type { Share } from './shares.ts';

/** A body up to this is read to its end and thrown away, so that the connection can be used again. */
const DRAINED_MAX = 64 * 1024;
/** What a refused sender may still send until the connection ends: closing it at once could destroy the answer. */
const LINGER_BYTES = 1024 * 1024;
const LINGER_MS = 1000;

/** A connection with what is under way on it. */
export interface IngestSocket extends Socket {
  /** Requests that have arrived whole and are not answered. */
  unanswered?: number;
  /** What came after them makes no sense: the connection ends with the last of their answers. */
  broken?: boolean;
  /** Requests that are not answered. */
  open?: number;
  /** The last of them: with its answer the connection ends when the listener stops. */
  latest?: object;
  /** What its address has; none behind a trusted proxy, where each request has its own. */
  share?: Share;
  /** The rest of a request that has been answered is still coming. */
  quiet?: boolean;
}

/** Whether the rest of a body of this length (`-1`: unknown) is worth reading for the sake of the connection. */
function isDrained(contentLength: number, hasBody: boolean): boolean {
  return !hasBody || (contentLength >= 0 && contentLength <= DRAINED_MAX);
}

export interface RefuseOptions {
  readonly clock: Clock;
  readonly response: ServerResponse;
  readonly reply: Reply;
  /** The connection ends with this answer, whatever follows. */
  readonly ends: boolean;
}

/** Answers now. What is left of the body goes nowhere. */
export function refuse(request: IngestMessage, { clock, response, reply, ends }: RefuseOptions): void {
  const socket: IngestSocket = request.socket;
  const { contentLength, hasBody } = request.head;
  const closes = ends || !isDrained(contentLength, hasBody);
  response.writeHead(reply.status, closes ? [...reply.headers, 'Connection', 'close'] : reply.headers);
  // Nothing that is wrong with what is left of it is worth a second answer.
  socket.quiet = hasBody;
  if (!closes || !hasBody || (socket.unanswered ?? 0) > 0) {
    request.takenBy(new Draining(socket));
    response.end(reply.body, 'latin1');
    return;
  }
  request.takenBy(new Lingering(socket));
  response.write(typeof reply.body === 'string' ? Buffer.from(reply.body, 'latin1') : reply.body);
  endSoon(clock, socket);
}

/** Sends what was written and the end of it; the connection goes when the other side does, but soon. */
export function endSoon(clock: Clock, socket: Duplex): void {
  const timer = clock.schedule(LINGER_MS, () => socket.destroy());
  socket.once('close', () => timer.cancel());
  socket.end();
}

/** Reads a bounded rest. */
class Draining implements Taker {
  readonly #socket: IngestSocket;

  constructor(socket: IngestSocket) {
    this.#socket = socket;
  }

  piece(): void {
    // It goes nowhere.
  }

  ended(): void {
    this.#socket.quiet = false;
  }

  aborted(): void {
    // There is nothing to undo.
  }
}

/** Reads on while the answer is on its way: ending a connection that has bytes unread could destroy it. */
class Lingering implements Taker {
  readonly #socket: IngestSocket;
  #bytes = 0;

  constructor(socket: IngestSocket) {
    this.#socket = socket;
  }

  piece(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    if (this.#bytes > LINGER_BYTES) this.#socket.destroy();
  }

  ended(): void {
    this.#socket.destroySoon();
  }

  aborted(): void {
    // The connection has gone.
  }
}
