/** Shopify. */
import { WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import type { TypedBody, Verifier } from '../verifier.ts';
import { headerHmac } from './hmac-provider.ts';

/**
 * Shopify: `X-Shopify-Hmac-Sha256`, an HMAC-SHA256 of the raw body in base64. The secret is the app's client secret,
 * from `SHOPIFY_WEBHOOK_SECRET`. Rule: https://shopify.dev/docs/apps/build/webhooks/verify-deliveries
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function shopify<Body = unknown>(options: SecretOptions = {}): Verifier & TypedBody<Body> {
  return headerHmac(shopifyProvider, { header: 'X-Shopify-Hmac-Sha256', encoding: 'base64' }, options);
}

export const shopifyProvider: Provider = {
  key: 'shopify',
  title: 'Shopify',
  factory: 'shopify',
  variables: { secrets: 'SHOPIFY_WEBHOOK_SECRET' },
  defaults: {
    type: 'header.x-shopify-topic',
    dedupeKey: 'header.x-shopify-webhook-id',
    orderKey: 'header.x-shopify-shop-domain+=:+body.admin_graphql_api_id',
    deadlineMs: 5000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected:
    'The headers, topic, shop and webhook id among them, the URL and the time: a captured request can be sent again under another id.',
  page: {
    source: 'https://shopify.dev/docs/apps/build/webhooks/verify-deliveries',
    setUp:
      'Subscribe in `shopify.app.toml` or by the Admin API. The secret is the client secret of the app; after a rotation, the new one may be used up to an hour later, so keep both.',
    verified:
      '`X-Shopify-Hmac-Sha256`: HMAC-SHA256 of the raw body in base64. Only the standard alphabet with padding is taken.',
    retries:
      '8 times over 4 hours; then a subscription made by the Admin API is deleted. Shopify connects within 1 s and waits 5 s in all.',
    note: 'The webhook id stays the same over retries. The same event sent to several subscriptions has several webhook ids and one `X-Shopify-Event-Id`.',
  },
  make: (settings) => shopify(settings),
};
