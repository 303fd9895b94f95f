/**
 * Why a request verifies or does not: the step that failed, what was compared, and what of the request is not as it was
 * sent. Neither a secret nor the signature that would have been right is in an explanation.
 */
import { createHash } from 'node:crypto';
import type { Proof, RejectReason, Verdict, VerifyRequest } from '../../verify/verifier.ts';
import type { Judge } from './find.ts';

/** A piece of what was signed. */
export interface SignedPart {
  /** The raw body, or text that the scheme takes from headers, URL or body. */
  readonly what: 'body' | 'text' | 'bytes';
  readonly bytes: number;
  readonly sha256: string;
  /** The text, where it is one; long ones are cut. */
  readonly text?: string;
}

export interface Comparison {
  readonly algorithm: string;
  readonly keys: number;
  readonly held: boolean;
  /** How a signature must be written. */
  readonly expected: string;
  /** The signatures of the request, and what about their form is not as expected. */
  readonly signatures: readonly { readonly given: string; readonly characters: number; readonly form: string }[];
  readonly signed: readonly SignedPart[];
  readonly signedBytes: number;
  readonly signedSha256: string;
}

export interface Explanation {
  readonly verified: boolean;
  readonly reason: RejectReason | null;
  readonly detail: string | null;
  readonly scheme: string;
  /** The time it was judged by. */
  readonly at: string;
  readonly request: {
    readonly method: string;
    readonly url: string;
    readonly bodyBytes: number;
    readonly bodySha256: string;
  };
  readonly comparisons: readonly Comparison[];
  /** What the scheme leaves open, where it verifies. */
  readonly notProtected: string | null;
  /** What to look at, the likeliest first. */
  readonly hints: readonly string[];
}

/** What each reason means, and what to do about it. */
const meanings: Readonly<Record<RejectReason, string>> = {
  header_missing:
    'A header the signature needs is not there: is this the right provider, and did a proxy drop headers?',
  header_malformed: 'A header of the signature is not written as the provider writes it.',
  parameter_missing: 'The query has no token: was the URL entered at the provider with it?',
  timestamp_malformed: 'The time of signing is not written as the provider writes it.',
  timestamp_too_old: 'The signature holds, the time does not: judged by the time it came, it may verify (--at).',
  timestamp_in_future: 'The signature holds, the time does not: the clock here is behind, or --at is too early.',
  signature_mismatch:
    'No signature of the request is one of the given secret over these bytes: another secret, or other bytes.',
  token_mismatch: 'The token of the request is none of the given ones.',
  credentials_mismatch: 'User and password of the request are none of the given ones.',
  address_not_allowed: 'The peer is not on the list of addresses.',
  body_malformed: 'The body has not the fields that the signature covers: is this the right provider?',
  body_hash_mismatch: 'The URL was signed, but the hash of the body in it is not that of this body.',
  certificate_refused: 'The certificate is not published where this provider publishes its own.',
  certificate_unavailable: 'The certificate could not be fetched: try again, or give it with --certificate.',
  topic_not_allowed: 'The message is of a topic that is not among the allowed ones.',
  url_not_configured: 'The scheme signs the URL: give the one entered at the provider with --url.',
};

/** Verifies the request as of `now` and says what happened. */
export async function explain(judge: Judge, request: VerifyRequest, now: number): Promise<Explanation> {
  const { verifier } = judge;
  const proofs: Proof[] = [];
  const verdict = await verifier.verify(request, now, (proof) => void proofs.push(proof));
  const hints = verdict.ok ? [] : await hintsFor(judge, { request, now, verdict, proofs });
  const show = hiding(judge);
  return {
    verified: verdict.ok,
    reason: verdict.ok ? null : verdict.reason,
    detail: verdict.ok || verdict.detail === undefined ? null : show(verdict.detail),
    scheme: verifier.name,
    at: new Date(now).toISOString(),
    request: {
      method: request.method,
      url: show(verifier.credentialInPath === true ? withoutLastSegment(request.url) : request.url),
      bodyBytes: request.body.length,
      bodySha256: sha256([request.body]),
    },
    comparisons: proofs.map((proof) => comparisonOf(proof, request.body, show)),
    notProtected: verdict.ok ? (verifier.notProtected ?? null) : null,
    hints: hints.map(show),
  };
}

/** Texts as they are shown: without secrets, and without the values of query parameters that are credentials. */
function hiding({ hidden, verifier }: Judge): (text: string) => string {
  const names = (verifier.credentialParameters ?? []).map((name) => name.replaceAll(/[^\w-]/g, '\\$&')).join('|');
  const parameters = names === '' ? null : new RegExp(`([?&](?:${names})=)[^&#]*`, 'g');
  return (text) => {
    const known = hidden.reduce((shown, secret) => shown.replaceAll(secret, '[secret]'), text);
    return parameters === null ? known : known.replaceAll(parameters, '$1[secret]');
  };
}

/** A path may end in a credential that is none of those known here: an old one, or one for another source. */
function withoutLastSegment(url: string): string {
  return url.replace(/\/[^/?#]*(?=$|[?#])/, '/[secret]');
}

const TEXT_MAX = 200;

function comparisonOf(proof: Proof, body: Uint8Array, show: (text: string) => string): Comparison {
  const { algorithm, keys, held, form, signatures, parts } = proof;
  return {
    algorithm,
    keys,
    held,
    expected: form,
    signatures: signatures.map((given) => ({ given: cut(show(given)), characters: given.length, form: formOf(given) })),
    signed: parts.map((part) => partOf(part, body, show)),
    signedBytes: parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0),
    signedSha256: sha256(parts),
  };
}

function partOf(part: string | Uint8Array, body: Uint8Array, show: (text: string) => string): SignedPart {
  const measured = { bytes: Buffer.byteLength(part), sha256: sha256([part]) };
  if (part === body) return { what: 'body', ...measured };
  return typeof part === 'string'
    ? { what: 'text', ...measured, text: cut(show(part)) }
    : { what: 'bytes', ...measured };
}

const cut = (text: string): string => (text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text);

/** What a signature looks like: most mistakes of a sender of one's own show here. */
function formOf(given: string): string {
  if (/^[\da-f]+$/.test(given)) return 'lower-case hex';
  if (/^[\dA-F]+$/i.test(given)) return 'hex, not all of it lower-case';
  if (/^[A-Za-z\d+/]+={0,2}$/.test(given)) return given.length % 4 === 0 ? 'base64' : 'base64 without its padding';
  return /^[\w-]+$/.test(given) ? 'base64url' : 'neither hex nor base64';
}

function sha256(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

interface Refused {
  readonly request: VerifyRequest;
  readonly now: number;
  readonly verdict: Extract<Verdict, { ok: false }>;
  readonly proofs: readonly Proof[];
}

async function hintsFor(judge: Judge, refused: Refused): Promise<readonly string[]> {
  const { request, now, verdict } = refused;
  const hints = [meanings[verdict.reason]];
  const { handshake } = judge.verifier;
  if (handshake?.unsigned === true && (await handshake.answer(request, now)) !== null) {
    hints.unshift('This is a handshake: the gateway answers it without a signature.');
  }
  if (verdict.reason !== 'signature_mismatch' && verdict.reason !== 'body_hash_mismatch') return hints;
  return [...(await wouldHold(judge, refused)), ...formHints(refused.proofs), ...hints];
}

/** Signatures that cannot match whatever was signed. */
function formHints(proofs: readonly Proof[]): readonly string[] {
  const [proof] = proofs;
  if (proof === undefined || !proof.form.includes('characters')) return [];
  const length = Number.parseInt(proof.form, 10);
  if (proof.signatures.length === 0) return ['The header lists no signature of a version that counts.'];
  const wrong = proof.signatures.every((given) => given.length !== length || !proof.form.endsWith(formOf(given)));
  return wrong ? [`A signature here is ${proof.form}; the request has none of that form.`] : [];
}

/** What would have verified: told only where it is so, and without the signature. */
async function wouldHold({ verifier, otherwise }: Judge, { request, now }: Refused): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [words, body] of bodyVariants(Buffer.from(request.body))) {
    if (await holds(verifier, { ...request, body }, now))
      found.push(`It holds over the body ${words}: verify the bytes as they came.`);
  }
  for (const [words, url] of urlVariants(request)) {
    const other = otherwise?.({ url }) ?? null;
    if (other !== null && (await holds(other, request, now))) found.push(`It holds with ${words}.`);
  }
  return found;
}

/** Whether a signature holds, whatever the time. */
async function holds(verifier: Judge['verifier'], request: VerifyRequest, now: number): Promise<boolean> {
  const verdict = await verifier.verify(request, now);
  return verdict.ok || verdict.reason === 'timestamp_too_old' || verdict.reason === 'timestamp_in_future';
}

/** What editors, shells and frameworks do to a body. */
function bodyVariants(body: Buffer): readonly (readonly [string, Buffer])[] {
  const text = body.toString('latin1');
  const changed = [
    ['without the line break at its end', text.replace(/\r?\n$/, '')],
    ['with a line break at its end', `${text}\n`],
    ['with the line breaks of Unix (LF)', text.replaceAll('\r\n', '\n')],
    ['with the line breaks of Windows (CRLF)', text.replaceAll(/\r?\n/g, '\r\n')],
    ['without a byte-order mark', text.replace(/^\u00ef\u00bb\u00bf/, '')],
  ] as const;
  const bytes = changed.map(([words, other]) => [words, Buffer.from(other, 'latin1')] as const);
  const json = compactJson(body);
  const all = json === null ? bytes : [...bytes, ['as compact JSON', json] as const];
  return all.filter(([, other]) => !other.equals(body));
}

function compactJson(body: Buffer): Buffer | null {
  try {
    return Buffer.from(JSON.stringify(JSON.parse(body.toString('utf8'))));
  } catch {
    return null;
  }
}

/** What is entered at a provider instead of what a server sees. */
function urlVariants({ headers, url }: VerifyRequest): readonly (readonly [string, string])[] {
  const at = headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'host');
  const host = headers[at + 1];
  if (at < 0 || host === undefined) return [];
  const path = url.replace(/^https?:\/\/[^/?#]*/i, '');
  return ['https', 'http'].flatMap((scheme) =>
    [path, path.replace(/\/(?=$|\?)/, ''), path.replace(/\/?(?=$|\?)/, '/')].map(
      (variant) => [`--url ${scheme}://${host}${variant}`, `${scheme}://${host}${variant}`] as const,
    ),
  );
}
