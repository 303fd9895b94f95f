/** Postmark. */
import { asObject, textOf } from '../json.ts';
import { providerVerifier, WEEK_MS } from '../provider.ts';
import type { Provider } from '../provider.ts';
import { credentialText, NOTHING_SIGNED, openBasic } from '../tokens.ts';
import type { BasicOptions } from '../tokens.ts';
import type { ReadInput, TypedBody, Verifier } from '../verifier.ts';

/** Options of {@link postmark}. */
export interface PostmarkOptions {
  /** User and password entered in the URL. Default: `POSTMARK_WEBHOOK_CREDENTIALS`, written `user:password`. */
  readonly credentials?: BasicOptions['credentials'];
}

/**
 * Postmark: basic authentication in the URL; nothing is signed. Credentials from `POSTMARK_WEBHOOK_CREDENTIALS`.
 * Rule: https://postmarkapp.com/developer/webhooks/webhooks-overview
 *
 * @throws HoldfastError `secret_missing` when there are no credentials, or they have no colon
 */
export function postmark<Body = unknown>(options: PostmarkOptions = {}): Verifier & TypedBody<Body> {
  const { credentials } = options;
  return providerVerifier(postmarkProvider, {
    settings: ['credentials'],
    given: { credentials: credentials === undefined ? undefined : credentialText(credentials) },
    open: ({ credentials: pairs }) => openBasic(pairs),
  });
}

/** One message has several records: an open, a click, a bounce; bounces and the like have an id of their own. */
function readDedupeKey({ json }: ReadInput): string | null {
  const record = asObject(json);
  const message = textOf(record, 'MessageID');
  const type = textOf(record, 'RecordType');
  if (message === null || type === null) return null;
  const { ID: id } = record;
  const at = textOf(record, 'ReceivedAt') ?? textOf(record, 'DeliveredAt') ?? textOf(record, 'ChangedAt') ?? '';
  return `${message}:${type}:${typeof id === 'number' ? id : at}`;
}

export const postmarkProvider: Provider = {
  key: 'postmark',
  title: 'Postmark',
  factory: 'postmark',
  variables: { credentials: 'POSTMARK_WEBHOOK_CREDENTIALS' },
  credentialHeaders: ['authorization'],
  defaults: {
    type: 'body.RecordType',
    dedupeKey: readDedupeKey,
    orderKey: 'body.MessageID',
    deadlineMs: 10_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: NOTHING_SIGNED,
  page: {
    source: 'https://postmarkapp.com/developer/webhooks/webhooks-overview',
    setUp: 'Message stream → Webhooks → Add webhook: enter the URL and basic auth credentials.',
    verified: '`Authorization: Basic`: user and password, in UTF-8; nothing is signed.',
    retries: 'After 1 min up to 6 h, ten times and more by kind; 403 ends it.',
    keys: { dedupeKey: '`MessageID`, `RecordType`, and the record’s `ID` or time' },
  },
  make: (settings) => postmark(settings),
};
