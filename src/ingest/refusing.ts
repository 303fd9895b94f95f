/** Answering a request before its body has arrived, so that the sender gets to read the answer. */
import type { ServerResponse } from 'node:http';
import type { Clock, Timer } from '../core/clock.ts';
import type { IngestMessage, Taker } from './message.ts';
import type { Reply } from './reply.ts';

/** A body up to this is read to its end and thrown away, so that the connection can be used again. */
const DRAINED_MAX = 64 * 1024;
/** What a refused sender may still send until the connection ends: closing it at once could destroy the answer. */
const LINGER_BYTES = 1024 * 1024;
export const LINGER_MS = 1000;

/** Whether the rest of a body of this length (`-1`: unknown) is worth reading for the sake of the connection. */
export function isDrained(contentLength: number, hasBody: boolean): boolean {
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
export function refuse(request: IngestMessage, options: RefuseOptions): void {
  const { response, reply, ends } = options;
  const { contentLength, hasBody } = request.head;
  const drained = isDrained(contentLength, hasBody);
  const headers = ends || !drained ? [...reply.headers, 'Connection', 'close'] : reply.headers;
  response.writeHead(reply.status, headers);
  if (hasBody && (ends || !drained)) {
    response.write(typeof reply.body === 'string' ? Buffer.from(reply.body, 'latin1') : reply.body);
    request.takenBy(new Lingering(options));
  } else {
    request.takenBy(NOBODY);
    response.end(reply.body, 'latin1');
  }
}

/** Reads on for a while, then ends the connection. */
class Lingering implements Taker {
  readonly #response: ServerResponse;
  readonly #timer: Timer;
  #bytes = 0;

  constructor({ clock, response }: RefuseOptions) {
    this.#response = response;
    this.#timer = clock.schedule(LINGER_MS, () => this.ended());
  }

  piece(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    if (this.#bytes > LINGER_BYTES) this.ended();
  }

  ended(): void {
    this.#timer.cancel();
    this.#response.end();
  }

  aborted(): void {
    this.#timer.cancel();
  }
}

const NOBODY: Taker = { piece: nothing, ended: nothing, aborted: nothing };

function nothing(): void {
  // What is left of the body goes nowhere.
}
