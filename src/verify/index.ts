/**
 * `holdfast/verify`: proves who sent a webhook, from its raw bytes. Usable without a gateway:
 *
 * ```ts
 * const verifier = stripe({ secrets: 'whsec_…' });
 * const verdict = await verifier.verify({ method, url, headers, body }, Date.now());
 * if (!verdict.ok) return new Response(null, { status: 401 });
 * ```
 */
export { all, anyOf, ipAllowList, none } from './compose.ts';
export type { IpAllowListOptions } from './compose.ts';
export type { Encoding } from './encoding.ts';
export { hmac, timestampedHmac } from './hmac.ts';
export type { HmacOptions, HmacSettings, TimestampedHmacOptions } from './hmac.ts';
export type { HmacAlgorithm, SecretEncoding } from './keys.ts';
export { secret } from './secret.ts';
export type { Environment } from './secret.ts';
export { signRequest } from './sign.ts';
export { standardWebhooks } from './standard-webhooks.ts';
export type { StandardWebhooksOptions } from './standard-webhooks.ts';
export type { TimestampUnit } from './timestamp.ts';
export { basic, bearer, headerToken, queryToken } from './tokens.ts';
export type { BasicOptions, Credentials, HeaderTokenOptions, QueryTokenOptions, TokenSettings } from './tokens.ts';
export type {
  HandshakeAnswer,
  HttpAnswer,
  Reader,
  ReadInput,
  RejectReason,
  SecretReference,
  SecretSource,
  SourceDefaults,
  TypedBody,
  UnsignedRequest,
  Verdict,
  Verifier,
  VerifyRequest,
} from './verifier.ts';
