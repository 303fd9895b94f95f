/**
 * Ingest for hosts that speak `Request` and `Response`: Hono, Bun, Deno, workers. What such a request cannot give is
 * lost here: the case, order and repetition of headers, and the peer's address, unless the host passes it on.
 */
import { HoldfastError } from '../errors.ts';
import type { Acceptor } from './accept.ts';
import { notFound, serve } from './hosted.ts';
import type { Reply } from './reply.ts';

/** What a host knows of a request besides the `Request`. */
export interface FetchOptions {
  /** Address of the peer, for address lists and logs. */
  readonly remoteAddress?: string;
  /** Where ingest is mounted: left out of the path when the source is looked up. Default none. */
  readonly basePath?: string;
}

/** Answers a request; 404 when its path is no source's. @throws HoldfastError body_consumed */
export async function fetchIngest(acceptor: Acceptor, request: Request, options: FetchOptions = {}): Promise<Response> {
  const url = targetOf(request.url);
  const mark = url.indexOf('?');
  const path = withoutBase(mark < 0 ? url : url.slice(0, mark), options.basePath ?? '');
  const isTaken = path !== null && acceptor.find(path) !== undefined;
  const served = isTaken ? await serve(acceptor, { ...partsOf(request, options), path, url }) : null;
  return responseOf(served?.reply ?? notFound(acceptor), request.method);
}

function partsOf(request: Request, { remoteAddress = '' }: FetchOptions) {
  const { body } = request;
  // Locked without having been read: whoever holds the lock gets the bytes.
  if (request.bodyUsed || body?.locked === true) throw consumed();
  return {
    method: request.method,
    headers: [...request.headers].flat(),
    peer: remoteAddress,
    // Not cancelled when reading stops early: that would take the answer with it in some hosts.
    body: body === null ? new Uint8Array(0) : body.values({ preventCancel: true }),
  };
}

function consumed(): HoldfastError {
  return new HoldfastError('body_consumed', {
    detail:
      'Move the line with gateway.fetch(request) above what reads the body, request.json() or a middleware that does, or let that read request.clone().',
  });
}

/** Path and query of an absolute URL, as they stand there. */
function targetOf(url: string): string {
  const authority = url.indexOf('://') + 3;
  const start = url.indexOf('/', authority);
  const target = start < 0 ? '/' : url.slice(start);
  const hash = target.indexOf('#');
  return hash < 0 ? target : target.slice(0, hash);
}

function withoutBase(path: string, basePath: string): string | null {
  const base = basePath.replace(/\/+$/, '');
  if (base === '') return path;
  return path.startsWith(`${base}/`) ? path.slice(base.length) : null;
}

function responseOf({ status, headers, body }: Reply, method: string): Response {
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < headers.length; index += 2)
    pairs.push([headers[index] ?? '', headers[index + 1] ?? '']);
  // With any of these a Response takes no body, not even an empty one.
  const empty = status === 204 || status === 205 || status === 304 || method === 'HEAD';
  return new Response(empty ? null : typeof body === 'string' ? body : Buffer.from(body), { status, headers: pairs });
}
