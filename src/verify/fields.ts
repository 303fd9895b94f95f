/**
 * Signature headers that are a list of fields: `t=1762182000,v1=5257a8…,v1=…` (Stripe and many who followed it).
 * Fields are told by name, not by place; unknown ones are ignored, so that a sender can add a scheme.
 */
import type { HeaderList } from '../core/event.ts';
import { soleHeader } from './headers.ts';
import { SIGNATURES_MAX } from './keys.ts';
import type { Keys } from './keys.ts';
import { makeSignature } from './mac.ts';
import type { SyncOpened } from './secret.ts';
import { checkTimestamp, formatTimestamp } from './timestamp.ts';
import { refuse } from './verdict.ts';
import type { Refusal } from './verdict.ts';
import type { UnsignedRequest, Verdict, VerifyRequest } from './verifier.ts';

/** How a list of fields is written and what is signed: the timestamp, the joiner, the body. */
export interface FieldScheme {
  readonly header: string;
  /** Between two fields: `,` or `;`. */
  readonly separator: string;
  readonly timestampField: string;
  readonly signatureField: string;
  /** Between timestamp and body in what is signed. */
  readonly joiner: string;
  readonly toleranceMs: number;
}

/** The fields of a header by name, each with its values in order. */
export type Fields = ReadonlyMap<string, readonly string[]>;

/** Splits a header into fields; text without `=` is ignored. Refuses a list longer than any sender writes. */
export function parseFields(value: string, separator: string): Fields | Refusal {
  const items = value.split(separator, SIGNATURES_MAX * 2 + 1);
  if (items.length > SIGNATURES_MAX * 2) return refuse('header_malformed', 'the signature header has too many fields');
  const fields = new Map<string, string[]>();
  for (const item of items) {
    const equals = item.indexOf('=');
    if (equals < 1) continue;
    const name = item.slice(0, equals).trim();
    const text = item.slice(equals + 1).trim();
    const values = fields.get(name);
    if (values === undefined) fields.set(name, [text]);
    else values.push(text);
  }
  return fields;
}

/** Verifies and signs requests of a {@link FieldScheme} with the given keys. */
export function openFieldScheme(scheme: FieldScheme, keys: Keys): SyncOpened {
  const { separator, timestampField, signatureField, joiner, toleranceMs } = scheme;
  const header = scheme.header.toLowerCase();

  function verify(request: VerifyRequest, now: number): Verdict {
    const value = soleHeader(request.headers, header);
    if (typeof value !== 'string') return value;
    const fields = parseFields(value, separator);
    if ('ok' in fields) return fields;
    const times = fields.get(timestampField) ?? [];
    const signatures = fields.get(signatureField) ?? [];
    const [at] = times;
    if (at === undefined || times.length > 1 || signatures.length === 0) {
      return refuse('header_malformed', `${header} needs one ${timestampField}= and a ${signatureField}=`);
    }
    if (!keys.prove(signatures, [at + joiner, request.body])) return refuse('signature_mismatch', header);
    return checkTimestamp(at, 's', { now, toleranceMs });
  }

  function sign(request: UnsignedRequest, now: number): HeaderList {
    const at = formatTimestamp(now, 's');
    const signature = makeSignature(keys, [at + joiner, request.body]);
    return [scheme.header, `${timestampField}=${at}${separator}${signatureField}=${signature}`];
  }

  return keys.sign === undefined ? { verify } : { verify, sign };
}
