/** Ingest for Express, Connect, and anything else that hands on Node's own request and response. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { HoldfastError } from '../errors.ts';
import type { Acceptor } from './accept.ts';
import { type HostedRequest, leavesBody, serve } from './hosted.ts';

/** A request as Node made it, with what Express and body parsers may have put on it. */
export interface HostRequest extends IncomingMessage {
  /** The URL before Express took the mount path off. */
  readonly originalUrl?: string;
  /** The mount path. */
  readonly baseUrl?: string;
  readonly body?: unknown;
  /** The bytes, where a host keeps them beside the parsed body (Firebase, some body parsers' `verify`). */
  readonly rawBody?: unknown;
}

export type Next = (error?: unknown) => void;
const EMPTY = new Uint8Array();

export type Middleware = (request: HostRequest, response: ServerResponse, next: Next) => void;

/**
 * A middleware that takes requests whose path, below where it is mounted, is a source's, and passes on all others.
 * It needs the bytes: mounted below a body parser it passes on an error `body_consumed` that names the line to move.
 */
export function ingestMiddleware(acceptor: Acceptor): Middleware {
  return (request, response, next) => void answerOrPass(acceptor, { request, response, next });
}

async function answerOrPass(
  acceptor: Acceptor,
  on: { request: HostRequest; response: ServerResponse; next: Next },
): Promise<void> {
  let taken: boolean;
  try {
    taken = await answerNode(acceptor, on.request, on.response);
  } catch (error) {
    on.next(error);
    return;
  }
  if (!taken) on.next();
}

/**
 * Answers a request on Node's own objects; `false`, with nothing done, when its path is no source's.
 * @throws HoldfastError body_consumed
 */
export async function answerNode(acceptor: Acceptor, request: HostRequest, response: ServerResponse): Promise<boolean> {
  const { url: target = '/' } = request;
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  if (acceptor.find(path) === undefined) return false;
  const served = await serve(acceptor, {
    method: request.method ?? '',
    path,
    url: request.originalUrl ?? target,
    headers: request.rawHeaders,
    peer: request.socket.remoteAddress ?? '',
    body: bodyOf(request),
  });
  if (served === null) return false;
  const { reply, read } = served;
  const ends = !read && leavesBody(request.rawHeaders);
  if (!response.headersSent)
    response.writeHead(reply.status, ends ? [...reply.headers, 'Connection', 'close'] : [...reply.headers]);
  response.end(reply.body, 'latin1');
  return true;
}

/** Whether there were bytes and they are gone: somebody has read them, and has not kept them. */
export function isConsumed(request: HostRequest): boolean {
  const isKept = request.rawBody instanceof Uint8Array || request.body instanceof Uint8Array;
  return !isKept && Readable.isDisturbed(request) && leavesBody(request.rawHeaders);
}

function bodyOf(request: HostRequest): HostedRequest['body'] {
  const { body, rawBody } = request;
  if (rawBody instanceof Uint8Array) return rawBody;
  // What express.raw() leaves: the bytes as they came, since a body with a Content-Encoding is refused.
  if (body instanceof Uint8Array) return body;
  if (isConsumed(request)) throw consumed(request);
  if (Readable.isDisturbed(request)) return EMPTY;
  // Not destroyed when reading stops early: the answer still has to go out.
  return request.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
}

function consumed({ baseUrl = '' }: HostRequest): HoldfastError {
  const mount = baseUrl === '' ? '' : `'${baseUrl}', `;
  return new HoldfastError('body_consumed', {
    detail: `Move app.use(${mount}gateway.middleware()) above the line with the body parser, app.use(express.json()) or the like.`,
  });
}
