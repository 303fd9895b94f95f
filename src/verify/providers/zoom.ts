/** Zoom. */
import { createHmac } from 'node:crypto';
import { asObject, parseJson, textOf } from '../json.ts';
import { HOUR_MS, toleranceOf, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions, ToleranceOptions } from '../provider.ts';
import type { HandshakeAnswer, TypedBody, Verifier } from '../verifier.ts';
import { headerHmac } from './hmac-provider.ts';

/** Options of {@link zoom}. */
export interface ZoomOptions extends SecretOptions, ToleranceOptions {}

/**
 * Zoom: `x-zm-signature: v0=…`, an HMAC-SHA256 of `v0`, the time and the raw body. Answers `endpoint.url_validation`.
 * Secrets from `ZOOM_WEBHOOK_SECRET_TOKEN`. Zoom names no window and retries for 90 minutes, perhaps without signing
 * anew: 10,800,000 ms both ways. Rule: https://developers.zoom.us/docs/api/webhooks/
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function zoom<Body = unknown>(options: ZoomOptions = {}): Verifier & TypedBody<Body> {
  return headerHmac(
    zoomProvider,
    {
      header: 'x-zm-signature',
      prefix: 'v0=',
      timestamp: { header: 'x-zm-request-timestamp', unit: 's', toleranceMs: toleranceOf(zoomProvider, options) },
      signed: (request, at) => [`v0:${at}:`, request.body],
      extra: ([secret = '']) => ({
        handshake: { unsigned: false, answer: (request) => validate(request.body, secret) },
      }),
    },
    options,
  );
}

/** Zoom asks for its token back, and for the token signed; both with the newest secret. */
function validate(body: Uint8Array, secret: string): HandshakeAnswer | null {
  if (body.length > 4096) return null;
  const json = asObject(parseJson(body));
  const plainToken = textOf(asObject(json['payload']), 'plainToken');
  if (json['event'] !== 'endpoint.url_validation' || plainToken === null) return null;
  const encryptedToken = createHmac('sha256', secret).update(plainToken).digest('hex');
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ plainToken, encryptedToken }),
  };
}

export const zoomProvider: Provider = {
  key: 'zoom',
  title: 'Zoom',
  factory: 'zoom',
  variables: { secrets: 'ZOOM_WEBHOOK_SECRET_TOKEN' },
  toleranceMs: 3 * HOUR_MS,
  defaults: {
    type: 'body.event',
    dedupeKey: 'body.event+=:+body.event_ts+=:+body.payload.object.uuid',
    orderKey: 'body.payload.object.uuid',
    deadlineMs: 3000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: 'The URL and every header but the signature’s and the timestamp’s; body and time are covered.',
  page: {
    source: 'https://developers.zoom.us/docs/api/webhooks/',
    setUp:
      'App Marketplace → your app → Feature → Event Subscriptions: enter the URL, copy the secret token, press “Validate”.',
    verified:
      '`x-zm-signature`: `v0=` and the HMAC-SHA256, in hex, of `v0:`, the timestamp header, `:` and the raw body.',
    retries: 'After 5, 30 and 90 minutes; the URL is validated again every 72 hours. Zoom waits 3 s.',
    handshake: 'A signed `endpoint.url_validation` is answered with `plainToken` and its HMAC under the first secret.',
    differs:
      'Zoom fixes no window. Here it is 3 hours, longer than it retries; deduplication recognises what is sent again within it.',
    note: 'Zoom sends no event id; the dedupe key is made of event, time and the uuid of the object, and is absent for events without one.',
  },
  make: (settings) => zoom(settings),
};
