/** Slack: Events API, interactivity and slash commands. */
import { Buffer } from 'node:buffer';
import { asObject, parseJson, textOf } from '../json.ts';
import { toleranceOf, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions, ToleranceOptions } from '../provider.ts';
import { TOLERANCE_MS } from '../timestamp.ts';
import type { ReadInput, TypedBody, Verifier } from '../verifier.ts';
import { headerHmac } from './hmac-provider.ts';

/** Options of {@link slack}. */
export interface SlackOptions extends SecretOptions, ToleranceOptions {}

/**
 * Slack: `X-Slack-Signature: v0=…`, an HMAC-SHA256 of `v0`, the time and the raw body. Answers `url_verification`.
 * The signing secret is from `SLACK_SIGNING_SECRET`; tolerance 300,000 ms both ways.
 * Rule: https://docs.slack.dev/authentication/verifying-requests-from-slack
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function slack<Body = unknown>(options: SlackOptions = {}): Verifier & TypedBody<Body> {
  return headerHmac(
    slackProvider,
    {
      header: 'X-Slack-Signature',
      prefix: 'v0=',
      timestamp: { header: 'X-Slack-Request-Timestamp', unit: 's', toleranceMs: toleranceOf(slackProvider, options) },
      signed: (request, at) => [`v0:${at}:`, request.body],
      extra: () => ({ handshake: { unsigned: false, answer: (request) => challenge(request.body) } }),
    },
    options,
  );
}

function challenge(body: Uint8Array): { status: number; headers: Record<string, string>; body: string } | null {
  // Most events are not this one: parse only what can be.
  if (body.length > 4096) return null;
  const json = asObject(parseJson(body));
  const value = json['type'] === 'url_verification' ? textOf(json, 'challenge') : null;
  if (value === null) return null;
  return { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: value };
}

/** The inner event's type for the Events API, else that of the interaction or the command. */
function readType({ json, form }: ReadInput): string | null {
  if (form !== undefined) {
    const payload = form.get('payload');
    return payload === null ? form.get('command') : textOf(asObject(parseJson(Buffer.from(payload))), 'type');
  }
  const outer = asObject(json);
  return textOf(asObject(outer['event']), 'type') ?? textOf(outer, 'type');
}

export const slackProvider: Provider = {
  key: 'slack',
  title: 'Slack',
  factory: 'slack',
  variables: { secrets: 'SLACK_SIGNING_SECRET' },
  toleranceMs: TOLERANCE_MS,
  defaults: {
    type: readType,
    dedupeKey: 'body.event_id',
    orderKey: 'body.event.channel',
    deadlineMs: 3000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: 'The URL and every header but the signature’s and the timestamp’s; body and time are covered.',
  page: {
    source: 'https://docs.slack.dev/authentication/verifying-requests-from-slack',
    setUp: 'Basic Information → Signing Secret; then Event Subscriptions → Request URL.',
    verified:
      '`X-Slack-Signature`: `v0=` and the HMAC-SHA256, in hex, of `v0:`, the timestamp header, `:` and the raw body.',
    retries: '3 times: at once, after 1 minute, after 5 minutes, with `X-Slack-Retry-Num`. Slack waits 3 s.',
    handshake: 'A signed `url_verification` is answered with its `challenge` as text, and is no event.',
    keys: { type: '`body.event.type`, else `body.type`; for forms the type in `payload`, or the slash command' },
    differs: 'Slack’s library accepts timestamps from the future; here they must lie within the tolerance too.',
    note: 'Interactions and slash commands have no event id: nothing recognises a repeat of them. What is answered is shown to the user, so use `sync` where the answer matters.',
  },
  make: (settings) => slack(settings),
};
