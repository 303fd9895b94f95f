/** What a request is answered with, built once and written by every adapter alike. */
import type { HeaderList } from '../core/event.ts';
import { type ErrorCode, errorCodes } from '../errors.ts';
import type { HttpAnswer } from '../verify/verifier.ts';

/** An answer, complete but for `Date` and `Connection`. */
export interface Reply {
  readonly status: number;
  /** Name, value, name, value… */
  readonly headers: string[];
  /** Text is ASCII, so that it can be written in one piece with the headers. */
  readonly body: string | Uint8Array;
}

/** Carried hop by hop, or ours to say: an answer's author cannot set them. */
const OURS = new Set(['connection', 'content-length', 'date', 'keep-alive', 'transfer-encoding', 'upgrade', 'trailer']);
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// Anything but visible text in latin-1 and blanks would split or break the header.
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

/** A reply from its parts. Headers that HTTP does not allow are left out. */
export function makeReply(status: number, headers: HeaderList, body: string | Uint8Array): Reply {
  if (status === 205) return { status, headers: [...allowed(headers), 'Content-Length', '0'], body: '' };
  if (status === 204 || status === 304) return { status, headers: allowed(headers), body: '' };
  const content =
    typeof body === 'string' && Buffer.byteLength(body) !== body.length ? Buffer.from(body, 'utf8') : body;
  return { status, headers: [...allowed(headers), 'Content-Length', String(content.length)], body: content };
}

function allowed(headers: HeaderList): string[] {
  const list: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? '';
    const value = headers[index + 1] ?? '';
    if (NAME.test(name) && !NO_VALUE.test(value) && !OURS.has(name.toLowerCase())) list.push(name, value);
  }
  return list;
}

/** Whether a value is an answer that Node's server sends: it throws at others, where nobody catches it. */
export function canBeSent(value: unknown): value is HttpAnswer {
  if (typeof value !== 'object' || value === null) return false;
  const { status, headers = {}, body = '' } = value as Readonly<Record<string, unknown>>;
  const hasStatus = Number.isInteger(status) && Number(status) >= 200 && Number(status) <= 599;
  const hasHeaders = typeof headers === 'object' && headers !== null && Object.values(headers).every(isHeader);
  return hasStatus && hasHeaders && (typeof body === 'string' || body instanceof Uint8Array);
}

function isHeader(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number';
}

/** An answer as a verifier or a config writes it. @throws TypeError for what cannot be sent */
export function answerReply(answer: HttpAnswer): Reply {
  if (!canBeSent(answer)) throw new TypeError('expected an answer with a status from 200 to 599, and text or bytes');
  return makeReply(answer.status, Object.entries(answer.headers ?? {}).flat(), answer.body ?? '');
}

const JSON_TYPE = ['Content-Type', 'application/json'] as const;
// Every id has the same length, so nearly all answers share these headers.
const ID_TEXT_LENGTH = '{"id":"evt_00000000000000000000000000"}'.length;
const ACCEPTED_HEADERS: string[] = [...JSON_TYPE, 'Content-Length', String(ID_TEXT_LENGTH)];

/** 200 `{"id":"evt_…"}`. */
export function acceptedReply(eventId: string): Reply {
  const body = `{"id":"${eventId}"}`;
  if (body.length === ID_TEXT_LENGTH) return { status: 200, headers: ACCEPTED_HEADERS, body };
  return makeReply(200, JSON_TYPE, body);
}

/** 200 `{"ids":["evt_…",…]}`, in the order of the elements. */
export function acceptedAllReply(eventIds: readonly string[]): Reply {
  return makeReply(200, JSON_TYPE, JSON.stringify({ ids: eventIds }));
}

export interface ProblemOptions {
  readonly detail?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly retryAfterS?: number | undefined;
  /** Instead of the code's own, where a provider gives up at the usual one. */
  readonly status?: number | undefined;
  readonly headers?: HeaderList | undefined;
}

/** Seconds after which a sender is asked to try again where nothing better is known. */
const RETRY_AFTER_S = 5;

/** problem+json (RFC 9457) with the code of errors.ts. */
export function problemReply(code: ErrorCode, options: ProblemOptions = {}): Reply {
  const { message, action, retryable, status: usual } = errorCodes[code];
  const status = options.status ?? usual;
  const { detail, correlationId } = options;
  const body = {
    type: `urn:holdfast:error:${code}`,
    title: message,
    status,
    code,
    ...(detail !== undefined && { detail }),
    action,
    retryable,
    ...(correlationId !== undefined && { correlationId }),
  };
  const retryAfterS = options.retryAfterS ?? (status === 503 || status === 429 ? RETRY_AFTER_S : undefined);
  const headers = ['Content-Type', 'application/problem+json'];
  if (retryAfterS !== undefined) headers.push('Retry-After', String(Math.max(1, Math.ceil(retryAfterS))));
  return makeReply(status, [...headers, ...(options.headers ?? [])], JSON.stringify(body));
}
