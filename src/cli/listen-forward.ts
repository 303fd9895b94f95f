/** Sends events to a program on the developer's machine, as they came: method, query, headers, bytes. */
import { type LookupAddress, lookup } from 'node:dns';
import { lookup as resolve } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { Agent, request } from 'undici';
import type { z } from 'zod';
import { isLoopback } from '../api/listener.ts';
import type { eventDetailShape } from '../api/shapes.ts';
import { REDACTED } from '../core/event.ts';
import { UsageError } from './exit.ts';

type EventDetail = z.output<typeof eventDetailShape>;

/** What became of one request. */
export interface Forwarded {
  /** `null`: there was no answer. */
  readonly status: number | null;
  readonly durationMs: number;
  readonly error: string | null;
}

export interface ForwardOptions {
  readonly target: URL;
  /** Whether the target may be on another machine. */
  readonly remote: boolean;
  readonly timeoutMs: number;
}

/** These are about a connection, not about the event; length and host are those of the new request. */
const OWN = new Set(
  'connection keep-alive proxy-connection transfer-encoding te trailer upgrade expect host content-length'.split(' '),
);
/** Most bytes of an answer that are read; it is only its status that is shown. */
const ANSWER_BYTES_MAX = 1_048_576;

export class Forwarder {
  readonly #options: ForwardOptions;
  readonly #agent: Agent;

  constructor(options: ForwardOptions) {
    this.#options = options;
    const { timeoutMs, remote } = options;
    this.#agent = new Agent({
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      connect: { timeout: timeoutMs, ...(remote ? {} : { lookup: loopbackOnly }) },
    });
  }

  /**
   * Webhooks hold what customers entrusted to somebody: they go to this machine, unless it was said otherwise.
   * @throws UsageError when the target is on another
   */
  async check(): Promise<void> {
    const { target, remote } = this.#options;
    const host = hostOf(target);
    if (remote || isLoopback(host)) return;
    const addresses = await resolve(host, { all: true }).catch(() => []);
    if (addresses.length > 0 && addresses.every(({ address }) => isLoopback(address))) return;
    throw new UsageError(`--forward: ${host} is not this machine. With --allow-remote it is sent there all the same.`);
  }

  /** Never throws: what goes wrong is the result. Redirects are not followed. */
  async send(event: EventDetail, body: Uint8Array, signal: AbortSignal): Promise<Forwarded> {
    const { target, timeoutMs } = this.#options;
    const startedAt = performance.now();
    const took = (): number => Math.round(performance.now() - startedAt);
    try {
      const answer = await request(urlOf(target, event.query), {
        dispatcher: this.#agent,
        method: event.method === 'EMIT' ? 'POST' : event.method,
        headers: headersOf(event),
        body: body.length === 0 ? null : body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      await answer.body.dump({ limit: ANSWER_BYTES_MAX });
      return { status: answer.statusCode, durationMs: took(), error: null };
    } catch (error) {
      return { status: null, durationMs: took(), error: reasonOf(error) };
    }
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }
}

/** As received, in the same order and case; credentials are stored redacted, and what is redacted is left out. */
function headersOf({ id, source, headers }: EventDetail): string[] {
  const kept = headers.filter(({ name, value }) => value !== REDACTED && !OWN.has(name.toLowerCase()));
  return [...kept, { name: 'x-holdfast-event', value: id }, { name: 'x-holdfast-source', value: source }].flatMap(
    ({ name, value }) => [name, value],
  );
}

function urlOf(target: URL, query: string): URL {
  const kept = query.split('&').filter((pair) => pair !== '' && !pair.endsWith(`=${REDACTED}`));
  if (kept.length === 0) return target;
  const url = new URL(target);
  url.search = [url.search.slice(1), ...kept].filter((part) => part !== '').join('&');
  return url;
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

/** Looks names up again for every connection: one that leads elsewhere by then is not followed there. */
const loopbackOnly: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    const [first, ...more] = error === null ? addresses.filter(({ address }) => isLoopback(address)) : [];
    if (first === undefined) callback(error ?? new Error(`${hostname} is not this machine`), '', 0);
    else if (options.all === true) callback(null, [first, ...more]);
    else callback(null, first.address, first.family);
  });
};

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ECONNREFUSED' ? 'nothing listens there (ECONNREFUSED)' : (code ?? error.message);
}
