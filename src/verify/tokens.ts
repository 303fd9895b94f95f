/**
 * Shared tokens: the sender shows that it knows one, and nothing of the request is signed. They prove the sender as
 * long as nobody else learns the token; they say nothing about the body, the time or the URL.
 */
import { Buffer } from 'node:buffer';
import { HoldfastError } from '../errors.ts';
import { TokenSet } from './compare.ts';
import { decodeStrict } from './encoding.ts';
import { soleHeader } from './headers.ts';
import { lastSegmentOf, parametersOf, withParameter, withSegment } from './query.ts';
import { defineVerifier, neededSource } from './secret.ts';
import type { SyncOpened } from './secret.ts';
import { HELD, refuse } from './verdict.ts';
import type { SecretSource, SourceDefaults, TypedBody, Verifier } from './verifier.ts';

/** What a token leaves open. */
export const NOTHING_SIGNED = 'Body, URL and time: whoever learns the token can send anything. Use TLS and rotate it.';

/** What every token scheme can be told. */
export interface TokenSettings {
  /** The token, or several while rotating. */
  readonly tokens: SecretSource;
  /** Type, keys and answers of the source; nothing by default. */
  readonly defaults?: SourceDefaults;
}

/** Options of {@link headerToken}. */
export interface HeaderTokenOptions extends TokenSettings {
  /** The header that carries the token, in any case. It is stored redacted and never forwarded. */
  readonly header: string;
}

/**
 * A token in a header of its own: `X-Gitlab-Token`, or an `Authorization` header without a scheme.
 *
 * @example headerToken({ header: 'x-api-key', tokens: secret('PARTNER_TOKEN') })
 * @throws HoldfastError `secret_missing` when there is no token
 */
export function headerToken<Body = unknown>(options: HeaderTokenOptions): Verifier & TypedBody<Body> {
  const header = options.header.toLowerCase();
  return defineVerifier({
    outline: {
      name: 'headerToken',
      credentialHeaders: [header],
      defaults: options.defaults ?? {},
      notProtected: NOTHING_SIGNED,
    },
    sources: { tokens: neededSource(options.tokens, 'tokens of headerToken') },
    open: ({ tokens }) => openHeaderToken(options.header, tokens),
  });
}

/** Compares a header as a whole with the tokens. */
export function openHeaderToken(header: string, tokens: readonly string[]): SyncOpened {
  const lowerHeader = header.toLowerCase();
  const known = new TokenSet(tokens);
  return {
    verify(request) {
      const value = soleHeader(request.headers, lowerHeader);
      if (typeof value !== 'string') return value;
      return known.hasHeader(value) ? HELD : refuse('token_mismatch', lowerHeader);
    },
    sign: () => [header, tokens[0] ?? ''],
  };
}

/**
 * `Authorization: Bearer …` (RFC 6750).
 *
 * @example bearer({ tokens: secret('PARTNER_TOKEN') })
 * @throws HoldfastError `secret_missing` when there is no token
 */
export function bearer<Body = unknown>(options: TokenSettings): Verifier & TypedBody<Body> {
  return defineVerifier({
    outline: {
      name: 'bearer',
      credentialHeaders: ['authorization'],
      defaults: options.defaults ?? {},
      notProtected: NOTHING_SIGNED,
    },
    sources: { tokens: neededSource(options.tokens, 'tokens of bearer') },
    open: ({ tokens }) => openBearer(tokens),
  });
}

/** Compares what follows `Bearer` with the tokens. */
function openBearer(tokens: readonly string[]): SyncOpened {
  const known = new TokenSet(tokens);
  return {
    verify(request) {
      const value = soleHeader(request.headers, 'authorization');
      if (typeof value !== 'string') return value;
      const token = afterScheme(value, 'bearer');
      if (token === null) return refuse('header_malformed', 'authorization is not Bearer');
      return known.hasHeader(token) ? HELD : refuse('token_mismatch', 'authorization');
    },
    sign: () => ['Authorization', `Bearer ${tokens[0] ?? ''}`],
  };
}

/** Options of {@link queryToken}. */
export interface QueryTokenOptions extends TokenSettings {
  /** The query parameter that carries the token; case counts. It is stored redacted and never forwarded. */
  readonly parameter: string;
}

/**
 * A token in the query of the URL, for senders that can set nothing but a URL. URLs end up in the logs of proxies:
 * prefer a header where the sender can send one.
 *
 * @example queryToken({ parameter: 'token', tokens: secret('BOT_TOKEN') })
 * @throws HoldfastError `secret_missing` when there is no token
 */
export function queryToken<Body = unknown>(options: QueryTokenOptions): Verifier & TypedBody<Body> {
  const { parameter } = options;
  return defineVerifier({
    outline: {
      name: 'queryToken',
      credentialHeaders: [],
      credentialParameters: [parameter],
      defaults: options.defaults ?? {},
      notProtected: NOTHING_SIGNED,
    },
    sources: { tokens: neededSource(options.tokens, 'tokens of queryToken') },
    open: ({ tokens }) => openQueryToken(parameter, tokens),
  });
}

/** Compares a query parameter, which must be there once, with the tokens. */
export function openQueryToken(parameter: string, tokens: readonly string[]): SyncOpened {
  const known = new TokenSet(tokens);
  return {
    verify(request) {
      const values = parametersOf(request.url).getAll(parameter);
      const [value = ''] = values;
      if (value === '') return refuse('parameter_missing', `the query has no ${parameter}`);
      if (values.length > 1) return refuse('token_mismatch', `${parameter} was sent more than once`);
      return known.has(Buffer.from(value, 'utf8')) ? HELD : refuse('token_mismatch', parameter);
    },
    sign: () => [],
    embed: (request) => ({ ...request, url: withParameter(request.url, parameter, tokens[0] ?? '') }),
  };
}

/**
 * A token as the last segment of the path, `/in/bot/TOKEN`, for senders that take the URL of a Discord or Slack webhook
 * and add nothing to it. The source keeps its `path` without the token. URLs end up in the logs of proxies: prefer a
 * header where the sender can send one.
 *
 * @example pathToken({ tokens: secret('BOT_TOKEN') })
 * @throws HoldfastError `secret_missing` when there is no token
 */
export function pathToken<Body = unknown>(options: TokenSettings): Verifier & TypedBody<Body> {
  return defineVerifier({
    outline: {
      name: 'pathToken',
      credentialHeaders: [],
      credentialInPath: true,
      defaults: options.defaults ?? {},
      notProtected: NOTHING_SIGNED,
    },
    sources: { tokens: neededSource(options.tokens, 'tokens of pathToken') },
    open: ({ tokens }) => openPathToken(tokens),
  });
}

/** Compares the last segment of the path with the tokens. */
export function openPathToken(tokens: readonly string[]): SyncOpened {
  const known = new TokenSet(tokens);
  return {
    verify(request) {
      const segment = lastSegmentOf(request.url);
      if (segment === '') return refuse('parameter_missing', 'the path ends without a token');
      if (segment === null) return refuse('token_mismatch', 'the path is not well escaped');
      return known.has(Buffer.from(segment, 'utf8')) ? HELD : refuse('token_mismatch', 'the last segment of the path');
    },
    sign: () => [],
    embed: (request) => ({ ...request, url: withSegment(request.url, tokens[0] ?? '') }),
  };
}

/** A user and a password. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** Options of {@link basic}. */
export interface BasicOptions {
  /** `user:password`, `{ username, password }`, a list of either while rotating, or a secret that holds the former. */
  readonly credentials: SecretSource | Credentials | readonly Credentials[];
  /** Type, keys and answers of the source; nothing by default. */
  readonly defaults?: SourceDefaults;
}

/**
 * `Authorization: Basic …` (RFC 7617), in UTF-8. A password with a comma cannot come from one environment variable:
 * a comma separates credentials there.
 *
 * @example basic({ credentials: secret('POSTMARK_WEBHOOK_CREDENTIALS') })
 * @throws HoldfastError `secret_missing` when there are no credentials, or they have no colon
 */
export function basic<Body = unknown>(options: BasicOptions): Verifier & TypedBody<Body> {
  return defineVerifier({
    outline: {
      name: 'basic',
      credentialHeaders: ['authorization'],
      defaults: options.defaults ?? {},
      notProtected: NOTHING_SIGNED,
    },
    sources: { credentials: credentialText(neededSource(options.credentials, 'credentials of basic')) },
    open: ({ credentials }) => openBasic(credentials),
  });
}

/**
 * Compares user and password of a `Basic` header with the credentials, each `user:password`.
 *
 * @throws HoldfastError `secret_missing` when one has no colon
 */
export function openBasic(credentials: readonly string[]): SyncOpened {
  if (!credentials.every((pair) => pair.includes(':'))) {
    throw new HoldfastError('secret_missing', { detail: 'Basic credentials must be written user:password.' });
  }
  const known = new TokenSet(credentials);
  return {
    verify(request) {
      const value = soleHeader(request.headers, 'authorization');
      if (typeof value !== 'string') return value;
      const given = decodeStrict(afterScheme(value, 'basic') ?? '', 'base64');
      if (given === null) return refuse('header_malformed', 'authorization is not Basic with base64');
      return known.has(given) ? HELD : refuse('credentials_mismatch', 'authorization');
    },
    sign: () => ['Authorization', `Basic ${Buffer.from(credentials[0] ?? '', 'utf8').toString('base64')}`],
  };
}

/** What follows the scheme of an `Authorization` header, whose name is in any case; `null` where it is another. */
function afterScheme(value: string, lowerScheme: string): string | null {
  const space = value.indexOf(' ');
  if (space < 0 || value.slice(0, space).toLowerCase() !== lowerScheme) return null;
  return value.slice(space + 1).trim();
}

/** Credentials as text, however they are given. */
export function credentialText(credentials: BasicOptions['credentials']): SecretSource {
  if (typeof credentials === 'string') return credentials;
  if ('username' in credentials) return pairText(credentials);
  if (!isList(credentials)) return credentials;
  return credentials.map((item) => (typeof item === 'string' ? item : pairText(item)));
}

function pairText({ username, password }: Credentials): string {
  if (username.includes(':')) throw new HoldfastError('config_invalid', { detail: 'A user name holds no colon.' });
  return `${username}:${password}`;
}

function isList(value: unknown): value is readonly (string | Credentials)[] {
  return Array.isArray(value);
}
