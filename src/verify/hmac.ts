/**
 * HMAC for senders without a file of their own: `hmac` for a signature in a header, `timestampedHmac` for a header
 * that lists a timestamp and signatures.
 */
import type { Encoding } from './encoding.ts';
import { openFieldScheme } from './fields.ts';
import { HoldfastError } from '../errors.ts';
import { hmacKeys } from './keys.ts';
import type { SecretEncoding } from './keys.ts';
import type { HmacAlgorithm } from './prepared-hmac.ts';
import { openHeaderScheme } from './mac.ts';
import type { HeaderScheme } from './mac.ts';
import { defineVerifier, neededSource } from './secret.ts';
import { readTolerance, TOLERANCE_MS } from './timestamp.ts';
import type { TimestampUnit } from './timestamp.ts';
import type { SecretSource, SourceDefaults, TypedBody, Verifier } from './verifier.ts';

/** What every HMAC scheme can be told. */
export interface HmacSettings {
  /** The key, or several while rotating: a signature made with any of them verifies. */
  readonly secrets: SecretSource;
  /** Default `sha256`. */
  readonly algorithm?: HmacAlgorithm;
  /** How the signature is written: lower-case `hex` (default), or `base64` with padding. Nothing else verifies. */
  readonly encoding?: Encoding;
  /** How the key is written in the setting: `utf8` (default) takes the text itself as the key, `hex` and `base64` decode it. */
  readonly secretEncoding?: SecretEncoding;
  /** Type, keys and answers of the source; nothing by default. */
  readonly defaults?: SourceDefaults;
}

/** Options of {@link hmac}. */
export interface HmacOptions extends HmacSettings {
  /** Header with the signature, in any case. */
  readonly header: string;
  /** Text before the signature: `sha256=`. Default none. */
  readonly prefix?: string;
  /** A header with the time of signing, which the signature covers. Without it a captured request can be replayed. */
  readonly timestamp?: {
    readonly header: string;
    /** Between timestamp and body in what is signed. Default `.`. */
    readonly joiner?: string;
    /** Whether the timestamp is signed `before` (default) or `after` the body. */
    readonly position?: 'before' | 'after';
    /** `s` (default) or `ms` since 1970, or `rfc3339`. */
    readonly unit?: TimestampUnit;
    /** Milliseconds it may lie in the past or the future. Default 300,000; `Infinity` for any. */
    readonly toleranceMs?: number;
  };
}

/**
 * A signature in a header: an HMAC of the raw body (RFC 2104), perhaps with a timestamp.
 *
 * @example hmac({ header: 'x-signature', secrets: secret('ORDERS_SECRET') })
 * @throws HoldfastError `secret_missing` when there is no secret or it does not decode, `config_invalid` for another option
 */
export function hmac<Body = unknown>(options: HmacOptions): Verifier & TypedBody<Body> {
  neededHeader(options.header);
  const form = hmacForm(options);
  const scheme = headerScheme(options);
  return defineVerifier({
    outline: {
      name: 'hmac',
      credentialHeaders: [],
      defaults: options.defaults ?? {},
      ...(options.timestamp === undefined && { notProtected: NO_TIME }),
    },
    sources: { secrets: neededSource(options.secrets, 'secrets of hmac') },
    open: ({ secrets }) => openHeaderScheme(scheme, hmacKeys(form, secrets)),
  });
}

/** Options of {@link timestampedHmac}. */
export interface TimestampedHmacOptions extends HmacSettings {
  /** Header with timestamp and signatures, in any case. */
  readonly header: string;
  /** Between timestamp and body in what is signed. Default `.`. */
  readonly joiner?: string;
  /** Between two fields of the header. Default `,`. */
  readonly separator?: string;
  /** Name of the timestamp's field. Default `t`. */
  readonly timestampField?: string;
  /** Name of the signature's field, which may occur several times. Default `v1`. */
  readonly signatureField?: string;
  /** Milliseconds the timestamp may lie in the past or the future. Default 300,000; `Infinity` for any. */
  readonly toleranceMs?: number;
}

/**
 * A header that lists a timestamp (seconds since 1970) and signatures, `t=1762182000,v1=…`: an HMAC of the timestamp,
 * the joiner and the raw body. Fields are told by name; unknown ones are ignored.
 *
 * @example timestampedHmac({ header: 'mux-signature', secrets: secret('MUX_WEBHOOK_SECRET') })
 * @throws HoldfastError `secret_missing` when there is no secret or it does not decode
 */
export function timestampedHmac<Body = unknown>(options: TimestampedHmacOptions): Verifier & TypedBody<Body> {
  neededHeader(options.header);
  const form = hmacForm(options);
  const scheme = {
    header: options.header,
    separator: options.separator ?? ',',
    timestampField: options.timestampField ?? 't',
    signatureField: options.signatureField ?? 'v1',
    joiner: options.joiner ?? '.',
    toleranceMs: readTolerance(options.toleranceMs, TOLERANCE_MS),
  };
  return defineVerifier({
    outline: { name: 'timestampedHmac', credentialHeaders: [], defaults: options.defaults ?? {} },
    sources: { secrets: neededSource(options.secrets, 'secrets of timestampedHmac') },
    open: ({ secrets }) => openFieldScheme(scheme, hmacKeys(form, secrets)),
  });
}

/** What a signature without a timestamp leaves open. */
export const NO_TIME =
  'The time of sending: a captured request can be sent again, and only deduplication recognises it.';

function hmacForm({ algorithm, encoding, secretEncoding }: HmacSettings) {
  return {
    algorithm: oneOf('algorithm', algorithm, ['sha256', 'sha1', 'sha384', 'sha512']),
    encoding: oneOf('encoding', encoding, ['hex', 'base64']),
    secretEncoding: oneOf('secretEncoding', secretEncoding, ['utf8', 'hex', 'base64']),
  } as const;
}

/** What was given, or else the first. Written without a compiler it may be anything, and would verify nothing. */
function oneOf<Value extends string>(
  option: string,
  given: Value | undefined,
  known: readonly [Value, ...Value[]],
): Value {
  const value = given ?? known[0];
  if (known.includes(value)) return value;
  throw invalid(`${option}: expected ${known.map((one) => `'${one}'`).join(' or ')}, got '${value}'.`);
}

function neededHeader(header: string | undefined): void {
  if (typeof header !== 'string' || header === '') throw invalid('header: expected the name of the header.');
}

function invalid(detail: string): HoldfastError {
  return new HoldfastError('config_invalid', { detail: `hmac: ${detail}` });
}

function headerScheme({ header, prefix = '', timestamp }: HmacOptions): HeaderScheme {
  if (timestamp === undefined) return { header, prefix };
  neededHeader(timestamp.header);
  const { joiner = '.' } = timestamp;
  const position = oneOf('timestamp.position', timestamp.position, ['before', 'after']);
  const unit = oneOf('timestamp.unit', timestamp.unit, ['s', 'ms', 'rfc3339']);
  const toleranceMs = readTolerance(timestamp.toleranceMs, TOLERANCE_MS);
  return {
    header,
    prefix,
    timestamp: { header: timestamp.header, unit, toleranceMs },
    signed: (request, at) => (position === 'before' ? [at + joiner, request.body] : [request.body, joiner + at]),
  };
}
