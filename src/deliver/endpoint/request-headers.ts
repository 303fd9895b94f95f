/**
 * The headers of a request to an endpoint: those that came in, where they are forwarded, then those of the endpoint, of
 * the signature, and of tracing. Beside what is sent stands what is shown of it: without secrets.
 */
import { type HeaderList, headerValue, REDACTED, type StoredEvent } from '../../core/event.ts';
import type { Signer, Signers } from './signing.ts';

/** What an endpoint adds to every request, made ready. */
export interface OwnHeaders {
  /** Name, value…; all of the values are secret. */
  readonly list: HeaderList;
  /** Lower-case names of them, and of the header of its authorization. */
  readonly names: ReadonlySet<string>;
  readonly userAgent: string;
}

/** What one request is made of. */
export interface HeaderParts {
  readonly event: StoredEvent;
  readonly body: Uint8Array;
  /** Whether the event's own headers are forwarded. */
  readonly forward: boolean;
  readonly own: OwnHeaders;
  /** Of a transform: instead of those of the same name. */
  readonly changed: HeaderList;
  readonly signers: Signers;
  /** `Authorization`; `null` for none. */
  readonly authorization: string | null;
  readonly now: number;
}

/** As sent, and as shown. */
export interface BothHeaders {
  readonly sent: string[];
  readonly shown: string[];
}

/** Of one connection, or of the message to Holdfast itself: never forwarded (RFC 9110, section 7.6.1). */
const OF_THE_HOP: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Whether a name cannot be set by an endpoint: the connection's, or one the sender makes. */
export function isOfTheHop(lowerName: string): boolean {
  return OF_THE_HOP.has(lowerName);
}

/** The headers of one attempt. */
export function requestHeaders(parts: HeaderParts): BothHeaders {
  const { event, own, changed, authorization } = parts;
  const came: string[] = [];
  const present = parts.forward ? forward(parts, came) : bare(parts, came);
  const signer = signerFor(parts.signers, present);
  // A header of the signature is there once, and ours: a receiver would read the first of two, or both as one.
  const sent = signer.names.some((name) => present.has(name)) ? withoutNames(came, signer.names) : came;
  sent.push(...changed);
  const secretsFrom = sent.length;
  sent.push(...(changed.length === 0 ? own.list : withoutNames(own.list, namesIn(changed))));
  if (authorization !== null) sent.push('authorization', authorization);
  const secretsTo = sent.length;

  signer.sign({ id: event.id, now: parts.now, body: parts.body }, sent);
  if (isMissing(present, 'x-correlation-id', event.correlationId)) sent.push('x-correlation-id', event.correlationId);
  const { traceparent } = event;
  if (traceparent !== null && isMissing(present, 'traceparent', traceparent)) sent.push('traceparent', traceparent);
  if (!present.has('user-agent')) sent.push('user-agent', own.userAgent);
  if (!present.has('accept-encoding')) sent.push('accept-encoding', 'identity');

  const shown = [...sent];
  for (let index = secretsFrom + 1; index < secretsTo; index += 2) shown[index] = REDACTED;
  return { sent, shown };
}

/** The other one where it leaves a header in its place that the usual one would make. */
function signerFor({ usual, beside }: Signers, present: ReadonlySet<string>): Signer {
  const isKept = (name: string): boolean => present.has(name) && !beside.names.includes(name);
  return usual.names.some(isKept) ? beside : usual;
}

/** Without the headers of these lower-case names: what is made or given instead is there once. */
function withoutNames(headers: HeaderList, names: readonly string[]): string[] {
  // A value stays with its name.
  return headers.filter((_, index) => !names.includes(headers[index - (index % 2)]?.toLowerCase() ?? ''));
}

function namesIn(headers: HeaderList): string[] {
  return headers.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
}

/** The event's headers as they came; returns the lower-case names that are there now. */
function forward({ event, own, changed }: HeaderParts, into: string[]): Set<string> {
  const { headers } = event;
  const present = new Set([...own.names, ...namesIn(changed)]);
  const left = namedByConnection(headers);
  for (const name of namesIn(changed)) left.add(name);
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? '';
    const value = headers[index + 1] ?? '';
    const lower = name.toLowerCase();
    if (value === REDACTED || OF_THE_HOP.has(lower) || own.names.has(lower) || left.has(lower)) continue;
    into.push(name, value);
    present.add(lower);
  }
  return present;
}

/** What a request of our own says of its body. */
function bare({ event, own, changed }: HeaderParts, into: string[]): Set<string> {
  const present = new Set([...own.names, ...namesIn(changed)]);
  const type = headerValue(event.headers, 'content-type');
  if (type !== undefined && !present.has('content-type')) into.push('content-type', type);
  if (event.type !== '' && !present.has('holdfast-event-type'))
    into.push('holdfast-event-type', headerText(event.type));
  return present;
}

/** Headers that the sender declared to be of its connection. */
function namedByConnection(headers: HeaderList): Set<string> {
  const names = new Set<string>();
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() !== 'connection') continue;
    for (const name of (headers[index + 1] ?? '').split(',')) names.add(name.trim().toLowerCase());
  }
  return names;
}

/** Text that is no header value as it stands is percent-encoded as UTF-8. */
function headerText(text: string): string {
  return /^[!-~]+(?: [!-~]+)*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}

function isMissing(present: ReadonlySet<string>, name: string, value: string): boolean {
  return value !== '' && !present.has(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
}
