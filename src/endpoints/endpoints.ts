/** Managing endpoints: made, changed, disabled, given new secrets, deleted. Each change is one document, committed. */
import type { Committer } from '../commit/committer.ts';
import type { Clock } from '../core/clock.ts';
import type { IdMaker } from '../core/id.ts';
import type { Observer } from '../core/observer.ts';
import type { Egress } from '../deliver/egress/egress.ts';
import type { Lanes } from '../dispatch/lanes.ts';
import { HoldfastError } from '../errors.ts';
import type { JsonValue } from '../store/store.ts';
import { changedEndpoint, newEndpoint } from './check.ts';
import type {
  EndpointChange,
  EndpointInput,
  EndpointMade,
  EndpointView,
  SigningScheme,
  StoredEndpoint,
  StoredSecret,
} from './definition.ts';
import { ENDPOINT, type EndpointDirectory } from './directory.ts';
import type { Entry } from './entry.ts';
import { givenKey, keysOf, type MadeKey, newPair, newShared, problemOfSecret } from './keys.ts';
import { type EndpointPolicy, pacedBy } from './policy.ts';
import type { Vault } from './vault.ts';

export interface EndpointsOptions {
  readonly directory: EndpointDirectory;
  readonly committer: Committer;
  readonly lanes: Lanes;
  readonly clock: Clock;
  readonly ids: IdMaker;
  readonly observer: Observer;
  readonly vault: Vault;
  readonly egress: Egress;
  readonly sources: ReadonlySet<string>;
  readonly policy: EndpointPolicy;
  /** Most endpoints of one tenant. */
  readonly perTenantMax: number;
  /** Why a person paused it; `null`: nobody did. */
  readonly pausedBy: (id: string) => string | null;
  /** It is gone: nothing else is to be kept of it. */
  readonly forgotten: (id: string) => Promise<void>;
  /** It takes nothing from now on. */
  readonly disabled: (endpoint: EndpointView) => void;
}

/** Why and by whom an endpoint is disabled. */
interface Disabling {
  readonly reason: string;
  readonly by: string;
  /** Only as long as this is its URL. Default: wherever it is. */
  readonly whileAt?: string;
}

/** A change by another hand in between is taken in, and this one made again on top of it. */
const TRIES_MAX = 5;
const SECRETS_MAX = 10;
const BURY_STEP = 1000;
const BURY_WAIT_MS = 200;

export class Endpoints {
  readonly #options: EndpointsOptions;
  /** Tenants that endpoints are on their way to, once for each. */
  readonly #coming: string[] = [];
  #stopped = false;

  constructor(options: EndpointsOptions) {
    this.#options = options;
  }

  /** Goes on with what a stop interrupted, and seals anew what an older key sealed. */
  async start(): Promise<void> {
    const { directory, vault, observer } = this.#options;
    let unread = 0;
    let why: unknown = null;
    for (const entry of directory.entries()) {
      if (entry.stored.deleting) void this.#bury(entry.id);
      else if (isSealedBefore(entry.stored, vault)) {
        try {
          await this.#reseal(entry.id);
        } catch (error) {
          unread++;
          why = error;
        }
      }
    }
    // Whoever gives the right keys starts again; what cannot be signed until then fails, says so, and is tried again.
    if (unread > 0)
      observer.note('error', 'the secrets of endpoints cannot be read', { endpoints: unread, error: why });
  }

  stop(): void {
    this.#stopped = true;
  }

  /** In the order they were made. */
  list(): EndpointView[] {
    const entries = [...this.#options.directory.entries()].filter(({ stored }) => !stored.deleting);
    return entries.toSorted((a, b) => (a.id < b.id ? -1 : 1)).map((entry) => this.#view(entry));
  }

  /** @throws HoldfastError not_found */
  get(id: string): EndpointView {
    return this.#view(this.#entry(id));
  }

  /**
   * @param secret The shared secret to sign with, when it is not to be made here.
   * @throws HoldfastError invalid_input, blocked_target, endpoint_limit, store_unavailable
   */
  async create(input: EndpointInput, secret: string | null = null): Promise<EndpointMade> {
    const { ids, committer, directory } = this.#options;
    const id = ids.make('ep');
    const stored = await newEndpoint(id, input, this.#checks());
    const made = keysFor(stored.signing, secret);
    const secrets = made.map((key) => this.#sealKey(id, key));
    await this.#within(stored.tenant, async () => {
      const value = asJson({ ...stored, secrets });
      const answer = await committer.write({ kind: ENDPOINT, key: id, value, ifVersion: 0 });
      if (answer.status === 'refused') throw new HoldfastError('conflict', { detail: id });
      directory.apply(id, { stored: { ...stored, secrets }, version: answer.version });
    });
    return this.#made(id, made);
  }

  /** @throws HoldfastError not_found, invalid_input, blocked_target, conflict, endpoint_limit, store_unavailable */
  async update(id: string, change: EndpointChange, version: number | null = null): Promise<EndpointView> {
    const make = (): Promise<EndpointView> =>
      this.#change(id, version, async (stored) => {
        const next = await changedEndpoint({ id, stored }, change, this.#checks());
        const kept = change.signing === undefined ? stored.secrets : this.#keysUnder(change.signing, { id, stored });
        // What it is signed with from now on needs keys of its own, where it has none of that kind that stay.
        const missing = keysFor(next.signing, null).filter(
          ({ kind }) => !kept.some((one) => one.kind === kind && one.expiresAt === null),
        );
        return { ...next, secrets: [...missing.map((key) => this.#sealKey(id, key)), ...kept] };
      });
    const { tenant } = change;
    return tenant === undefined || tenant === this.#entry(id).stored.tenant ? make() : this.#within(tenant, make);
  }

  /**
   * A new secret; the ones before sign beside it for `overlapMs`.
   * @throws HoldfastError not_found, invalid_input, store_unavailable
   */
  async rotate(
    id: string,
    options: { readonly overlapMs: number; readonly secret: string | null },
  ): Promise<EndpointMade> {
    const { signing } = this.#entry(id).stored;
    if (signing.kind === 'none')
      throw new HoldfastError('invalid_input', { detail: 'This endpoint is not signed for.' });
    const made = keysFor(signing, options.secret);
    await this.#change(id, null, async (stored) => {
      const now = this.#options.clock.now();
      const until = now + options.overlapMs;
      const before = stored.secrets.filter(({ expiresAt }) => expiresAt === null || expiresAt > now);
      const kept = before.map((one) => ({ ...one, expiresAt: Math.min(one.expiresAt ?? until, until) }));
      const secrets = [...made.map((key) => this.#sealKey(id, key)), ...(options.overlapMs > 0 ? kept : [])];
      if (secrets.length > SECRETS_MAX) {
        throw new HoldfastError('invalid_input', { detail: `An endpoint has at most ${SECRETS_MAX} live secrets.` });
      }
      return { ...stored, secrets, updatedAt: now };
    });
    return this.#made(id, made);
  }

  /** It takes nothing from now on; its deliveries are held. @throws HoldfastError not_found, store_unavailable */
  async disable(id: string, { reason, by, whileAt }: Disabling): Promise<EndpointView> {
    const { clock, observer, disabled } = this.#options;
    const at = clock.now();
    let isMeant = false;
    const view = await this.#change(id, null, async (stored) => {
      isMeant = stored.disabled === null && (whileAt === undefined || stored.url === whileAt);
      return isMeant ? { ...stored, disabled: { reason, by, at } } : null;
    });
    if (!isMeant) return view;
    observer.note('warn', 'endpoint disabled', { endpoint: id, reason, by });
    disabled(view);
    return view;
  }

  /** It takes again. @throws HoldfastError not_found, store_unavailable */
  enable(id: string): Promise<EndpointView> {
    return this.#change(id, null, async (stored) => ({ ...stored, disabled: null }));
  }

  /** It is gone at once; what it was owed becomes dead letters. @throws HoldfastError not_found, store_unavailable */
  async remove(id: string): Promise<void> {
    await this.#change(id, null, async (stored) => ({ ...stored, deleting: true }));
    void this.#bury(id);
  }

  // ------------------------------------------------------------------------------------------------- inside

  /**
   * Makes an endpoint a tenant's, if there is room for one more. Exact in one process; beside others that make some at
   * the same moment, as many more may get in.
   * @throws HoldfastError endpoint_limit
   */
  async #within<Made>(tenant: string | null, make: () => Promise<Made>): Promise<Made> {
    if (tenant === null) return make();
    const { directory, perTenantMax } = this.#options;
    const coming = this.#coming.filter((one) => one === tenant).length;
    if (directory.ofTenant(tenant) + coming >= perTenantMax) {
      throw new HoldfastError('endpoint_limit', { detail: `'${tenant}' may have ${perTenantMax}.` });
    }
    this.#coming.push(tenant);
    try {
      return await make();
    } finally {
      this.#coming.splice(this.#coming.indexOf(tenant), 1);
    }
  }

  /** @param change From what there is now; `null`: it stays as it is. */
  async #change(
    id: string,
    version: number | null,
    change: (stored: StoredEndpoint) => Promise<StoredEndpoint | null>,
  ): Promise<EndpointView> {
    const { committer, directory } = this.#options;
    for (let tries = 1; ; tries++) {
      const entry = this.#entry(id);
      if (version !== null && version !== entry.version) {
        throw new HoldfastError('conflict', { detail: `It has version ${entry.version}, not ${version}.` });
      }
      const stored = await change(entry.stored);
      if (stored === null) return this.#view(entry);
      const ifVersion = entry.version;
      const answer = await committer.write({ kind: ENDPOINT, key: id, value: asJson(stored), ifVersion });
      if (answer.status === 'committed') {
        const after = { stored, version: answer.version };
        directory.apply(id, after);
        return this.#view(this.#options.directory.entry(id) ?? entry);
      }
      if (tries >= TRIES_MAX) throw new HoldfastError('conflict', { detail: `${id} is being changed by others.` });
      await directory.refresh();
    }
  }

  /** What it was owed becomes dead letters, what runs now among it; then its document goes. */
  async #bury(id: string): Promise<void> {
    const { committer, directory, lanes, observer } = this.#options;
    try {
      for (let ended = false; !ended && !this.#stopped;) {
        // What was routed to it before it was deleted is committed by now.
        await committer.caughtUp();
        ended = lanes.awake(id)?.idle ?? true;
        const action = { kind: 'bury', destination: id, reason: 'destination_deleted', limit: BURY_STEP } as const;
        for (let more = true; more && !this.#stopped;) {
          const answer = await committer.act(action);
          more = answer.status === 'committed' && answer.affected > 0;
        }
        if (!ended) await this.#wait();
      }
      if (this.#stopped) return;
      await this.#options.forgotten(id);
      await committer.write({ kind: ENDPOINT, key: id, value: null, ifVersion: null });
      directory.apply(id, null);
    } catch (error) {
      // Its document still says so: the next start goes on.
      observer.note('error', 'could not end what a deleted endpoint was owed', { endpoint: id, error: String(error) });
    }
  }

  /**
   * The keys that stay under another scheme: a secret that it reads in another way signs with bytes that no receiver has,
   * or fails every attempt. While nothing is signed nobody has use for such a one, and it goes.
   * @throws HoldfastError invalid_input
   */
  #keysUnder(
    signing: SigningScheme,
    { id, stored }: { readonly id: string; readonly stored: StoredEndpoint },
  ): readonly StoredSecret[] {
    const { clock, vault } = this.#options;
    if (!keysOf(signing).includes('v1')) return stored.secrets;
    const now = clock.now();
    const problems: string[] = [];
    const fitting = stored.secrets.filter(({ id: secretId, kind, sealed, expiresAt }) => {
      if (kind !== 'v1' || (expiresAt !== null && expiresAt <= now)) return true;
      const found = problemOfSecret(vault.open(sealed, `${id} ${secretId}`), signing);
      if (found !== null) problems.push(found);
      return found === null;
    });
    const [problem] = problems;
    if (problem === undefined || stored.signing.kind === 'none') return fitting;
    throw new HoldfastError('invalid_input', {
      detail: `signing: the endpoint's secret is none for it, which expects ${problem}. Pause the endpoint, set signing to none, then to this, and rotate the secret to get a new one.`,
    });
  }

  async #reseal(id: string): Promise<void> {
    const { vault } = this.#options;
    const again = (sealed: string, field: string): string =>
      vault.seal(vault.open(sealed, `${id} ${field}`), `${id} ${field}`);
    const maybe = (sealed: string | null, field: string): string | null =>
      sealed === null ? null : again(sealed, field);
    await this.#change(id, null, async (stored) => ({
      ...stored,
      headers: maybe(stored.headers, 'headers'),
      auth: maybe(stored.auth, 'auth'),
      tls: maybe(stored.tls, 'tls'),
      secrets: stored.secrets.map((secret) => ({ ...secret, sealed: again(secret.sealed, secret.id) })),
    }));
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.schedule(BURY_WAIT_MS, resolve));
  }

  #checks() {
    const { vault, egress, sources, policy, clock } = this.#options;
    return { vault, egress, sources, policy, now: clock.now() };
  }

  #sealKey(endpointId: string, { id, kind, secret, publicKey }: MadeKey): StoredSecret {
    const { vault, clock } = this.#options;
    const sealed = vault.seal(secret, `${endpointId} ${id}`);
    return { id, kind, sealed, publicKey, createdAt: clock.now(), expiresAt: null };
  }

  #entry(id: string): Entry {
    const entry = this.#options.directory.entry(id);
    if (entry === null || entry.stored.deleting) throw new HoldfastError('not_found', { detail: id });
    return entry;
  }

  #made(id: string, made: readonly MadeKey[]): EndpointMade {
    return {
      endpoint: this.get(id),
      secret: made.find(({ kind }) => kind === 'v1')?.secret ?? null,
      publicKey: made.find(({ kind }) => kind === 'v1a')?.publicKey ?? null,
    };
  }

  #view({ id, version, stored }: Entry): EndpointView {
    const { headerNames, authKind, tls, secrets, disabled, headers: _, auth: __, deleting: ___, ...plain } = stored;
    const pausedBy = this.#options.pausedBy(id);
    return {
      ...plain,
      ...pacedBy(stored, this.#options.policy),
      id,
      version,
      headers: headerNames,
      auth: authKind,
      tls: tls !== null,
      secrets: secrets.map(({ sealed: _sealed, ...shown }) => shown),
      state: disabled !== null ? 'disabled' : pausedBy === null ? 'active' : 'paused',
      reason: disabled?.reason ?? (pausedBy === null ? null : `paused by ${pausedBy}`),
    };
  }
}

function asJson(stored: StoredEndpoint): JsonValue {
  return stored as unknown as JsonValue;
}

function isSealedBefore({ headers, auth, tls, secrets }: StoredEndpoint, vault: Vault): boolean {
  const all = [headers, auth, tls, ...secrets.map(({ sealed }) => sealed)];
  return all.some((sealed) => sealed !== null && vault.isOld(sealed));
}

/** The keys a scheme needs. @throws HoldfastError invalid_input when the given secret is none */
function keysFor(signing: SigningScheme, secret: string | null): MadeKey[] {
  return keysOf(signing).map((kind) => {
    if (kind === 'v1a') return newPair();
    return secret === null ? newShared(signing) : givenKey(secret, signing);
  });
}
