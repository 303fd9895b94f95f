/**
 * API tokens: documents of the registry, kept hashed. Every process has them in memory and hears of changes, so that a
 * request is judged without asking the store, and a revoked token is refused by every process within five seconds.
 *
 * A token reads `hft_<the letters of its id>_<256 random bits>`. The id is public: a token that is found somewhere says
 * which one is to be revoked.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { ADMIN, type Identified, type Scope, scopes } from '../api/caller.ts';
import type { TokenInfo, TokenPort, TokenRequest } from '../api/port.ts';
import type { Committer } from '../commit/committer.ts';
import type { Clock } from '../core/clock.ts';
import { Follower } from '../core/follower.ts';
import type { IdMaker } from '../core/id.ts';
import type { Observer } from '../core/observer.ts';
import { HoldfastError } from '../errors.ts';
import type { Document, RegistryStore } from '../store/store.ts';

const KIND = 'token';
const SECRET_BYTES = 32;
/** Most tokens: each process has all of them in memory. */
const TOKENS_MAX = 1000;
/** How exact `lastUsedAt` is: a token that is used all the time costs one write in so long. */
const LAST_USED_STEP_MS = 3_600_000;
const TOKEN = /^hft_([0-9a-z]{26})_[A-Za-z0-9_-]{43}$/;
const UNKNOWN: Identified = { caller: null, why: 'unknown' };
const EXPIRED: Identified = { caller: null, why: 'expired' };

/** A token as it is kept. */
interface Kept extends TokenInfo {
  /** SHA-256 of its text. */
  readonly hash: Uint8Array;
  readonly version: number;
}

export interface TokensOptions {
  readonly registry: RegistryStore;
  readonly committer: Pick<Committer, 'write'>;
  readonly clock: Clock;
  readonly ids: IdMaker;
  readonly observer: Observer;
  /** SHA-256 of each admin token that is good here. */
  readonly adminHashes: readonly Uint8Array[];
}

export class Tokens implements TokenPort {
  readonly #options: TokensOptions;
  readonly #kept = new Map<string, Kept>();
  /** When each was last noted as used: at once here, later in the store. */
  readonly #used = new Map<string, number>();
  readonly #follower: Follower<Document>;

  constructor(options: TokensOptions) {
    this.#options = options;
    const { registry, clock, observer } = options;
    this.#follower = new Follower({
      registry,
      kind: KIND,
      clock,
      known: () => this.#kept.keys(),
      apply: (id, row) => this.#apply(id, row && keptOf(row)),
      failed: (error) => observer.note('warn', 'API tokens could not be read', { error: String(error) }),
    });
  }

  /** Reads what there is and hears of changes from then on. */
  start(): Promise<void> {
    return this.#follower.start();
  }

  /** Safe twice and unstarted. */
  stop(): void {
    this.#follower.stop();
  }

  /** Whose token this is. The comparisons take as long for a wrong token as for a right one. */
  identify(token: string): Identified {
    const hash = hashToken(token);
    const isAdmin = this.#options.adminHashes.map((admin) => timingSafeEqual(hash, admin));
    if (isAdmin.includes(true)) return { caller: ADMIN };
    const kept = this.#kept.get(`tok_${TOKEN.exec(token)?.[1] ?? ''}`);
    if (kept === undefined || !timingSafeEqual(hash, kept.hash)) return UNKNOWN;
    const now = this.#options.clock.now();
    if (kept.expiresAt !== null && kept.expiresAt <= now) return EXPIRED;
    this.#noteUse(kept, now);
    const { id, name, scopes: given, tenant } = kept;
    return { caller: { id, name, scopes: given, tenant } };
  }

  list(): Promise<readonly TokenInfo[]> {
    return listTokens(this.#options.registry);
  }

  /** @throws HoldfastError invalid_input, conflict, store_unavailable */
  async create(request: TokenRequest): Promise<{ readonly token: string; readonly info: TokenInfo }> {
    const { clock, committer, ids } = this.#options;
    const now = clock.now();
    check(request, now);
    if ((await this.list()).length >= TOKENS_MAX)
      throw new HoldfastError('invalid_input', { detail: `There are ${TOKENS_MAX} tokens already: revoke some.` });
    const id = ids.make('tok');
    const token = `hft_${id.slice('tok_'.length)}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
    const { by: createdBy, ...asked } = request;
    const info: TokenInfo = { id, ...asked, createdAt: now, createdBy, lastUsedAt: null };
    const hash = hashToken(token);
    const answer = await committer.write({ kind: KIND, key: id, value: valueOf(info, hash), ifVersion: 0 });
    if (answer.status === 'refused') throw new HoldfastError('conflict', { detail: id });
    this.#wrote(id, { ...info, hash, version: answer.version });
    return { token, info };
  }

  /** It is refused from now on. `null`: there is none. */
  async revoke(id: string): Promise<TokenInfo | null> {
    const { registry, committer } = this.#options;
    const document = await registry.get(KIND, id);
    if (document === null) return null;
    await committer.write({ kind: KIND, key: id, value: null, ifVersion: null });
    this.#wrote(id, null);
    return infoOf(keptOf(document));
  }

  /** At once here, whatever is being read. */
  #wrote(id: string, kept: Kept | null): void {
    this.#follower.wrote(id);
    this.#apply(id, kept);
  }

  #apply(id: string, kept: Kept | null): void {
    if (kept !== null) this.#kept.set(id, kept);
    else if (this.#kept.delete(id)) this.#used.delete(id);
  }

  /** Coarse, so that a use is no write. A token that was revoked meanwhile has no such version: it stays revoked. */
  #noteUse(kept: Kept, now: number): void {
    const last = Math.max(kept.lastUsedAt ?? 0, this.#used.get(kept.id) ?? 0);
    if (now - last < LAST_USED_STEP_MS) return;
    this.#used.set(kept.id, now);
    const value = valueOf({ ...infoOf(kept), lastUsedAt: now }, kept.hash);
    const write = { kind: KIND, key: kept.id, value, ifVersion: kept.version };
    this.#options.committer.write(write).catch(() => undefined); // It is noted with a later use.
  }
}

/** What is compared and kept instead of a token: 256 random bits need no slow hash. */
export function hashToken(token: string): Uint8Array {
  return createHash('sha256').update(token).digest();
}

/** All tokens, the oldest first, without their hashes. */
export async function listTokens(registry: RegistryStore): Promise<readonly TokenInfo[]> {
  const documents = await registry.list(KIND);
  return documents.map((document) => infoOf(keptOf(document))).toSorted((a, b) => a.createdAt - b.createdAt);
}

function check({ scopes: asked, tenant, expiresAt }: TokenRequest, now: number): void {
  const invalid = (detail: string): HoldfastError => new HoldfastError('invalid_input', { detail });
  if (asked.length === 0) throw invalid(`scopes: expected at least one of ${Object.keys(scopes).join(', ')}.`);
  if (tenant !== null && asked.includes('admin'))
    throw invalid('tenant: the scope admin cannot be bound to a tenant; leave one of them out.');
  if (expiresAt !== null && expiresAt <= now) throw invalid('expiresAt: it is in the past.');
}

function valueOf(info: TokenInfo, hash: Uint8Array): NonNullable<Document['value']> {
  const { name, scopes: given, tenant, createdAt, createdBy, expiresAt, lastUsedAt } = info;
  const sha256 = Buffer.from(hash).toString('hex');
  return { name, scopes: [...given], tenant, createdAt, createdBy, expiresAt, lastUsedAt, sha256 };
}

/** A document that is damaged opens nothing: scopes it has not are not there, and a hash it has not fits no token. */
function keptOf({ key, value, version }: Document): Kept {
  const { sha256, scopes: given, ...info } = value as unknown as Omit<TokenInfo, 'id'> & { readonly sha256: string };
  const hash = new Uint8Array(32);
  hash.set(Buffer.from(sha256, 'hex').subarray(0, 32));
  return {
    ...info,
    id: key,
    scopes: given.filter((scope): scope is Scope => Object.hasOwn(scopes, scope)),
    hash,
    version,
  };
}

function infoOf({ id, name, scopes: given, tenant, createdAt, createdBy, expiresAt, lastUsedAt }: Kept): TokenInfo {
  return { id, name, scopes: given, tenant, createdAt, createdBy, expiresAt, lastUsedAt };
}
