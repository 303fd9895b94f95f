/** HubSpot: signature version 3, and the older versions 1 and 2. */
import { createHash } from 'node:crypto';
import type { HeaderList } from '../../core/event.ts';
import { sameDigestText } from '../compare.ts';
import { soleHeader } from '../headers.ts';
import { hmacKeys } from '../keys.ts';
import type { Keys } from '../keys.ts';
import { makeSignature } from '../mac.ts';
import { providerVerifier, toleranceOf, WEEK_MS } from '../provider.ts';
import type { Provider, PublicUrlOptions, SecretOptions, ToleranceOptions } from '../provider.ts';
import { publicUrl } from '../public-url.ts';
import type { PublicUrl } from '../public-url.ts';
import type { Opened } from '../secret.ts';
import { checkTimestamp, formatTimestamp, TOLERANCE_MS } from '../timestamp.ts';
import { HELD, refuse } from '../verdict.ts';
import type { Part } from '../verdict.ts';
import type {
  SourceDefaults,
  TypedBody,
  UnsignedRequest,
  Verdict,
  Verifier,
  VerifyRequest,
  Witness,
} from '../verifier.ts';

/** Options of {@link hubspot}. */
export interface HubspotOptions extends SecretOptions, ToleranceOptions, PublicUrlOptions {}

/**
 * HubSpot: `X-HubSpot-Signature-v3`, an HMAC-SHA256, in base64, of method, URL, raw body and time (milliseconds). The
 * secret is the app's client secret, from `HUBSPOT_CLIENT_SECRET`; tolerance 300,000 ms both ways.
 * Rule: https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
 *
 * @throws HoldfastError `secret_missing` without a secret, `config_invalid` without a public URL
 */
export function hubspot<Body = unknown>(options: HubspotOptions = {}): Verifier & TypedBody<Body> {
  return providerVerifier(hubspotProvider, {
    settings: ['secrets'],
    given: { secrets: options.secrets },
    open: ({ secrets, baseUrl }) =>
      openV3(
        publicUrl('hubspot', options, baseUrl[0]),
        hmacKeys({ algorithm: 'sha256', encoding: 'base64', secretEncoding: 'utf8' }, secrets),
        toleranceOf(hubspotProvider, options),
      ),
  });
}

/** Options of {@link hubspotLegacy}. */
export interface HubspotLegacyOptions extends SecretOptions, PublicUrlOptions {}

/**
 * HubSpot's versions 1 and 2: `X-HubSpot-Signature`, a SHA-256, in hex, of the secret and the raw body (1), or of the
 * secret, method, URL and raw body (2). Not an HMAC, and no time: prefer {@link hubspot}. The secret from
 * `HUBSPOT_CLIENT_SECRET`. Version 2 needs the public URL, version 1 does not.
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function hubspotLegacy<Body = unknown>(options: HubspotLegacyOptions = {}): Verifier & TypedBody<Body> {
  return providerVerifier(hubspotLegacyProvider, {
    settings: ['secrets'],
    given: { secrets: options.secrets },
    open({ secrets, baseUrl }) {
      const known = options.publicUrl !== undefined || options.trustProxy === true || baseUrl[0] !== undefined;
      return openLegacy(known ? publicUrl('hubspot-legacy', options, baseUrl[0]) : null, secrets);
    },
  });
}

/** What HubSpot documents as decoded before signing: `: / ? @ ! $ ' ( ) * , ;`. */
const DECODED = /%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)/gi;

function openV3(urlOf: PublicUrl, keys: Keys, toleranceMs: number): Opened {
  const header = 'x-hubspot-signature-v3';
  const timestampHeader = 'x-hubspot-request-timestamp';

  function verify(request: VerifyRequest, now: number, witness?: Witness): Verdict {
    const signature = soleHeader(request.headers, header);
    if (typeof signature !== 'string') return signature;
    const at = soleHeader(request.headers, timestampHeader);
    if (typeof at !== 'string') return at;
    const url = urlOf(request);
    if (typeof url !== 'string') return url;
    const held = urlForms(url).some((form) => keys.prove([signature], signedV3(form, request, at), witness));
    return held ? checkTimestamp(at, 'ms', { now, toleranceMs }) : refuse('signature_mismatch', header);
  }

  function sign(request: UnsignedRequest, now: number): HeaderList {
    const at = formatTimestamp(now, 'ms');
    const url = urlOf(request);
    if (typeof url !== 'string') return [];
    const [form = url] = urlForms(url);
    const signature = makeSignature(keys, signedV3(form, request, at));
    return ['X-HubSpot-Signature-v3', signature, 'X-HubSpot-Request-Timestamp', at];
  }

  return { verify, sign };
}

/** As documented, and as HubSpot's own libraries sign it: word for word. Mostly they are one. */
function urlForms(url: string): readonly string[] {
  if (!url.includes('%')) return [url];
  const decoded = url.replace(DECODED, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)));
  return decoded === url ? [url] : [decoded, url];
}

function signedV3(url: string, request: UnsignedRequest, at: string): readonly Part[] {
  return [request.method.toUpperCase() + url, request.body, at];
}

const LEGACY = { algorithm: 'SHA-256 of the secret and', form: '64 characters of lower-case hex' } as const;

function openLegacy(urlOf: PublicUrl | null, secrets: readonly string[]): Opened {
  const header = 'x-hubspot-signature';

  function verify(request: VerifyRequest, _now: number, witness?: Witness): Verdict {
    const signature = soleHeader(request.headers, header);
    if (typeof signature !== 'string') return signature;
    const version = soleHeader(request.headers, `${header}-version`);
    if (typeof version !== 'string') return version;
    if (version !== 'v1' && version !== 'v2') return refuse('header_malformed', `${header}-version is not v1 or v2`);
    const url = version === 'v1' ? '' : (urlOf?.(request) ?? refuse('url_not_configured', 'version 2 needs publicUrl'));
    if (typeof url !== 'string') return url;
    const before = version === 'v1' ? '' : request.method.toUpperCase() + url;
    const held = secrets.some((secret) => sameDigestText(digest(secret + before, request.body), signature));
    witness?.({ ...LEGACY, keys: secrets.length, signatures: [signature], parts: [before, request.body], held });
    return held ? HELD : refuse('signature_mismatch', header);
  }

  function sign(request: UnsignedRequest): HeaderList {
    const [secret = ''] = secrets;
    return ['X-HubSpot-Signature', digest(secret, request.body), 'X-HubSpot-Signature-Version', 'v1'];
  }

  return { verify, sign };
}

function digest(before: string, body: Uint8Array): string {
  return createHash('sha256').update(before).update(body).digest('hex');
}

const defaults: SourceDefaults = {
  split: 'body',
  type: 'body.subscriptionType',
  dedupeKey: 'body.eventId+=:+body.subscriptionId+=:+body.objectId+=:+body.occurredAt',
  orderKey: 'body.objectId',
  deadlineMs: 5000,
  dedupeWindowMs: WEEK_MS,
};

const SOURCE =
  'https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation';
const SET_UP =
  'Developer account → your app → Webhooks: enter the URL. The secret is the client secret under Auth. A request carries up to 100 events, which become one event each.';
const RETRIES = 'Up to 10 times over 24 hours at 4xx and 5xx. HubSpot waits 5 s.';
const NOTE = '`eventId` alone is not unique; the dedupe key is made of it, subscription, object and time.';

export const hubspotProvider: Provider = {
  key: 'hubspot',
  title: 'HubSpot',
  factory: 'hubspot',
  variables: { secrets: 'HUBSPOT_CLIENT_SECRET' },
  signsUrl: true,
  toleranceMs: TOLERANCE_MS,
  defaults,
  notProtected: 'The headers besides the signature’s and the timestamp’s; method, URL, body and time are covered.',
  page: {
    source: SOURCE,
    setUp: SET_UP,
    verified:
      '`X-HubSpot-Signature-v3`: HMAC-SHA256, in base64, of method, URL, raw body and `X-HubSpot-Request-Timestamp` in milliseconds.',
    retries: RETRIES,
    differs:
      'The documentation says that some escapes of the URL are decoded before signing, HubSpot’s libraries take it word for word: either is accepted. Its Node library accepts timestamps from the future and, where the timestamp is no number, checks no age at all; here both are refused.',
    note: NOTE,
  },
  make: (settings) => hubspot(settings),
};

export const hubspotLegacyProvider: Provider = {
  key: 'hubspot-legacy',
  title: 'HubSpot (versions 1 and 2)',
  factory: 'hubspotLegacy',
  variables: { secrets: 'HUBSPOT_CLIENT_SECRET' },
  signsUrl: true,
  defaults: { ...defaults, methods: ['GET'] },
  notProtected:
    'The headers and the time; in version 1 the URL. A hash with the secret in front is not an HMAC: somebody who has one signed body can sign it with bytes of his own at the end.',
  page: {
    source: SOURCE,
    setUp: SET_UP,
    verified:
      '`X-HubSpot-Signature`: SHA-256, in hex, of the secret and the raw body (`v1`), or of the secret, method, URL and raw body (`v2`).',
    retries: RETRIES,
    note: `${NOTE} Use version 3 (\`hubspot\`) where the app can.`,
  },
  make: (settings) => hubspotLegacy(settings),
};
