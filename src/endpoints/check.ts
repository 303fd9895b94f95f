/** Checks what was asked for, and makes of it what is stored. */
import { compileFilter, FilterError } from '../core/filter.ts';
import type { Egress } from '../deliver/egress/egress.ts';
import { checkTarget } from '../deliver/endpoint/check.ts';
import { isOfTheHop } from '../deliver/endpoint/request-headers.ts';
import { openStatusRules } from '../deliver/endpoint/status-rules.ts';
import type { EndpointTarget, Signing } from '../deliver/endpoint/target.ts';
import { HoldfastError } from '../errors.ts';
import type { EndpointChange, EndpointInput, StoredEndpoint } from './definition.ts';
import { newShared } from './keys.ts';
import { canMatch, type EndpointPolicy } from './policy.ts';
import type { Vault } from './vault.ts';

/** What an endpoint is where nothing is said. */
const DEFAULTS = {
  description: '',
  tenant: null,
  from: ['emitted'],
  types: null,
  filter: null,
  headerNames: [],
  headers: null,
  signing: { kind: 'standard' },
  secrets: [],
  authKind: null,
  auth: null,
  tls: null,
  method: 'POST',
  ratePerS: null,
  concurrency: null,
  timeoutMs: null,
  retry: null,
  statusRules: {},
  retryAfterMaxMs: 86_400_000,
  ordered: false,
  disabled: null,
  deleting: false,
} as const satisfies Omit<StoredEndpoint, 'url' | 'createdAt' | 'updatedAt'>;

const HEADERS_MAX = 50;
const HEADER_BYTES_MAX = 8192;
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/;
// oxlint-disable-next-line no-control-regex -- a header value has no control characters but the tab (RFC 9110, 5.5)
const HEADER_VALUE = /^[^\u0000-\u0008\u000a-\u001f\u007f]*$/;
/** Headers that say how the message is made, or that are another setting's. */
const RESERVED = /^(?:host|content-length|authorization|webhook-.*|holdfast-.*)$/;

export interface CheckOptions {
  readonly vault: Vault;
  readonly egress: Egress;
  /** Sources there are, `emitted` among them. */
  readonly sources: ReadonlySet<string>;
  readonly policy: EndpointPolicy;
  readonly now: number;
}

/**
 * The new endpoint of this id. @throws HoldfastError invalid_input, blocked_target
 */
export async function newEndpoint(id: string, input: EndpointInput, options: CheckOptions): Promise<StoredEndpoint> {
  const empty = { ...DEFAULTS, url: '', createdAt: options.now, updatedAt: options.now };
  return changedEndpoint({ id, stored: empty }, input, options);
}

/** The endpoint with a change. @throws HoldfastError invalid_input, blocked_target */
export async function changedEndpoint(
  { id, stored }: { readonly id: string; readonly stored: StoredEndpoint },
  change: EndpointChange,
  options: CheckOptions,
): Promise<StoredEndpoint> {
  const { headers, auth, tls, ...plain } = change;
  const given = Object.fromEntries(Object.entries(plain).filter(([, value]) => value !== undefined));
  const next: StoredEndpoint = {
    ...stored,
    ...given,
    ...sealed(id, { headers, auth, tls }, options),
    updatedAt: options.now,
  };
  checkPlain(next, options);
  if (next.url !== stored.url) await checkUrl(next.url, options.egress);
  if (auth?.kind === 'oauth2') await checkUrl(auth.tokenUrl, options.egress);
  checkSendable(targetOf(id, next, change), options.egress);
  return next;
}

/** As it will be sent to, with what is new of it: headers from before have their names only, and any key signs. */
function targetOf(id: string, next: StoredEndpoint, { headers, auth, tls }: EndpointChange): EndpointTarget {
  const own = headers === undefined ? next.headerNames.flatMap((name) => [name, '']) : Object.entries(headers).flat();
  const { url, statusRules, retryAfterMaxMs, signing } = next;
  const signed: Signing = signing.kind === 'none' ? signing : { ...signing, secrets: [newShared(signing).secret] };
  return { id, url, forward: false, headers: own, auth, tls, signing: signed, statusRules, retryAfterMaxMs };
}

/** The rules of the sender. @throws HoldfastError invalid_input, blocked_target */
function checkSendable(target: EndpointTarget, egress: Egress): void {
  const problem = checkTarget(target, egress);
  if (problem === null || problem.field === 'url') return;
  const { field, code, detail } = problem;
  throw new HoldfastError(code === 'blocked_target' ? code : 'invalid_input', { detail: `${field}: ${detail}.` });
}

type Secret = Pick<EndpointChange, 'headers' | 'auth' | 'tls'>;

/** What is secret of a change, sealed; what it leaves out is left out. */
function sealed(id: string, { headers, auth, tls }: Secret, { vault }: CheckOptions): Partial<StoredEndpoint> {
  const seal = (value: unknown, field: string): string => vault.seal(JSON.stringify(value), `${id} ${field}`);
  const list = headers === undefined ? undefined : headerList(headers);
  return {
    ...(list === undefined
      ? {}
      : {
          headerNames: list.filter((_, index) => index % 2 === 0),
          headers: list.length === 0 ? null : seal(list, 'headers'),
        }),
    ...(auth === undefined ? {} : { authKind: auth?.kind ?? null, auth: auth === null ? null : seal(auth, 'auth') }),
    ...(tls === undefined ? {} : { tls: tls === null ? null : seal(tls, 'tls') }),
  };
}

/** Name, value, name, value… of the headers asked for. */
function headerList(headers: Readonly<Record<string, string>>): string[] {
  const entries = Object.entries(headers);
  if (entries.length > HEADERS_MAX) throw invalid(`headers: at most ${HEADERS_MAX}, got ${entries.length}.`);
  let bytes = 0;
  for (const [name, value] of entries) {
    const lower = name.toLowerCase();
    bytes += name.length + Buffer.byteLength(value);
    if (!HEADER_NAME.test(name)) throw invalid(`headers: '${name.slice(0, 100)}' is no header name.`);
    if (!HEADER_VALUE.test(value)) throw invalid(`headers.${name}: a value has no line breaks or control characters.`);
    if (RESERVED.test(lower) || isOfTheHop(lower)) throw invalid(`headers: '${name}' is set by Holdfast itself.`);
  }
  if (bytes > HEADER_BYTES_MAX) throw invalid(`headers: at most ${HEADER_BYTES_MAX} bytes in all, got ${bytes}.`);
  return entries.flat();
}

function checkPlain(endpoint: StoredEndpoint, { sources, policy }: CheckOptions): void {
  const { from, types, filter, statusRules, ratePerS, concurrency, timeoutMs, retryAfterMaxMs } = endpoint;
  if (from.length === 0) throw invalid('from: expected at least one source.');
  const offered = policy.from ?? sources;
  const unknown = from.find((source) => !offered.has(source));
  if (unknown !== undefined) throw invalid(`from: there is no source '${unknown}'. Known: ${[...offered].join(', ')}.`);
  if (types?.length === 0) throw invalid('types: expected at least one, or null for all.');
  const never = types?.find((type) => !canMatch(policy, type));
  if (never !== undefined)
    throw invalid(`types: endpoints are not sent '${never}'. They are sent: ${policy.types?.join(', ')}.`);
  const within = (name: string, value: number, bounds: readonly [number, number]): void => {
    if (!(value >= bounds[0] && value <= bounds[1])) {
      throw invalid(`${name}: expected ${bounds[0]} to ${bounds[1]}, got ${value}.`);
    }
  };
  if (ratePerS !== null) within('ratePerS', ratePerS, [0.001, 100_000]);
  if (concurrency !== null) within('concurrency', concurrency, [1, 1000]);
  if (timeoutMs !== null) within('timeoutMs', timeoutMs, [100, 120_000]);
  within('retryAfterMaxMs', retryAfterMaxMs, [0, 7 * 86_400_000]);
  openStatusRules(statusRules);
  if (filter !== null) checkFilter(filter);
}

function checkFilter(filter: unknown): void {
  try {
    compileFilter(filter);
  } catch (error) {
    if (error instanceof FilterError) throw invalid(error.message);
    throw error;
  }
}

/** A name that cannot be resolved now may be later: only what is known to be wrong is refused. */
async function checkUrl(url: string, egress: Egress): Promise<void> {
  const problem = await egress.resolveAndCheck(url);
  if (problem === null || problem.code === 'dns_failed' || problem.code === 'dns_not_found') return;
  throw new HoldfastError(problem.code, { detail: problem.detail });
}

function invalid(detail: string): HoldfastError {
  return new HoldfastError('invalid_input', { detail });
}
