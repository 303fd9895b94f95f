/**
 * Access tokens by client credentials (RFC 6749, section 4.4): fetched when first needed, one request at a time, kept in
 * memory until shortly before they expire or an endpoint says that they are no longer good.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import { EgressError } from '../egress/codes.ts';
import type { Answer, Egress } from '../egress/egress.ts';
import type { OAuth2Auth } from './target.ts';

/** The tokens of one client. */
export interface TokenSource {
  /**
   * A token that is good as far as one knows.
   *
   * @throws EgressError the code of what failed on the way, or `auth_failed`
   */
  get(): Promise<string>;
  /** It was refused: the next `get` fetches another, unless that has happened already. */
  drop(token: string): void;
}

const TIMEOUT_MS = 10_000;
/** Kept for this long where the server does not say. */
const LIFETIME_MS = 300_000;
/** Not used in the last part of its life: at most this, and at most half of it. */
const MARGIN_MS = 30_000;
const SOURCES_MAX = 10_000;

/** The tokens of every client, told apart by all that makes one. */
export class AccessTokens {
  readonly #egress: Egress;
  readonly #clock: Clock;
  readonly #sources = new Map<string, Source>();

  constructor(egress: Egress, clock: Clock) {
    this.#egress = egress;
    this.#clock = clock;
  }

  of(auth: OAuth2Auth): TokenSource {
    const { tokenUrl, clientId, clientSecret, scope = '', audience = '', clientAuth = 'basic' } = auth;
    const parts = [tokenUrl, clientId, clientSecret, scope, audience, clientAuth];
    const key = createHash('sha256').update(JSON.stringify(parts)).digest('base64');
    const known = this.#sources.get(key);
    if (known !== undefined) return known;
    const source = new Source(auth, this.#egress, this.#clock);
    this.#sources.set(key, source);
    const [oldest] = this.#sources.keys();
    if (this.#sources.size > SOURCES_MAX && oldest !== undefined) this.#sources.delete(oldest);
    return source;
  }
}

class Source implements TokenSource {
  readonly #auth: OAuth2Auth;
  readonly #egress: Egress;
  readonly #clock: Clock;
  #token: string | null = null;
  #until = 0;
  #fetching: Promise<string> | null = null;

  constructor(auth: OAuth2Auth, egress: Egress, clock: Clock) {
    this.#auth = auth;
    this.#egress = egress;
    this.#clock = clock;
  }

  get(): Promise<string> {
    if (this.#token !== null && this.#clock.monotonic() < this.#until) return Promise.resolve(this.#token);
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = null;
    });
    return this.#fetching;
  }

  drop(token: string): void {
    if (this.#token === token) this.#token = null;
  }

  async #fetch(): Promise<string> {
    const { tokenUrl, clientId, clientSecret, scope, audience, clientAuth = 'basic' } = this.#auth;
    const form = new URLSearchParams({ grant_type: 'client_credentials' });
    if (scope !== undefined) form.set('scope', scope);
    if (audience !== undefined) form.set('audience', audience);
    const headers = ['content-type', 'application/x-www-form-urlencoded', 'accept', 'application/json'];
    if (clientAuth === 'body') {
      form.set('client_id', clientId);
      form.set('client_secret', clientSecret);
    } else {
      headers.push(
        'authorization',
        `Basic ${Buffer.from(`${encoded(clientId)}:${encoded(clientSecret)}`).toString('base64')}`,
      );
    }
    const answer = await this.#egress.request({
      method: 'POST',
      url: tokenUrl,
      headers,
      body: Buffer.from(form.toString()),
      timeoutMs: TIMEOUT_MS,
    });
    const { token, lifetimeMs } = tokenOf(answer);
    this.#token = token;
    this.#until = this.#clock.monotonic() + lifetimeMs - Math.min(MARGIN_MS, lifetimeMs / 2);
    return token;
  }
}

/** Form-encoded before it becomes basic credentials (RFC 6749, section 2.3.1). */
function encoded(text: string): string {
  return new URLSearchParams({ a: text }).toString().slice(2);
}

/** @throws EgressError without a word of the answer's body, which may hold what it must not */
function tokenOf({ status, code, detail, body }: Answer): { token: string; lifetimeMs: number } {
  if (code !== null) throw new EgressError(code, `the token server: ${detail ?? code}`);
  if (status !== 200) throw new EgressError('auth_failed', `the token server answered ${status}`);
  const answer = parseJson(body.toString('utf8'));
  const { access_token: token, token_type: type, expires_in: expiresIn } = answer;
  if (typeof token !== 'string' || !/^[!-~]+$/.test(token) || String(type).toLowerCase() !== 'bearer') {
    throw new EgressError('auth_failed', 'the token server answered without a bearer token');
  }
  return { token, lifetimeMs: lifetimeOf(expiresIn) };
}

/** Some servers write the number as text; null and empty text say nothing, and not 0. */
function lifetimeOf(expiresIn: unknown): number {
  const isSaid = typeof expiresIn === 'number' || (typeof expiresIn === 'string' && expiresIn.trim() !== '');
  const seconds = isSaid ? Number(expiresIn) : -1;
  return seconds >= 0 ? seconds * 1000 : LIFETIME_MS;
}

function parseJson(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
