/** What is wrong with an endpoint, for whoever saves one: the same rules that hold when something is sent. */
import type { HeaderList } from '../../core/event.ts';
import { HoldfastError } from '../../errors.ts';
import type { Egress, Problem } from '../egress/egress.ts';
import { isOfTheHop } from './request-headers.ts';
import { openSigners } from './signing.ts';
import { openStatusRules } from './status-rules.ts';
import type { Auth, EndpointTarget } from './target.ts';

/** A problem and the field of the target it is about. */
export interface TargetProblem extends Problem {
  readonly field: string;
}

const HEADERS_MAX = 64;
const HEADER_BYTES_MAX = 8192;
const RETRY_AFTER_LIMIT_MS = 30 * 24 * 3_600_000;
const RESPONSE_BYTES_LIMIT = 16 * 1024 * 1024;

/** The first thing that is wrong with an endpoint; `null`: nothing. Nothing is resolved or connected. */
export function checkTarget(target: EndpointTarget, egress: Egress): TargetProblem | null {
  const url = egress.check(target.url);
  if (url !== null) return { ...url, field: 'url' };
  const token = target.auth?.kind === 'oauth2' ? egress.check(target.auth.tokenUrl) : null;
  if (token !== null) return { ...token, field: 'auth.tokenUrl' };
  return (
    problem('headers', problemOfHeaders(target.headers ?? [])) ??
    problem('auth', problemOfAuth(target.auth ?? null)) ??
    problem('signing', problemOf(() => openSigners(target.signing)) ?? problemOfNames(target)) ??
    problem(
      'statusRules',
      problemOf(() => openStatusRules(target.statusRules)),
    ) ??
    problem(
      'tls',
      problemOf(() => egress.prepare(target.url, target.tls ?? null)),
    ) ??
    problem('retryAfterMaxMs', problemOfNumber(target.retryAfterMaxMs, RETRY_AFTER_LIMIT_MS)) ??
    problem('responseBytesMax', problemOfNumber(target.responseBytesMax, RESPONSE_BYTES_LIMIT))
  );
}

/** What is wrong with a header that an endpoint sets; `null`: nothing. Never repeats the value. */
export function problemOfHeader(name: string, value: string): string | null {
  if (!/^[!#$%&'*+.^_`|~\dA-Za-z-]+$/.test(name)) return `'${name.slice(0, 50)}' is not a header name`;
  if (isOfTheHop(name.toLowerCase())) return `'${name}' is set by the connection and cannot be given`;
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return `the value of '${name}' contains what no header may`;
  return null;
}

function problemOfHeaders(headers: HeaderList): string | null {
  if (headers.length % 2 !== 0) return 'expected pairs of name and value';
  if (headers.length / 2 > HEADERS_MAX) return `expected at most ${HEADERS_MAX} headers`;
  const bytes = headers.reduce((sum, text) => sum + text.length, 0);
  if (bytes > HEADER_BYTES_MAX) return `expected at most ${HEADER_BYTES_MAX} bytes of headers`;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const found = problemOfHeader(headers[index] ?? '', headers[index + 1] ?? '');
    if (found !== null) return found;
  }
  return null;
}

/** The endpoint's own headers must not be those of the signature: one of the two would be lost. */
function problemOfNames({ headers = [], signing }: EndpointTarget): string | null {
  const { usual, beside } = openSigners(signing);
  const made = new Set([...usual.names, ...beside.names]);
  for (const name of made) {
    const found = problemOfHeader(name, '');
    if (found !== null) return found;
  }
  const taken = headers.find((name, index) => index % 2 === 0 && made.has(name.toLowerCase()));
  return taken === undefined ? null : `the header '${taken}' is made by the signature and cannot be given`;
}

function problemOfAuth(auth: Auth | null): string | null {
  if (auth === null) return null;
  if (auth.kind === 'bearer') return /^[!-~]+$/.test(auth.token) ? null : 'the token must be visible ASCII';
  if (auth.kind === 'basic') return auth.username.includes(':') ? 'the user name must not contain a colon' : null;
  return auth.clientId === '' || auth.clientSecret === '' ? 'clientId and clientSecret must not be empty' : null;
}

function problemOfNumber(value: number | undefined, max: number): string | null {
  if (value === undefined || (Number.isInteger(value) && value >= 0 && value <= max)) return null;
  return `expected a whole number from 0 to ${max}, got ${value}`;
}

function problemOf(make: () => unknown): string | null {
  try {
    make();
    return null;
  } catch (error) {
    if (error instanceof HoldfastError) return error.message;
    throw error;
  }
}

function problem(field: string, detail: string | null): TargetProblem | null {
  return detail === null ? null : { code: 'invalid_input', detail, field };
}
