/** Ingest inside a host that has its own HTTP server: the same steps as the listener, on a request that the host made. */
import { type HeaderList, headerValue } from '../core/event.ts';
import { HoldfastError } from '../errors.ts';
import type { Acceptor } from './accept.ts';
import { BodyBuffer } from './body.ts';
import { Head, tooLarge } from './head.ts';
import { problemReply, type Reply } from './reply.ts';
import type { Excess, Holder, Share } from './shares.ts';

/** A request as a host gives it. */
export interface HostedRequest {
  readonly method: string;
  /** What is looked up: without the prefix where ingest is mounted. */
  readonly path: string;
  /** Path and query as the sender wrote them. */
  readonly url: string;
  readonly headers: HeaderList;
  /** The peer's address, before trusted proxies; '' where the host does not give it. */
  readonly peer: string;
  /** The body's pieces, or the body itself where the host has read it. */
  readonly body: AsyncIterator<Uint8Array> | Uint8Array;
}

/** How it is answered, and whether its body was read. */
export interface Served {
  readonly reply: Reply;
  readonly read: boolean;
}

/** Takes a request whose path is a source's; `null` when it is none's. Never throws. */
export async function serve(acceptor: Acceptor, request: HostedRequest): Promise<Served | null> {
  const intake = acceptor.find(request.path);
  if (intake === undefined) return null;
  const { clock, observer } = acceptor.ports;
  const startedAt = clock.monotonic();
  const head = new Head(request.headers);
  let reply = acceptor.admit(intake, request.method, head.problem(acceptor.ports.limits));
  let read = false;
  if (reply === null) {
    const remoteAddress = acceptor.proxies.sender(request.peer, request.headers);
    const reading = new Reading(acceptor, head, acceptor.shares.of(remoteAddress));
    try {
      reading.enter();
      const body = await reading.bytes(request.body);
      read = true;
      const { method, url, headers } = request;
      reply = await acceptor.accept(intake, { method, url, headers, body, remoteAddress });
    } catch (error) {
      const { code, detail } = error instanceof HoldfastError ? error : new HoldfastError('internal');
      reply = acceptor.turnAway(intake, code, detail);
    } finally {
      reading.release();
    }
  }
  observer.answered(intake.source.name, reply.status, clock.monotonic() - startedAt);
  return { reply, read };
}

/** The answer of hosts in which nobody else takes what has no source. */
export function notFound(acceptor: Acceptor): Reply {
  acceptor.ports.observer.rejected('', 'limits', 'source_not_found');
  return problemReply('source_not_found', { detail: 'The path must be exactly that of a source.' });
}

/** Reads a body within its size, the memory of all of them, and the deadline. */
class Reading implements Holder {
  readonly share: Share;
  readonly startedAt: number;
  /** Bytes of the body so far. */
  arrived = 0;
  readonly #acceptor: Acceptor;
  readonly #buffer: BodyBuffer;
  readonly #late = Promise.withResolvers<never>();
  #held = 0;
  #entered = false;

  constructor(acceptor: Acceptor, head: Head, share: Share) {
    this.share = share;
    this.startedAt = acceptor.ports.clock.monotonic();
    this.#acceptor = acceptor;
    this.#buffer = new BodyBuffer(acceptor.ports.limits.bodyBytesMax, head.contentLength);
  }

  /** @throws HoldfastError body_too_large, overloaded, address_overloaded, request_timeout, body_too_slow, bad_request */
  async bytes(body: HostedRequest['body']): Promise<Uint8Array> {
    if (body instanceof Uint8Array) {
      this.#add(body);
      return this.#buffer.bytes;
    }
    const { clock, limits } = this.#acceptor.ports;
    const late = this.#late;
    const timer = clock.schedule(limits.requestDeadlineMs, () => late.reject(new HoldfastError('request_timeout')));
    try {
      for (;;) {
        const result: IteratorResult<Uint8Array, unknown> = await Promise.race([next(body), late.promise]);
        if (result.done === true) return this.#buffer.bytes;
        this.#add(result.value);
        this.#acceptor.shares.wait(this);
      }
    } finally {
      this.#acceptor.shares.done(this);
      timer.cancel();
      // Nobody else waits for it.
      late.promise.catch(() => undefined);
    }
  }

  /** @throws HoldfastError address_overloaded */
  enter(): void {
    this.#entered = this.#acceptor.shares.enter(this.share);
    if (!this.#entered) throw new HoldfastError('address_overloaded');
  }

  giveUp(excess: Excess): void {
    this.#acceptor.shares.done(this);
    this.#hold(0);
    this.#late.reject(new HoldfastError(excess));
  }

  release(): void {
    this.#hold(0);
    if (this.#entered) this.#acceptor.shares.leave(this.share);
    this.#entered = false;
  }

  #hold(bytes: number): void {
    this.#acceptor.shares.hold(this.share, bytes - this.#held);
    this.#held = bytes;
  }

  #add(piece: Uint8Array): void {
    const { shares, ports } = this.#acceptor;
    const { bodyBytesMax } = ports.limits;
    if (!this.#buffer.add(piece)) throw new HoldfastError('body_too_large', { detail: tooLarge(bodyBytesMax).detail });
    this.arrived += piece.length;
    this.#hold(this.#buffer.held);
    const excess = shares.excess(this.share);
    if (excess !== null) throw new HoldfastError(excess);
  }
}

async function next(pieces: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
  try {
    return await pieces.next();
  } catch (error) {
    throw new HoldfastError('bad_request', { detail: 'The body broke off.', cause: error });
  }
}

/** Whether a sender that was refused has more to send than is worth reading. */
export function leavesBody(headers: HeaderList): boolean {
  return headerValue(headers, 'content-length') !== '0' && new Head(headers).hasBody;
}
