/**
 * The shape most providers share: a signature in a header, over the raw body and perhaps a timestamp, made with keys.
 * A provider is a row of data for it: which header, which prefix, what was signed.
 */
import type { HeaderList } from '../core/event.ts';
import { soleHeader } from './headers.ts';
import type { Keys } from './keys.ts';
import type { SyncOpened } from './secret.ts';
import { checkTimestamp, formatTimestamp } from './timestamp.ts';
import type { TimestampUnit } from './timestamp.ts';
import { HELD, refuse } from './verdict.ts';
import type { Part } from './verdict.ts';
import type { UnsignedRequest, Verdict, VerifyRequest, Witness } from './verifier.ts';

/** A header that carries the time of signing. */
export interface TimestampHeader {
  readonly header: string;
  readonly unit: TimestampUnit;
  /** Milliseconds a timestamp may lie in the past or the future; `Infinity` for any. */
  readonly toleranceMs: number;
}

/** Where a signature is, and what it was made over. */
export interface HeaderScheme {
  /** Name of the signature's header, as the provider writes it. */
  readonly header: string;
  /** Text before the signature in its header. */
  readonly prefix?: string;
  readonly timestamp?: TimestampHeader;
  /** What was signed; `timestamp` is '' where the scheme has none. Default: the body. */
  readonly signed?: (request: UnsignedRequest, timestamp: string) => readonly Part[];
}

/** Verifies and signs requests of a {@link HeaderScheme} with the given keys. */
export function openHeaderScheme(scheme: HeaderScheme, keys: Keys): SyncOpened {
  const header = scheme.header.toLowerCase();
  const prefix = scheme.prefix ?? '';
  const { timestamp } = scheme;
  const timestampHeader = timestamp?.header.toLowerCase() ?? '';
  const signed = scheme.signed ?? bodyOnly;

  function verify(request: VerifyRequest, now: number, witness?: Witness): Verdict {
    const value = soleHeader(request.headers, header);
    if (typeof value !== 'string') return value;
    if (!value.startsWith(prefix)) return refuse('header_malformed', `${header} does not begin with ${prefix}`);
    const at = timestamp === undefined ? '' : soleHeader(request.headers, timestampHeader);
    if (typeof at !== 'string') return at;
    if (!keys.prove([value.slice(prefix.length)], signed(request, at), witness))
      return refuse('signature_mismatch', header);
    return timestamp === undefined
      ? HELD
      : checkTimestamp(at, timestamp.unit, { now, toleranceMs: timestamp.toleranceMs });
  }

  function sign(request: UnsignedRequest, now: number): HeaderList {
    const at = timestamp === undefined ? '' : formatTimestamp(now, timestamp.unit);
    const signature = prefix + makeSignature(keys, signed(request, at));
    return timestamp === undefined ? [scheme.header, signature] : [scheme.header, signature, timestamp.header, at];
  }

  return keys.sign === undefined ? { verify } : { verify, sign };
}

/** The signature of the parts; for schemes whose `sign` exists only where the keys can. */
export function makeSignature(keys: Keys, parts: readonly Part[]): string {
  return keys.sign?.(parts) ?? '';
}

function bodyOnly(request: UnsignedRequest): readonly Part[] {
  return [request.body];
}
