/**
 * One request and its answer: over a connection, within a deadline, with bounds on what is read. A redirect is an
 * answer like any other; nothing is decompressed.
 */
import type { Dispatcher } from 'undici';
import type { Abortable } from '../../core/abortable.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import type { Exchange } from '../../core/exchange.ts';
import type { HeaderList } from '../../core/event.ts';
import { EgressError, type EgressCode } from './codes.ts';
import { type Connection, type Connections, type Origin, type Waiter } from './connections.ts';
import { egressErrorOf } from './failures.ts';

/** A request to an origin that has been checked. */
export interface CallRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** Name, value, name, value…; without host, content-length and what belongs to a connection. */
  readonly headers: string[];
  readonly body: Uint8Array | null;
  /** For everything: waiting for a connection, opening it, sending, and the head of the answer. */
  readonly timeoutMs: number;
  /** Ends it; the answer then has the code `aborted`, or `timeout` where that is the reason's name. */
  readonly signal: Abortable | null;
  /** Most bytes of the answer's body that are read. */
  readonly responseBytesMax: number;
  /** Most bytes of it that are kept. */
  readonly responseBytesKept: number;
}

/** What came back. */
export interface Answer {
  /** `null` when there was no whole head. */
  readonly status: number | null;
  /** As received, cut to {@link HEADER_BYTES_KEPT}. */
  readonly headers: HeaderList;
  /** The part that is kept. */
  readonly body: Buffer;
  /** Bytes of it that were read. */
  readonly bodyBytes: number;
  readonly times: Exchange['times'];
  readonly remoteAddress: string | null;
  /** Beside a status: what became of the body that did not come whole. */
  readonly code: EgressCode | null;
  readonly detail: string | null;
}

const HEADER_BYTES_KEPT = 8192;
/** After the head, for the body: what an endpoint has answered is known, and its body is only for people. */
const BODY_TIMEOUT_MS = 5000;
/** Interim answers (1xx) before the final one; more of them are a flood. */
const INTERIMS_MAX = 16;
const NOTHING = Buffer.alloc(0);
const NO_TIMES: Exchange['times'] = { dnsMs: null, connectMs: null, tlsMs: null, firstByteMs: null };

/** Sends a request. Never rejects. */
export function call(
  origin: Origin,
  request: CallRequest,
  { connections, clock }: { connections: Connections; clock: Clock },
): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>();
  new Call(origin, request, { connections, clock, resolve }).start();
  return promise;
}

class Call implements Waiter, Dispatcher.DispatchHandler {
  readonly origin: Origin;
  readonly #request: CallRequest;
  readonly #connections: Connections;
  readonly #clock: Clock;
  #resolve: ((answer: Answer) => void) | null;
  #deadline: Timer | null = null;
  #connection: Connection | null = null;
  #times = NO_TIMES;
  #remoteAddress: string | null = null;
  #startedAt = 0;
  /** Something of it may have been written. */
  #begun = false;
  /** The connection had been idle. */
  #isUsedAgain = false;
  #sentAt = 0;
  #interims = 0;
  #status: number | null = null;
  #headers: readonly Buffer[] = [];
  #chunks: Buffer[] = [];
  #bodyBytes = 0;

  constructor(
    origin: Origin,
    request: CallRequest,
    to: { connections: Connections; clock: Clock; resolve: (answer: Answer) => void },
  ) {
    this.origin = origin;
    this.#request = request;
    this.#connections = to.connections;
    this.#clock = to.clock;
    this.#resolve = to.resolve;
  }

  start(): void {
    const { signal, timeoutMs } = this.#request;
    if (signal?.aborted === true) {
      this.#abort();
      return;
    }
    signal?.addEventListener('abort', this.#abort);
    this.#startedAt = this.#clock.monotonic();
    this.#deadline = this.#clock.schedule(timeoutMs, this.#expire);
    this.#connections.acquire(this);
  }

  // --------------------------------------------------------------------------------------------------- the connection

  given(connection: Connection): void {
    if (this.#resolve === null) {
      this.#connections.release(connection, true);
      return;
    }
    this.#connection = connection;
    this.#remoteAddress = connection.remoteAddress;
    const times = connection.takeTimes();
    this.#isUsedAgain = times.connectMs === null;
    if (!this.#isUsedAgain) this.#times = { ...times, firstByteMs: null };
    const { method, path, headers, body } = this.#request;
    connection.client.dispatch({ method, path, headers, body }, this);
  }

  refused(error: EgressError): void {
    this.#fail(error);
  }

  // ------------------------------------------------------------------------------------------------ what undici tells

  onRequestStart(): void {
    this.#begun = true;
  }

  onRequestSent(): void {
    this.#sentAt = this.#clock.monotonic();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) {
      if (++this.#interims > INTERIMS_MAX) this.#fail(new EgressError('response_invalid', 'too many interim answers'));
      return;
    }
    this.#status = status;
    this.#headers = controller.rawHeaders as Buffer[];
    const { dnsMs, connectMs, tlsMs } = this.#times;
    this.#times = { dnsMs, connectMs, tlsMs, firstByteMs: this.#clock.monotonic() - this.#sentAt };
    // Most bodies are there already when this turn ends, and need no timer.
    queueMicrotask(this.#watchBody);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { responseBytesKept, responseBytesMax } = this.#request;
    const room = responseBytesKept - this.#bodyBytes;
    // A copy: the rest of what came with it would be held as well.
    if (room > 0) this.#chunks.push(Buffer.from(chunk.subarray(0, room)));
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes > responseBytesMax) this.#fail(new EgressError('response_too_large'));
  }

  onResponseEnd(): void {
    this.#finish(null);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const known = egressErrorOf(error, 'exchange');
    if (known.code === 'connect_reset' && this.#isUsedAgain && !this.#begun && this.#resolve !== null) {
      // It was closed while it was idle, and not a byte was written: the next one takes the request.
      this.#connection?.destroy();
      this.#connection = null;
      this.#connections.acquire(this);
      return;
    }
    this.#fail(known);
  }

  // ------------------------------------------------------------------------------------------------------- the end

  readonly #watchBody = (): void => {
    if (this.#resolve === null) return;
    const leftMs = this.#request.timeoutMs - (this.#clock.monotonic() - this.#startedAt);
    this.#deadline?.cancel();
    this.#deadline = this.#clock.schedule(Math.max(0, Math.min(leftMs, BODY_TIMEOUT_MS)), this.#expire);
  };

  readonly #expire = (): void => this.#fail(new EgressError('timeout'));

  readonly #abort = (): void => {
    const reason: unknown = this.#request.signal?.reason;
    const isTimeout = reason instanceof Error && reason.name === 'TimeoutError';
    this.#fail(new EgressError(isTimeout ? 'timeout' : 'aborted'));
  };

  #fail(error: EgressError): void {
    if (this.#resolve === null) return;
    if (this.#connection === null) this.#connections.abandon(this, error);
    this.#finish(error);
  }

  #finish(error: EgressError | null): void {
    const resolve = this.#resolve;
    if (resolve === null) return;
    this.#resolve = null;
    this.#deadline?.cancel();
    this.#request.signal?.removeEventListener('abort', this.#abort);
    const connection = this.#connection;
    if (connection !== null) {
      // An answer that came before the request was written out: what is left of it would lead the next one.
      this.#connections.release(connection, error === null && connection.socket.writableLength === 0);
    }
    resolve({
      status: this.#status,
      headers: headerList(this.#headers),
      body:
        this.#chunks.length === 0
          ? NOTHING
          : this.#chunks.length === 1
            ? (this.#chunks[0] ?? NOTHING)
            : Buffer.concat(this.#chunks),
      bodyBytes: this.#bodyBytes,
      times: this.#times,
      remoteAddress: this.#remoteAddress,
      code: error?.code ?? null,
      detail: error?.message ?? null,
    });
  }
}

/** Names and values as text, one character a byte, as many as fit. */
function headerList(raw: readonly Buffer[]): HeaderList {
  const list: string[] = [];
  let bytes = 0;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? NOTHING;
    const value = raw[index + 1] ?? NOTHING;
    bytes += name.length + value.length;
    if (bytes > HEADER_BYTES_KEPT) break;
    list.push(name.toString('latin1'), value.toString('latin1'));
  }
  return list;
}
