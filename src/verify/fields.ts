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
import type { UnsignedRequest, Verdict, VerifyRequest, Witness } from './verifier.ts';

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

/** The fields of a header: name, value, name, value… A list as short as these is searched sooner than a map is made. */
export type Fields = readonly string[];

/** Fields of a header beyond this are not read. */
const FIELDS_MAX = SIGNATURES_MAX * 2;

/** Splits a header into fields; text without `=` is ignored. Refuses a list longer than any sender writes. */
export function parseFields(value: string, separator: string): Fields | Refusal {
  const fields: string[] = [];
  let start = 0;
  for (let count = 0; start <= value.length; count++) {
    if (count === FIELDS_MAX) return refuse('header_malformed', 'the signature header has too many fields');
    const next = value.indexOf(separator, start);
    const end = next < 0 ? value.length : next;
    const equals = value.indexOf('=', start);
    if (equals > start && equals < end)
      fields.push(value.slice(start, equals).trim(), value.slice(equals + 1, end).trim());
    start = end + separator.length;
  }
  return fields;
}

/** The values of a field, in order; none where it is missing. */
export function fieldValues(fields: Fields, name: string): readonly string[] {
  const values: string[] = [];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    if (fields[index] === name) values.push(fields[index + 1] ?? '');
  }
  return values;
}

/** Verifies and signs requests of a {@link FieldScheme} with the given keys. */
export function openFieldScheme(scheme: FieldScheme, keys: Keys): SyncOpened {
  const { separator, joiner, toleranceMs } = scheme;
  const timestampPrefix = `${scheme.timestampField}=`;
  const signaturePrefix = `${scheme.signatureField}=`;
  const header = scheme.header.toLowerCase();

  /** Time and signatures of a header; `null` where it has not one time and at least one signature. */
  function read(value: string): { readonly at: string; readonly signatures: readonly string[] } | null {
    let at: string | null = null;
    const signatures: string[] = [];
    for (const item of value.split(separator, FIELDS_MAX)) {
      const field = item.trim();
      if (field.startsWith(signaturePrefix)) {
        signatures.push(field.slice(signaturePrefix.length));
      } else if (field.startsWith(timestampPrefix)) {
        if (at !== null) return null;
        at = field.slice(timestampPrefix.length);
      }
    }
    return at === null || signatures.length === 0 || signatures.length > SIGNATURES_MAX ? null : { at, signatures };
  }

  function verify(request: VerifyRequest, now: number, witness?: Witness): Verdict {
    const value = soleHeader(request.headers, header);
    if (typeof value !== 'string') return value;
    const fields = read(value);
    if (fields === null) {
      return refuse(
        'header_malformed',
        `${header} needs one ${timestampPrefix} and 1 to ${SIGNATURES_MAX} ${signaturePrefix}`,
      );
    }
    const { at, signatures } = fields;
    if (!keys.prove(signatures, [at + joiner, request.body], witness)) return refuse('signature_mismatch', header);
    return checkTimestamp(at, 's', { now, toleranceMs });
  }

  function sign(request: UnsignedRequest, now: number): HeaderList {
    const at = formatTimestamp(now, 's');
    const signature = makeSignature(keys, [at + joiner, request.body]);
    return [scheme.header, `${timestampPrefix}${at}${separator}${signaturePrefix}${signature}`];
  }

  return keys.sign === undefined ? { verify } : { verify, sign };
}
