/** One endpoint in memory: its document, and what is made of it when it has work. */
import { compileFilter, filterBody, type FilterFunction } from '../core/filter.ts';
import { EMITTED, OPERATIONAL, type StoredEvent } from '../core/event.ts';
import type { Auth, EndpointTarget, Signing } from '../deliver/endpoint/target.ts';
import type { TlsIdentity } from '../deliver/egress/egress.ts';
import type { Runner } from '../deliver/runner.ts';
import { type Destination, takesType } from '../dispatch/destination.ts';
import type { StoredEndpoint } from './definition.ts';
import { keysOf } from './keys.ts';
import { type EndpointPolicy, pacedBy } from './policy.ts';
import type { Vault } from './vault.ts';

/** The target while its secrets are those: forwarded events keep their headers, the application's own have none. */
interface Targets {
  readonly forward: EndpointTarget;
  readonly bare: EndpointTarget;
  /** A secret stops signing then. */
  readonly until: number;
}

/** The parsed body of the event that was looked at last: an event meets many filters, one after the other. */
export class BodyOnce {
  #event: StoredEvent | null = null;
  #body: unknown = undefined;

  of(event: StoredEvent): unknown {
    if (this.#event !== event) {
      this.#body = filterBody(event.body);
      this.#event = event;
    }
    return this.#body;
  }
}

export class Entry {
  readonly id: string;
  readonly stored: StoredEndpoint;
  readonly version: number;
  readonly #vault: Vault;
  #filter: FilterFunction | null = null;
  #destination: Destination | null = null;
  #targets: Targets | null = null;

  constructor(id: string, document: { readonly stored: StoredEndpoint; readonly version: number }, vault: Vault) {
    this.id = id;
    this.stored = document.stored;
    this.version = document.version;
    this.#vault = vault;
  }

  /** Whether an event of this source and type may be for it; the filter looks further. */
  takes(source: string, type: string): boolean {
    const { from, types } = this.stored;
    return from.includes(source) && takesType(types, type);
  }

  accepts(event: StoredEvent, bodies: BodyOnce): boolean {
    const { filter } = this.stored;
    if (filter === null) return true;
    this.#filter ??= compileFilter(filter);
    const { headers, type, source, tenant } = event;
    return this.#filter({ body: bodies.of(event), headers, type, source, tenant });
  }

  destination(runner: Runner, policy: EndpointPolicy): Destination {
    const { from, types, ratePerS, ordered } = this.stored;
    const { concurrency, timeoutMs, retry } = pacedBy(this.stored, policy);
    this.#destination ??= {
      name: this.id,
      formerly: [],
      from: new Set(from),
      types,
      accepts: null,
      priority: policy.priority,
      concurrency: { min: concurrency, max: concurrency },
      batch: null,
      ratePerS,
      timeoutMs,
      retry,
      breaker: policy.breaker,
      ordered,
      onDead: 'continue',
      backlogMax: null,
      overflow: 'dead',
      runner,
    };
    return this.#destination;
  }

  /** For one attempt; the same object while nothing has changed. @throws HoldfastError secret_sealed */
  target(event: StoredEvent, now: number): EndpointTarget {
    if (this.#targets === null || now >= this.#targets.until) this.#targets = this.#makeTargets(now);
    return event.source === EMITTED || event.source === OPERATIONAL ? this.#targets.bare : this.#targets.forward;
  }

  #makeTargets(now: number): Targets {
    const { stored } = this;
    const { url, method, statusRules, retryAfterMaxMs } = stored;
    const bare: EndpointTarget = {
      id: this.id,
      url,
      method,
      forward: false,
      headers: (this.#open(stored.headers, 'headers') as string[] | null) ?? [],
      signing: this.#signing(now),
      auth: this.#open(stored.auth, 'auth') as Auth | null,
      tls: this.#open(stored.tls, 'tls') as TlsIdentity | null,
      statusRules,
      retryAfterMaxMs,
    };
    const ends = stored.secrets.map(({ expiresAt }) => expiresAt ?? Number.POSITIVE_INFINITY);
    const until = Math.min(...ends.filter((end) => end > now), Number.POSITIVE_INFINITY);
    return { bare, forward: { ...bare, forward: true }, until };
  }

  /** With every secret that is live and of a kind that it signs with, the newest first: others are there from before. */
  #signing(now: number): Signing {
    const { signing, secrets } = this.stored;
    if (signing.kind === 'none') return { kind: 'none' };
    const kinds = keysOf(signing);
    const live = secrets.filter(
      ({ kind, expiresAt }) => kinds.includes(kind) && (expiresAt === null || expiresAt > now),
    );
    const open = (kind: 'v1' | 'v1a'): string[] =>
      live
        .filter((secret) => secret.kind === kind)
        .toSorted((a, b) => b.createdAt - a.createdAt)
        .map(({ id, sealed }) => this.#vault.open(sealed, `${this.id} ${id}`));
    if (signing.kind === 'hmac') return { ...signing, secrets: open('v1') };
    const { headerPrefix, forwardedPrefix } = signing;
    return { kind: 'standard', secrets: open('v1'), privateKeys: open('v1a'), headerPrefix, forwardedPrefix };
  }

  #open(sealed: string | null, field: string): unknown {
    return sealed === null ? null : JSON.parse(this.#vault.open(sealed, `${this.id} ${field}`));
  }
}
