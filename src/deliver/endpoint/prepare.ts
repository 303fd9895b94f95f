/** An endpoint made ready: keys opened, rules read, the URL looked at. Done once for as long as nothing has changed. */
import type { HeaderList } from '../../core/event.ts';
import type { Egress, Prepared } from '../egress/egress.ts';
import { credentialsIn, secretValues } from './echoes.ts';
import type { AccessTokens, TokenSource } from './oauth2.ts';
import type { OwnHeaders } from './request-headers.ts';
import { openSigners, type Signers } from './signing.ts';
import { openStatusRules, type ReadStatus } from './status-rules.ts';
import type { EndpointTarget } from './target.ts';

/** What an attempt needs of an endpoint. */
export interface ReadyTarget {
  readonly target: EndpointTarget;
  readonly to: Prepared;
  readonly host: string;
  readonly own: OwnHeaders;
  readonly signers: Signers;
  /** Lower-case names of the headers of signature and authorization: nothing else may set them. */
  readonly made: ReadonlySet<string>;
  readonly readStatus: ReadStatus;
  /** The value of `Authorization` where it never changes. */
  readonly authorization: string | null;
  /** Values that an answer must not hold; an access token is one more. */
  readonly secrets: readonly string[];
  /** Where it has to be fetched. */
  readonly tokens: TokenSource | null;
  readonly retryAfterMaxMs: number;
  readonly responseBytesMax: number;
}

const RETRY_AFTER_MAX_MS = 24 * 3_600_000;
const RESPONSE_BYTES_MAX = 64 * 1024;

/** What is shared by all endpoints of a runner. */
export class ReadyTargets {
  readonly #egress: Egress;
  readonly #userAgent: string;
  readonly #tokens: AccessTokens;
  readonly #ready = new WeakMap<EndpointTarget, ReadyTarget>();

  constructor(options: { egress: Egress; userAgent: string; tokens: AccessTokens }) {
    this.#egress = options.egress;
    this.#userAgent = options.userAgent;
    this.#tokens = options.tokens;
  }

  /**
   * @throws EgressError `blocked_target` when the URL is refused
   * @throws HoldfastError when a key, a certificate or a rule cannot be read
   */
  get(target: EndpointTarget): ReadyTarget {
    const known = this.#ready.get(target);
    if (known !== undefined) return known;
    const ready = this.#make(target);
    this.#ready.set(target, ready);
    return ready;
  }

  #make(target: EndpointTarget): ReadyTarget {
    const { headers = [], auth = null } = target;
    const to = this.#egress.prepare(target.url, target.tls ?? null);
    const authorization = auth === null ? null : authorizationOf(auth);
    const signers = openSigners(target.signing);
    return {
      target,
      to,
      host: to.origin.place.url.host,
      own: { list: headers, names: namesOf(headers, auth !== null), userAgent: this.#userAgent },
      signers,
      made: new Set(['authorization', ...signers.usual.names, ...signers.beside.names]),
      readStatus: openStatusRules(target.statusRules),
      authorization,
      secrets: [...secretValues(headers), ...credentialsIn(authorization)],
      tokens: auth?.kind === 'oauth2' ? this.#tokens.of(auth) : null,
      retryAfterMaxMs: target.retryAfterMaxMs ?? RETRY_AFTER_MAX_MS,
      responseBytesMax: target.responseBytesMax ?? RESPONSE_BYTES_MAX,
    };
  }
}

function namesOf(headers: HeaderList, hasAuth: boolean): ReadonlySet<string> {
  const names = headers.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
  return new Set(hasAuth ? [...names, 'authorization'] : names);
}

function authorizationOf(auth: NonNullable<EndpointTarget['auth']>): string | null {
  if (auth.kind === 'bearer') return `Bearer ${auth.token}`;
  if (auth.kind === 'oauth2') return null;
  return `Basic ${Buffer.from(`${auth.username}:${auth.password}`, 'utf8').toString('base64')}`;
}
