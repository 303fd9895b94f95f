/** One request on the listener, from its head to its answer. */
import type { ServerResponse } from 'node:http';
import type { HeaderList } from '../core/event.ts';
import type { Acceptor } from './accept.ts';
import { BodyBuffer } from './body.ts';
import type { IngestRequest } from './events.ts';
import { tooLarge } from './head.ts';
import type { Intake } from './intake.ts';
import type { IngestMessage, Taker } from './message.ts';
import { type IngestSocket, refuse } from './refusing.ts';
import type { Reply } from './reply.ts';
import type { Excess, Holder, Share } from './shares.ts';

/** What the requests of one listener share. */
export interface Shared {
  readonly acceptor: Acceptor;
  /** Every answer from now on ends its connection. */
  closing: boolean;
}

const EMPTY = new Uint8Array(0);

export class Exchange implements Taker, IngestRequest, Holder {
  readonly method: string;
  readonly url: string;
  readonly headers: HeaderList;
  body: Uint8Array = EMPTY;
  readonly #shared: Shared;
  readonly #intake: Intake;
  readonly #response: ServerResponse;
  readonly #request: IngestMessage;
  readonly startedAt: number;
  readonly share: Share;
  /** Bytes of the body so far. */
  arrived = 0;
  #buffer: BodyBuffer | null = null;
  #held = 0;
  #whole = false;
  #entered = false;

  constructor(
    shared: Shared,
    intake: Intake,
    { request, response }: { request: IngestMessage; response: ServerResponse },
  ) {
    this.method = request.method ?? '';
    this.url = request.url ?? '';
    this.headers = request.rawHeaders;
    this.#shared = shared;
    this.#intake = intake;
    this.#response = response;
    this.#request = request;
    this.startedAt = shared.acceptor.ports.clock.monotonic();
    const socket: IngestSocket = request.socket;
    socket.open = (socket.open ?? 0) + 1;
    socket.latest = this;
    this.share = socket.share ?? shared.acceptor.shares.of(this.remoteAddress);
    request.takenBy(this);
  }

  /** Few verifiers ask for it. */
  get remoteAddress(): string {
    return this.#shared.acceptor.proxies.sender(this.#request.socket.remoteAddress ?? '', this.headers);
  }

  /** Counts the request where the connection says nothing of its sender. `false`: that one has too many under way. */
  enter(): boolean {
    const socket: IngestSocket = this.#request.socket;
    if (socket.share !== undefined) return true;
    this.#entered = this.#shared.acceptor.shares.enter(this.share);
    return this.#entered;
  }

  piece(bytes: Uint8Array): void {
    const { shares, ports } = this.#shared.acceptor;
    const { bodyBytesMax } = ports.limits;
    this.arrived += bytes.length;
    if (this.#held === 0) {
      // Nearly every body is one piece: kept as it came.
      if (bytes.length > bodyBytesMax) return this.#tooLarge(bodyBytesMax);
      this.body = bytes;
      this.#hold(bytes.length);
    } else {
      this.#buffer ??= this.#open(bodyBytesMax);
      if (!this.#buffer.add(bytes)) return this.#tooLarge(bodyBytesMax);
      this.#hold(this.#buffer.held);
    }
    const excess = shares.excess(this.share);
    if (excess !== null) return this.giveUp(excess);
    if (this.arrived !== this.#request.head.contentLength) shares.wait(this);
  }

  giveUp(excess: Excess): void {
    this.refuse(this.#shared.acceptor.turnAway(this.#intake, excess));
  }

  ended(): void {
    this.#whole = true;
    this.#shared.acceptor.shares.done(this);
    if (this.#buffer !== null) this.body = this.#buffer.bytes;
    const reply = this.#shared.acceptor.accept(this.#intake, this);
    if (!(reply instanceof Promise)) {
      this.#send(reply);
      return;
    }
    void this.#sendLater(reply);
  }

  async #sendLater(reply: Promise<Reply>): Promise<void> {
    const socket: IngestSocket = this.#request.socket;
    socket.unanswered = (socket.unanswered ?? 0) + 1;
    const late = await reply;
    socket.unanswered--;
    this.#send(late);
  }

  aborted(): void {
    // What has arrived whole is committed all the same: its sender will ask again and be told the same id.
    this.#shared.acceptor.shares.done(this);
    if (this.#whole) return;
    this.#hold(0);
    this.#leave();
  }

  /** Answers before the body has arrived. */
  refuse(reply: Reply): void {
    const { acceptor } = this.#shared;
    acceptor.shares.done(this);
    this.#hold(0);
    this.body = EMPTY;
    this.#observe(reply.status);
    const ends = this.#answers();
    refuse(this.#request, { clock: acceptor.ports.clock, response: this.#response, reply, ends });
  }

  /** It is being answered. Whether its connection ends with it: only with the answer to the last request on it. */
  #answers(): boolean {
    const socket: IngestSocket = this.#request.socket;
    socket.open = (socket.open ?? 1) - 1;
    this.#leave();
    return this.#shared.closing && socket.latest === this;
  }

  #leave(): void {
    if (this.#entered) this.#shared.acceptor.shares.leave(this.share);
    this.#entered = false;
  }

  #open(bodyBytesMax: number): BodyBuffer {
    const buffer = new BodyBuffer(bodyBytesMax, this.#request.head.contentLength);
    buffer.add(this.body);
    return buffer;
  }

  #tooLarge(bodyBytesMax: number): void {
    const { code, detail } = tooLarge(bodyBytesMax);
    this.refuse(this.#shared.acceptor.turnAway(this.#intake, code, detail));
  }

  #send(reply: Reply): void {
    this.#hold(0);
    this.#observe(reply.status);
    const socket: IngestSocket = this.#request.socket;
    const ends = this.#answers() || (socket.broken === true && socket.unanswered === 0);
    this.#response.writeHead(reply.status, ends ? [...reply.headers, 'Connection', 'close'] : reply.headers);
    this.#response.end(reply.body, 'latin1');
  }

  #observe(status: number): void {
    const { observer, clock } = this.#shared.acceptor.ports;
    observer.answered(this.#intake.source.name, status, clock.monotonic() - this.startedAt);
  }

  #hold(bytes: number): void {
    this.#shared.acceptor.shares.hold(this.share, bytes - this.#held);
    this.#held = bytes;
  }
}
