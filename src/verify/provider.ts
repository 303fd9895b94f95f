/**
 * A provider is mostly a row of data: what it is called, where its secrets come from, what it sends and expects, and
 * the words of its page in the documentation. The page, the catalog and the verifier are made from the same row.
 */
import { defineVerifier, optionalSecret, secret } from './secret.ts';
import type { Opened } from './secret.ts';
import type { CertificateOptions } from './certificates.ts';
import { readTolerance } from './timestamp.ts';
import type { Credentials } from './tokens.ts';
import type { Outside, SecretSource, SourceDefaults, Verifier } from './verifier.ts';

/** What the user may set of a provider that signs with a shared secret. */
export interface SecretOptions {
  /** The secret, or several while rotating. Default: the provider's environment variable. */
  readonly secrets?: SecretSource;
}

/** The window of a provider that signs the time. */
export interface ToleranceOptions {
  /** Milliseconds the signed time may lie in the past or the future; `Infinity` for any. Default: see the provider. */
  readonly toleranceMs?: number;
}

/** What the user may set of a provider that signs with a key pair. */
export interface PublicKeyOptions {
  /** The provider's public key, or several while rotating. Default: the provider's environment variable. */
  readonly publicKeys?: SecretSource;
  /** A private key to sign with in tests and `simulate`; no provider gives you its own. */
  readonly privateKeys?: SecretSource;
}

/** Where the provider calls, for a scheme that signs the URL. It is never rebuilt from the `Host` header by itself. */
export interface PublicUrlOptions {
  /**
   * The URL as entered at the provider: an origin (`https://hooks.example.com`), to which path and query of the request
   * are added, or a whole URL, which is taken as it is; without a query of its own it gets the request's. Default: the
   * variable `HOLDFAST_PUBLIC_URL`, to which path and query are added.
   */
  readonly publicUrl?: string;
  /**
   * Builds the origin from `X-Forwarded-Proto` and `X-Forwarded-Host` (else `Host`) instead. Only where a proxy sets
   * both and nobody can reach the gateway around it. Default `false`.
   */
  readonly trustProxy?: boolean;
}

/** Every setting any provider takes: what `make` of a row is given. */
export interface ProviderSettings
  extends SecretOptions, ToleranceOptions, PublicKeyOptions, PublicUrlOptions, CertificateOptions {
  readonly tokens?: SecretSource;
  readonly credentials?: SecretSource | Credentials | readonly Credentials[];
  readonly header?: string;
  readonly parameter?: string;
  readonly verifyToken?: SecretSource;
  readonly primaryKeys?: SecretSource;
  readonly secondaryKeys?: SecretSource;
  readonly webhookId?: SecretSource;
  readonly topics?: SecretSource;
  readonly allowedOrigins?: readonly string[];
}

/** The words of a provider's page. Sentences, in Markdown. */
export interface ProviderPage {
  /** Address of the provider's own documentation of the scheme. */
  readonly source: string;
  /** What to do at the provider. */
  readonly setUp: string;
  /** What a valid signature proves: header, algorithm, what is signed. */
  readonly verified: string;
  /** How often and how long the provider tries again, and what ends it. */
  readonly retries: string;
  /** The handshake that is answered; none by default. */
  readonly handshake?: string;
  /** Words for default keys that are functions, by setting: `{ dedupeKey: 'hash of the embeds' }`. */
  readonly keys?: Readonly<Partial<Record<'type' | 'dedupeKey' | 'orderKey' | 'tenant', string>>>;
  /** Where Holdfast decides otherwise than the provider's own library, and why. */
  readonly differs?: string;
  /** What else to know. */
  readonly note?: string;
}

/** A provider: the row its verifier, its page and its place in the catalog are made from. */
export interface Provider {
  /** Its name everywhere: `coinbase-cdp`. */
  readonly key: string;
  /** As the provider writes itself. */
  readonly title: string;
  /** The function in `holdfast/verify`: `coinbaseCdp`. */
  readonly factory: string;
  /** Environment variables of its settings. */
  readonly variables: Readonly<Partial<Record<keyof ProviderSettings, string>>>;
  /** Settings among `variables` it can do without. */
  readonly optional?: readonly (keyof ProviderSettings)[];
  /** Default window of a scheme that signs the time, in milliseconds; none where it does not. */
  readonly toleranceMs?: number;
  readonly defaults: SourceDefaults;
  readonly notProtected: string;
  /** Lower-case names of headers that are credentials. Default none. */
  readonly credentialHeaders?: readonly string[];
  /** Names of query parameters that are credentials. Default none. */
  readonly credentialParameters?: readonly string[];
  /** Whether a credential may be the last segment of the path. Default `false`. */
  readonly credentialInPath?: boolean;
  /** Whether the scheme signs the URL. Default `false`. */
  readonly signsUrl?: boolean;
  readonly page: ProviderPage;
  /** The verifier, from settings whose names are those of the factory's options. */
  make(settings: ProviderSettings): Verifier;
}

/** Sources of secrets by setting; those not given come from the provider's variables. */
export type Given<Setting extends keyof ProviderSettings> = Readonly<
  Partial<Record<Setting, SecretSource | undefined>>
>;

/** What a provider's verifier is made of besides its row. */
export interface ProviderParts<Setting extends keyof ProviderSettings> {
  /** The settings that hold secrets. */
  readonly settings: readonly Setting[];
  readonly given: Given<Setting>;
  /** Whether it fetches what requests name. Default `false`. */
  readonly fetches?: boolean;
  open(secrets: Readonly<Record<Setting | 'baseUrl', readonly string[]>>, outside: Outside): Opened;
}

/** Makes the verifier of a provider. */
export function providerVerifier<Setting extends keyof ProviderSettings>(
  provider: Provider,
  parts: ProviderParts<Setting>,
): Verifier {
  const baseUrl = provider.signsUrl === true ? optionalSecret('HOLDFAST_PUBLIC_URL') : undefined;
  const sources = { baseUrl } as Record<Setting | 'baseUrl', SecretSource | undefined>;
  for (const setting of parts.settings) sources[setting] = parts.given[setting] ?? variableOf(provider, setting);
  return defineVerifier({
    outline: {
      name: provider.key,
      credentialHeaders: provider.credentialHeaders ?? [],
      ...(provider.credentialParameters !== undefined && { credentialParameters: provider.credentialParameters }),
      ...(provider.credentialInPath === true && { credentialInPath: true }),
      defaults: provider.defaults,
      notProtected: provider.notProtected,
    },
    sources,
    fetches: parts.fetches ?? false,
    open: (secrets, outside) => parts.open(secrets, outside),
  });
}

/** The window: what the user set, else the provider's. @throws HoldfastError `config_invalid` when it is no number */
export function toleranceOf(provider: Provider, options: ToleranceOptions): number {
  return readTolerance(options.toleranceMs, provider.toleranceMs ?? Infinity);
}

function variableOf(provider: Provider, setting: keyof ProviderSettings): SecretSource | undefined {
  const variable = provider.variables[setting];
  if (variable === undefined) return undefined;
  return provider.optional?.includes(setting) === true ? optionalSecret(variable) : secret(variable);
}

/** Seven days: as long as dedupe keys are remembered unless a provider retries longer. */
export const WEEK_MS = 7 * 86_400_000;
export const HOUR_MS = 3_600_000;

/** What a scheme leaves open that signs the body alone. */
export const BODY_ONLY =
  'The headers, the URL and the time: a captured request can be sent again, and deduplication is what recognises it.';
