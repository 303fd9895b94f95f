/** The connections of a listener: what each address may have of them, and how they end when the listener stops. */
import type { Clock } from '../core/clock.ts';
import type { Acceptor } from './accept.ts';
import { answerRaw } from './broken.ts';
import { endSoon, type IngestSocket } from './refusing.ts';
import { problemReply } from './reply.ts';

/** After the stop began, this long is waited for requests that are on their way on idle connections. */
const IDLE_LINGER_MS = 500;
/** How often it is looked for connections that have become idle since. */
const LOOK_MS = 50;

export class Connections {
  readonly #acceptor: Acceptor;
  readonly #open = new Set<IngestSocket>();
  /** Bytes that had come when a connection was found idle. */
  readonly #idle = new Map<IngestSocket, number>();
  #timer: NodeJS.Timeout | null = null;

  constructor(acceptor: Acceptor) {
    this.#acceptor = acceptor;
  }

  /** A connection was made: it is kept, or answered 429 and ended. */
  opened(socket: IngestSocket): void {
    const { shares, proxies, ports } = this.#acceptor;
    const address = proxies.sender(socket.remoteAddress ?? '', []);
    // A proxy's connections are those of all its senders: their requests count instead.
    if (!proxies.trusts(address)) {
      const share = shares.of(address);
      if (!shares.enter(share)) {
        ports.observer.rejected('', 'limits', 'address_overloaded');
        turnAway(ports.clock, socket);
        return;
      }
      socket.share = share;
      socket.once('close', () => shares.leave(share));
    }
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
  }

  /**
   * Ends each connection once it is idle, but not before what was on its way when the stop began has had time to come:
   * that is answered. Sends the end instead of closing, so that nothing sent meanwhile is a reset.
   */
  endIdle(): void {
    if (this.#timer !== null) return;
    this.#idle.clear();
    this.#timer = setTimeout(() => this.#look(), IDLE_LINGER_MS - LOOK_MS);
  }

  /** No more is looked for. */
  rest(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #look(): void {
    for (const socket of this.#open) {
      const before = this.#idle.get(socket);
      if ((socket.open ?? 0) > 0) this.#idle.delete(socket);
      else if (before === socket.bytesRead) {
        // Once: whoever does not end its side is waited for by then.
        this.#open.delete(socket);
        endSoon(this.#acceptor.ports.clock, socket);
      } else this.#idle.set(socket, socket.bytesRead);
    }
    this.#timer = setTimeout(() => this.#look(), LOOK_MS);
  }
}

/** Before anything was read of it: whoever has too many connections gets no memory for another. */
function turnAway(clock: Clock, socket: IngestSocket): void {
  answerRaw(clock, socket, problemReply('address_overloaded'));
}
