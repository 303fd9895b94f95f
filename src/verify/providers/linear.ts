/** Linear. */
import { asObject, parseJson, textOf } from '../json.ts';
import { toleranceOf, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions, ToleranceOptions } from '../provider.ts';
import { checkMoment } from '../timestamp.ts';
import { HELD, refuse } from '../verdict.ts';
import type { ReadInput, TypedBody, Verdict, Verifier } from '../verifier.ts';
import { headerHmac } from './hmac-provider.ts';

/** Options of {@link linear}. */
export interface LinearOptions extends SecretOptions, ToleranceOptions {}

/**
 * Linear: `Linear-Signature`, an HMAC-SHA256 of the raw body; the time is `webhookTimestamp` in the signed body, within
 * 60,000 ms both ways. Secrets from `LINEAR_WEBHOOK_SECRET`. Rule: https://linear.app/developers/webhooks
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function linear<Body = unknown>(options: LinearOptions = {}): Verifier & TypedBody<Body> {
  const toleranceMs = toleranceOf(linearProvider, options);
  return headerHmac(
    linearProvider,
    { header: 'Linear-Signature', after: (request, now) => checkBodyTime(request.body, { now, toleranceMs }) },
    options,
  );
}

function checkBodyTime(body: Uint8Array, window: { now: number; toleranceMs: number }): Verdict {
  if (window.toleranceMs === Infinity) return HELD;
  const { webhookTimestamp } = asObject(parseJson(body));
  return Number.isSafeInteger(webhookTimestamp)
    ? checkMoment(Number(webhookTimestamp), window)
    : refuse('timestamp_malformed', 'webhookTimestamp is not a number of milliseconds');
}

/** `Issue.create`. */
function readType({ json }: ReadInput): string | null {
  const body = asObject(json);
  const type = textOf(body, 'type');
  const action = textOf(body, 'action');
  return type === null || action === null ? type : `${type}.${action}`;
}

export const linearProvider: Provider = {
  key: 'linear',
  title: 'Linear',
  factory: 'linear',
  variables: { secrets: 'LINEAR_WEBHOOK_SECRET' },
  toleranceMs: 60_000,
  defaults: {
    type: readType,
    dedupeKey: 'header.linear-delivery',
    orderKey: 'body.data.id',
    deadlineMs: 5000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected:
    'The headers, the delivery id among them, and the URL: within the minute a captured request can be sent again under another delivery id.',
  page: {
    source: 'https://linear.app/developers/webhooks',
    setUp: 'Settings → API → Webhooks → New webhook: enter the URL; the signing secret is `lin_wh_…`.',
    verified:
      '`Linear-Signature`: HMAC-SHA256 of the raw body in hex. The time is `webhookTimestamp` in that body; the header `Linear-Timestamp` is not signed and not read.',
    retries: '3 times: after 1 minute, 1 hour and 6 hours. Linear waits 5 s for a 200.',
    keys: { type: '`body.type` and `body.action` with a dot between: `Issue.create`' },
  },
  make: (settings) => linear(settings),
};
