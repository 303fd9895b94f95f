/** What an endpoint is: as it is asked for, as it is stored, and as it is shown. */
import type { Filter } from '../core/filter.ts';
import type { RetryPolicy } from '../core/retry.ts';
import type { Auth, HmacSigning, StatusRules } from '../deliver/endpoint/target.ts';
import type { TlsIdentity } from '../deliver/egress/egress.ts';

/** How an endpoint is signed for, without its secrets. */
export type SigningScheme =
  | {
      readonly kind: 'standard';
      /** Which keys are made for it: shared (`v1`, HMAC), public (`v1a`, Ed25519), or both. Default `v1`. */
      readonly keys?: 'v1' | 'v1a' | 'both' | undefined;
      readonly headerPrefix?: string | undefined;
      readonly forwardedPrefix?: string | undefined;
    }
  | Omit<HmacSigning, 'secrets'>
  | { readonly kind: 'none' };

/** What can be said of an endpoint; everything but `url` has a default. */
export interface EndpointInput {
  readonly url: string;
  readonly description?: string | undefined;
  /** Whose it is: it gets events of this tenant only. `null` (default): events of every tenant. */
  readonly tenant?: string | null | undefined;
  /** Sources it takes from. Default: `emitted`, the application's own events. */
  readonly from?: readonly string[] | undefined;
  /** Event types it takes, `*` at the end as a wildcard. Default `null`: all. */
  readonly types?: readonly string[] | null | undefined;
  /** Looks into the payload. Default `null`: all. */
  readonly filter?: Filter | null | undefined;
  /** Added to every request. Their values count as secret and are not shown again. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signing?: SigningScheme | undefined;
  readonly auth?: Auth | null | undefined;
  readonly tls?: TlsIdentity | null | undefined;
  /** `original` forwards with the method the webhook came with. Default `POST`. */
  readonly method?: 'POST' | 'original' | undefined;
  /** Most attempts per second. Default `null`: no limit. */
  readonly ratePerS?: number | null | undefined;
  /** Attempts at once. `null` (default): as all endpoints; 10 where the code says nothing. */
  readonly concurrency?: number | null | undefined;
  /** Of one attempt, in all. `null` (default): as all endpoints; 30 s where the code says nothing. */
  readonly timeoutMs?: number | null | undefined;
  /** `null` (default): as all endpoints; ten attempts over about three days where the code says nothing. */
  readonly retry?: RetryPolicy | null | undefined;
  readonly statusRules?: StatusRules | undefined;
  /** Longest delay that a `Retry-After` of its answers can ask for. Default 24 h. */
  readonly retryAfterMaxMs?: number | undefined;
  /** Whether events with the same order key are delivered one after the other. Default `false`. */
  readonly ordered?: boolean | undefined;
}

/** A change: what is left out stays as it is. */
export type EndpointChange = Partial<EndpointInput>;

/** One of an endpoint's keys, sealed. */
export interface StoredSecret {
  readonly id: string;
  readonly kind: 'v1' | 'v1a';
  readonly sealed: string;
  /** Of an Ed25519 pair: `whpk_…`. */
  readonly publicKey: string | null;
  readonly createdAt: number;
  /** Signs until then; `null`: until it is rotated. */
  readonly expiresAt: number | null;
}

/** As it lies in the registry, under its id. Everything secret in it is sealed. */
export interface StoredEndpoint {
  readonly url: string;
  readonly description: string;
  readonly tenant: string | null;
  readonly from: readonly string[];
  readonly types: readonly string[] | null;
  readonly filter: Filter | null;
  readonly headerNames: readonly string[];
  /** Sealed JSON of the header list; `null`: none. */
  readonly headers: string | null;
  readonly signing: SigningScheme;
  readonly secrets: readonly StoredSecret[];
  readonly authKind: Auth['kind'] | null;
  /** Sealed JSON. */
  readonly auth: string | null;
  /** Sealed JSON. */
  readonly tls: string | null;
  readonly method: 'POST' | 'original';
  readonly ratePerS: number | null;
  /** `null`: as all endpoints. */
  readonly concurrency: number | null;
  readonly timeoutMs: number | null;
  readonly retry: RetryPolicy | null;
  readonly statusRules: StatusRules;
  readonly retryAfterMaxMs: number;
  readonly ordered: boolean;
  /** Why it takes nothing for now; `null`: it does. */
  readonly disabled: { readonly reason: string; readonly by: string; readonly at: number } | null;
  /** It is being deleted: what it was owed becomes dead letters. */
  readonly deleting: boolean;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** As it is shown: nothing secret, and nothing sealed. */
export interface EndpointView extends Omit<
  StoredEndpoint,
  | 'headerNames'
  | 'headers'
  | 'secrets'
  | 'authKind'
  | 'auth'
  | 'tls'
  | 'disabled'
  | 'deleting'
  | 'concurrency'
  | 'timeoutMs'
  | 'retry'
> {
  readonly id: string;
  /** As they are in force. */
  readonly concurrency: number;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  /** Names only. */
  readonly headers: readonly string[];
  readonly secrets: readonly Omit<StoredSecret, 'sealed'>[];
  readonly auth: Auth['kind'] | null;
  readonly tls: boolean;
  readonly state: 'active' | 'paused' | 'disabled';
  /** Why it is paused or disabled. */
  readonly reason: string | null;
  /** Rises with every change; a change may name the one it was made from. */
  readonly version: number;
}

/** A new endpoint or a new secret: the only time that its secrets are shown. */
export interface EndpointMade {
  readonly endpoint: EndpointView;
  /** The shared secret (`whsec_…`); `null` where none was made. */
  readonly secret: string | null;
  /** The public key that receivers verify `v1a` with (`whpk_…`). */
  readonly publicKey: string | null;
}
