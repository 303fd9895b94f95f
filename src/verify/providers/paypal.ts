/** PayPal. */
import { Buffer } from 'node:buffer';
import { createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { HeaderList } from '../../core/event.ts';
import { certificateCache, isPublishedAt } from '../certificates.ts';
import type { CertificateCache, CertificateOptions } from '../certificates.ts';
import { soleHeader } from '../headers.ts';
import { HOUR_MS, providerVerifier, toleranceOf, WEEK_MS } from '../provider.ts';
import type { Provider, ToleranceOptions } from '../provider.ts';
import { rsaHolds, rsaSign } from '../rsa.ts';
import { crc32 } from '../crc32.ts';
import type { Opened } from '../secret.ts';
import { checkTimestamp, formatTimestamp } from '../timestamp.ts';
import { refuse } from '../verdict.ts';
import type { Part, Refusal } from '../verdict.ts';
import type {
  SecretSource,
  TypedBody,
  UnsignedRequest,
  Verdict,
  Verifier,
  VerifyRequest,
  Witness,
} from '../verifier.ts';

/** Options of {@link paypal}. */
export interface PaypalOptions extends ToleranceOptions, CertificateOptions {
  /** The id of the webhook, which is part of what is signed. Default: `PAYPAL_WEBHOOK_ID`. */
  readonly webhookId?: SecretSource;
  /** A private RSA key in PEM to sign with in tests; its public half belongs into `certificates`. */
  readonly privateKeys?: SecretSource;
}

/**
 * PayPal: `PAYPAL-TRANSMISSION-SIG`, RSA with SHA-256 over transmission id, time, webhook id and the CRC-32 of the raw
 * body, with the certificate at `PAYPAL-CERT-URL`, which is fetched from `api.paypal.com` and `api.sandbox.paypal.com`
 * only. The webhook id is from `PAYPAL_WEBHOOK_ID`. PayPal names no window and retries for 3 days: 262,800,000 ms (73
 * hours) both ways. Rule: https://developer.paypal.com/api/rest/webhooks/rest/
 *
 * @throws HoldfastError `secret_missing` when there is no webhook id
 */
export function paypal<Body = unknown>(options: PaypalOptions = {}): Verifier & TypedBody<Body> {
  return providerVerifier(paypalProvider, {
    settings: ['webhookId', 'privateKeys'],
    given: { webhookId: options.webhookId, privateKeys: options.privateKeys },
    fetches: true,
    open({ webhookId, privateKeys }, outside) {
      const [pem] = privateKeys;
      return open({
        webhookIds: webhookId,
        certificates: certificateCache(options, outside),
        toleranceMs: toleranceOf(paypalProvider, options),
        privateKey: pem === undefined ? null : createPrivateKey(pem),
        certUrl: Object.keys(options.certificates ?? {})[0] ?? 'https://api.paypal.com/v1/notifications/certs/TEST',
      });
    },
  });
}

interface Scheme {
  readonly webhookIds: readonly string[];
  readonly certificates: CertificateCache;
  readonly toleranceMs: number;
  readonly privateKey: KeyObject | null;
  readonly certUrl: string;
}

const NAMES = {
  id: 'PAYPAL-TRANSMISSION-ID',
  time: 'PAYPAL-TRANSMISSION-TIME',
  signature: 'PAYPAL-TRANSMISSION-SIG',
  certificate: 'PAYPAL-CERT-URL',
  algorithm: 'PAYPAL-AUTH-ALGO',
} as const;
const ALGORITHM = 'SHA256withRSA';
const HOST = /^api\.(?:sandbox\.)?paypal\.com$/;
const PATH = /^\/v1\/notifications\/certs\/[\w-]+$/;

function open({ webhookIds, certificates, toleranceMs, privateKey, certUrl }: Scheme): Opened {
  function verify(request: VerifyRequest, now: number, witness?: Witness): Verdict | Promise<Verdict> {
    const given = readHeaders(request.headers);
    if ('ok' in given) return given;
    if (given.algorithm !== ALGORITHM) return refuse('header_malformed', `${NAMES.algorithm} is not ${ALGORITHM}`);
    if (!isPublishedAt(given.certificate, HOST, PATH)) {
      return refuse('certificate_refused', `${NAMES.certificate} is not of PayPal`);
    }
    const judge = (key: KeyObject | Refusal): Verdict => {
      if ('ok' in key) return key;
      const held = webhookIds.some((webhookId) =>
        rsaHolds(
          key,
          { hash: 'sha256', signature: given.signature, parts: signedParts(given, webhookId, request.body) },
          witness,
        ),
      );
      if (!held) return refuse('signature_mismatch', NAMES.signature);
      return checkTimestamp(given.time, 'rfc3339', { now, toleranceMs });
    };
    const key = certificates.get(given.certificate, now);
    return key instanceof Promise ? key.then(judge) : judge(key);
  }

  function sign(request: UnsignedRequest, now: number, key: KeyObject): HeaderList {
    const given = { id: `transmission-${now}`, time: formatTimestamp(now, 'rfc3339') };
    const signature = rsaSign(key, 'sha256', signedParts(given, webhookIds[0] ?? '', request.body));
    const values = { ...given, signature, certificate: certUrl, algorithm: ALGORITHM };
    return (Object.keys(NAMES) as (keyof typeof NAMES)[]).flatMap((name) => [NAMES[name], values[name]]);
  }

  return privateKey === null ? { verify } : { verify, sign: (request, now) => sign(request, now, privateKey) };
}

type Given = Record<keyof typeof NAMES, string>;

function readHeaders(headers: HeaderList): Given | Refusal {
  const given: Given = { id: '', time: '', signature: '', certificate: '', algorithm: '' };
  for (const name of Object.keys(NAMES) as (keyof typeof NAMES)[]) {
    const value = soleHeader(headers, NAMES[name].toLowerCase());
    if (typeof value !== 'string') return value;
    given[name] = value;
  }
  return given;
}

/** The webhook id as bytes: it is configured, not received, and no explanation shows it. */
function signedParts({ id, time }: { id: string; time: string }, webhookId: string, body: Uint8Array): readonly Part[] {
  return [`${id}|${time}|`, Buffer.from(webhookId), `|${crc32(body)}`];
}

export const paypalProvider: Provider = {
  key: 'paypal',
  title: 'PayPal',
  factory: 'paypal',
  variables: { webhookId: 'PAYPAL_WEBHOOK_ID' },
  toleranceMs: 73 * HOUR_MS,
  defaults: {
    type: 'body.event_type',
    dedupeKey: 'body.id',
    orderKey: 'body.resource.id',
    deadlineMs: 30_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected:
    'Of the body only its CRC-32 is signed, which is no cryptographic hash: who has one signed request can make another body with the same CRC. The URL and other headers are not covered. Where money depends on it, read the resource back from PayPal’s API.',
  page: {
    source: 'https://developer.paypal.com/api/rest/webhooks/rest/',
    setUp: 'Apps & Credentials → your app → Webhooks: add the URL; the webhook id is shown beside it.',
    verified:
      '`PAYPAL-TRANSMISSION-SIG`: RSA with SHA-256, in base64, of transmission id, time, webhook id and the CRC-32 of the raw body, with the certificate at `PAYPAL-CERT-URL`. That must be on `api.paypal.com` or `api.sandbox.paypal.com`; certificates are kept for an hour, 32 at most.',
    retries: '25 times over 3 days.',
    differs:
      'PayPal fixes no window, and whether a retry has a new time is not known. Here it is 73 hours, longer than it retries; deduplication recognises what is sent again within it.',
  },
  make: (settings) => paypal(settings),
};
