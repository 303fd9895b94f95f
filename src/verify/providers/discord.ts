/** Discord: interactions and webhook events. */
import { ed25519Keys } from '../ed25519.ts';
import { asObject, digestOf, parseJson, textOf } from '../json.ts';
import { openHeaderScheme } from '../mac.ts';
import { providerVerifier, toleranceOf, WEEK_MS } from '../provider.ts';
import type { Provider, PublicKeyOptions, ToleranceOptions } from '../provider.ts';
import type { HandshakeAnswer, ReadInput, TypedBody, Verifier } from '../verifier.ts';

/** Options of {@link discord}. */
export interface DiscordOptions extends PublicKeyOptions, ToleranceOptions {}

/**
 * Discord: `X-Signature-Ed25519`, an Ed25519 signature, in hex, of the time and the raw body. Answers the PINGs of
 * interactions and webhook events. The public key is the application's, in hex, from `DISCORD_PUBLIC_KEY`. Discord
 * names no window and retries webhook events for 10 minutes: 600,000 ms both ways.
 * Rule: https://docs.discord.com/developers/interactions/overview
 *
 * @throws HoldfastError `secret_missing` when there is no public key, or it is not 32 bytes
 */
export function discord<Body = unknown>(options: DiscordOptions = {}): Verifier & TypedBody<Body> {
  const form = { keyEncoding: 'hex', signatureEncoding: 'hex' } as const;
  return providerVerifier(discordProvider, {
    settings: ['publicKeys', 'privateKeys'],
    given: { publicKeys: options.publicKeys, privateKeys: options.privateKeys },
    open: ({ publicKeys, privateKeys }) => ({
      ...openHeaderScheme(
        {
          header: 'X-Signature-Ed25519',
          timestamp: { header: 'X-Signature-Timestamp', unit: 's', toleranceMs: toleranceOf(discordProvider, options) },
          signed: (request, at) => [at, request.body],
        },
        ed25519Keys(form, publicKeys, privateKeys),
      ),
      handshake: { unsigned: false, answer: (request) => pong(request.body) },
    }),
  });
}

/** Type 0 is the PING of webhook events; type 1 that of interactions, or an event where there is one in it. */
function pong(body: Uint8Array): HandshakeAnswer | null {
  if (body.length > 65_536) return null;
  const json = asObject(parseJson(body));
  if (json['type'] === 0) return { status: 204 };
  if (json['type'] !== 1 || 'event' in json) return null;
  return { status: 200, headers: { 'content-type': 'application/json' }, body: '{"type":1}' };
}

/** The event's type, or the number of an interaction's. */
function readType({ json }: ReadInput): string | null {
  const body = asObject(json);
  const event = textOf(asObject(body['event']), 'type');
  const type = body['type'];
  return event ?? (typeof type === 'number' ? `interaction.${type}` : null);
}

/** Interactions have an id; of an event the bytes are the identity, since they carry its time. */
function readDedupeKey({ json, body }: ReadInput): string | null {
  const object = asObject(json);
  return 'event' in object ? digestOf(body) : textOf(object, 'id');
}

export const discordProvider: Provider = {
  key: 'discord',
  title: 'Discord',
  factory: 'discord',
  variables: { publicKeys: 'DISCORD_PUBLIC_KEY' },
  toleranceMs: 600_000,
  defaults: {
    type: readType,
    dedupeKey: readDedupeKey,
    answer: { status: 204 },
    deadlineMs: 3000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: 'The URL and every header but the signature’s and the timestamp’s; body and time are covered.',
  page: {
    source: 'https://docs.discord.com/developers/interactions/overview',
    setUp:
      'Developer Portal → your application → General Information: copy the public key; enter the URL as Interactions Endpoint, or under Webhooks.',
    verified: '`X-Signature-Ed25519`: an Ed25519 signature, in hex, of `X-Signature-Timestamp` and the raw body.',
    retries: 'Interactions: none. Webhook events: for up to 10 minutes with growing gaps. Discord waits 3 s.',
    handshake:
      'A signed PING is answered `{"type":1}` (interactions) or 204 (webhook events). Discord also probes with wrong signatures and removes an endpoint that does not answer 401.',
    keys: {
      type: '`body.event.type`; for interactions `interaction.` and the number of the type',
      dedupeKey: '`body.id` of an interaction; for webhook events the SHA-256 of the body',
    },
    differs: 'Discord names no window and its library checks no age. Here it is 10 minutes, as long as it retries.',
    note: 'An interaction must be answered in 3 s with what the user shall see: use `sync`, or set `answer` to `{"type":5}` and reply later through Discord’s API.',
  },
  make: (settings) => discord(settings),
};
