/**
 * The public `holdfast/verify`, called as the vectors describe a receiver: for
 * `node ../shared/vectors/run-vectors.mjs ../shared/vectors/signatures.json test/vectors-adapter.ts`.
 */
import { findProvider, hmac, timestampedHmac } from '../src/verify/index.ts';
import type {
  Encoding,
  HmacAlgorithm,
  ProviderSettings,
  SecretEncoding,
  Verdict,
  Verifier,
} from '../src/verify/index.ts';
import { HoldfastError } from '../src/errors.ts';

/** What a vector's receiver has configured. */
export interface VectorConfig {
  readonly secrets?: readonly string[];
  readonly public_keys?: readonly string[];
  readonly basic?: readonly { readonly username: string; readonly password: string }[];
  readonly primary_key?: string;
  readonly secondary_key?: string;
  readonly certs?: Readonly<Record<string, string>>;
  readonly topic_arns?: readonly string[];
  readonly webhook_id?: string;
  readonly public_url?: string | null;
  readonly tolerance_sec?: number | null;
  readonly verify_token?: string;
  readonly allowed_origins?: readonly string[];
  readonly header?: string;
  readonly query_param?: string;
  readonly prefix?: string;
  readonly algorithm?: HmacAlgorithm;
  readonly encoding?: Encoding;
  readonly secret_encoding?: SecretEncoding;
  readonly timestamp_header?: string;
  readonly joiner?: string;
}

/** A request as received, with the receiver's configuration and clock. */
export interface Vector {
  readonly id: string;
  readonly kind: 'signature' | 'handshake';
  readonly provider: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body_b64?: string;
  readonly now: number | null;
  readonly config: VectorConfig;
}

/** Whether the request verifies. A receiver that refuses to start (no secret) verifies nothing. */
export async function verify(vector: Vector): Promise<boolean> {
  const verdict = await judge(vector);
  return verdict.ok;
}

/** The verdict on a vector, with its reason. */
export async function judge(vector: Vector): Promise<Verdict> {
  try {
    return await receiver(vector).verify(requestOf(vector), nowOf(vector));
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'secret_missing')
      return { ok: false, reason: 'token_mismatch' };
    throw error;
  }
}

/** The verifier a vector's receiver has. */
export function receiver({ provider, config, url }: Vector): Verifier {
  if (provider === 'generic-hmac' || provider === 'generic-timestamped') return generic(provider, config);
  const found = findProvider(provider);
  if (found === undefined) throw new Error(`no provider ${provider}`);
  return found.make(settingsOf(config, new URL(url)));
}

/** The request of a vector, in the form the port takes: path and query, headers as a list, bytes. */
export function requestOf({ method, url, headers, body_b64: body }: Vector) {
  const list = Object.entries(headers).flatMap(([name, values]) => [values].flat().flatMap((value) => [name, value]));
  return {
    method,
    url: url.replace(/^https?:\/\/[^/?#]*/i, ''),
    headers: list,
    body: Buffer.from(body ?? '', 'base64'),
  };
}

/** Milliseconds of the vector's clock. */
export function nowOf({ now }: Vector): number {
  return (now ?? 0) * 1000;
}

function settingsOf(config: VectorConfig, url: URL): ProviderSettings {
  const settings: Record<keyof ProviderSettings, unknown> | Record<string, unknown> = {
    secrets: config.secrets,
    publicKeys: config.public_keys,
    credentials: config.basic,
    primaryKeys: config.primary_key,
    secondaryKeys: config.secondary_key,
    certificates: config.certs,
    topics: config.topic_arns,
    webhookId: config.webhook_id,
    publicUrl: config.public_url ?? originOf(url),
    toleranceMs: toleranceOf(config),
    verifyToken: config.verify_token,
    allowedOrigins: config.allowed_origins,
    header: config.header,
    parameter: config.query_param,
  };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

/** What was called is configured as it was called, user and password included. */
function originOf({ href }: URL): string {
  return /^https?:\/\/[^/?#]*/i.exec(href)?.[0] ?? '';
}

function toleranceOf({ tolerance_sec: seconds }: VectorConfig): number {
  return seconds === undefined || seconds === null ? Infinity : seconds * 1000;
}

function generic(provider: string, config: VectorConfig): Verifier {
  const { header = '', secrets = [], prefix, algorithm, encoding, joiner } = config;
  const common = {
    header,
    secrets,
    ...(algorithm !== undefined && { algorithm }),
    ...(encoding !== undefined && { encoding }),
    ...(config.secret_encoding !== undefined && { secretEncoding: config.secret_encoding }),
  };
  const joined = joiner === undefined ? {} : { joiner };
  const toleranceMs = toleranceOf(config);
  if (provider === 'generic-timestamped') return timestampedHmac({ ...common, ...joined, toleranceMs });
  return hmac({
    ...common,
    ...(prefix !== undefined && { prefix }),
    ...(config.timestamp_header !== undefined && {
      timestamp: { header: config.timestamp_header, ...joined, toleranceMs },
    }),
  });
}
