/** Dropbox. */
import { parametersOf } from '../query.ts';
import { BODY_ONLY, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import type { HandshakeAnswer, TypedBody, Verifier, VerifyRequest } from '../verifier.ts';
import { headerHmac } from './hmac-provider.ts';
import { echo } from './echo.ts';

/**
 * Dropbox: `X-Dropbox-Signature`, an HMAC-SHA256 of the raw body. The secret is the app secret, from
 * `DROPBOX_APP_SECRET`. Answers the GET with a `challenge`.
 * Rule: https://www.dropbox.com/developers/reference/webhooks
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function dropbox<Body = unknown>(options: SecretOptions = {}): Verifier & TypedBody<Body> {
  return headerHmac(
    dropboxProvider,
    { header: 'X-Dropbox-Signature', extra: () => ({ handshake: { unsigned: true, answer } }) },
    options,
  );
}

function answer(request: VerifyRequest): HandshakeAnswer | null {
  const challenge = request.method === 'GET' ? parametersOf(request.url).get('challenge') : null;
  return challenge === null ? null : echo(challenge);
}

export const dropboxProvider: Provider = {
  key: 'dropbox',
  title: 'Dropbox',
  factory: 'dropbox',
  variables: { secrets: 'DROPBOX_APP_SECRET' },
  defaults: { type: '=list_folder', methods: ['GET'], deadlineMs: 10_000, dedupeWindowMs: WEEK_MS },
  notProtected: BODY_ONLY,
  page: {
    source: 'https://www.dropbox.com/developers/reference/webhooks',
    setUp: 'App console → your app → Webhooks: enter the URL. The secret is the app secret.',
    verified: '`X-Dropbox-Signature`: HMAC-SHA256 of the raw body in hex.',
    retries: 'With growing gaps where the answer was no 2xx. Dropbox waits 10 s.',
    handshake: 'A GET with `challenge` is answered with it as `text/plain` and `X-Content-Type-Options: nosniff`.',
    note: 'There is no dedupe key: a notification says only whose files changed, so two of them look alike and both count. Ask Dropbox what changed with your cursor.',
  },
  make: (settings) => dropbox(settings),
};
