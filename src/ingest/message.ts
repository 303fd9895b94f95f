/**
 * A request as Node's server makes it, without what a webhook does not need. Once a {@link Taker} has taken it, its
 * body goes straight there instead of through a stream's buffer, events and end-of-life, and its headers are not copied
 * into an object. Untaken (the admin API on the same port) it is an ordinary IncomingMessage.
 *
 * Only public methods of Readable are overridden. message.test.ts holds what is relied on of Node's server: it calls
 * `push` with each piece and with `null` at the end, and reads nothing of `headers` but `expect` before the request event.
 */
import { IncomingMessage } from 'node:http';
import { Head } from './head.ts';

/** Who takes a request's body. */
export interface Taker {
  piece(bytes: Uint8Array): void;
  ended(): void;
  /** The connection was lost, or the request timed out. */
  aborted(): void;
}

type Destroyed = (error?: Error | null) => void;

export class IngestMessage extends IncomingMessage {
  #taker: Taker | null = null;
  #ended = false;
  #head: Head | null = null;
  /** Handed to somebody who expects Node's own request. */
  #plain = false;

  /** What its headers say. */
  get head(): Head {
    this.#head ??= new Head(this.rawHeaders);
    return this.#head;
  }

  /** From now on its body goes there. */
  takenBy(taker: Taker): void {
    this.#taker = taker;
  }

  /** From now on it is as Node made it. */
  asPlain(): void {
    this.#plain = true;
  }

  static headersOf(message: IngestMessage): unknown {
    return message.#plain ? inherited('headers').get?.call(message) : message.head;
  }

  static hasEnded(message: IngestMessage): unknown {
    return message.#ended || inherited('readableEnded').get?.call(message);
  }

  override push(piece: Uint8Array | null, encoding?: BufferEncoding): boolean {
    const taker = this.#taker;
    if (taker === null) return super.push(piece, encoding);
    if (piece !== null) {
      taker.piece(piece);
    } else {
      this.#ended = true;
      taker.ended();
    }
    // There is no buffer to fill: what is too much has been refused by now.
    return true;
  }

  /** Node resumes a request that nobody read once it is answered. One that was taken has nothing to resume. */
  override resume(): this {
    return this.#taker === null ? super.resume() : this;
  }

  override _destroy(error: Error | null, done: Destroyed): void {
    this.#taker?.aborted();
    super._destroy(error, done);
  }
}

// Node defines both as accessors; its types call them properties, which a class may not override by accessors.
Object.defineProperties(IngestMessage.prototype, {
  headers: {
    configurable: true,
    get(this: IngestMessage) {
      return IngestMessage.headersOf(this);
    },
    set(this: IngestMessage, headers: unknown) {
      inherited('headers').set?.call(this, headers);
    },
  },
  readableEnded: {
    configurable: true,
    get(this: IngestMessage) {
      return IngestMessage.hasEnded(this);
    },
  },
});

function inherited(name: string): PropertyDescriptor {
  let prototype: unknown = IncomingMessage.prototype;
  while (typeof prototype === 'object' && prototype !== null) {
    const found = Object.getOwnPropertyDescriptor(prototype, name);
    if (found !== undefined) return found;
    prototype = Object.getPrototypeOf(prototype);
  }
  return {};
}
