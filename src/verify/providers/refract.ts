/** Order bots that post Discord-shaped messages: Refract and its like. */
import { HoldfastError } from '../../errors.ts';
import { canonicalJson, asArray, asObject, digestOf, textOf } from '../json.ts';
import { providerVerifier, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import { credentialText, NOTHING_SIGNED, openBasic, openHeaderToken, openQueryToken } from '../tokens.ts';
import type { BasicOptions } from '../tokens.ts';
import type { ReadInput, TypedBody, Verifier } from '../verifier.ts';

/** Options of {@link refract}; one of `parameter`, `header` and `credentials`. */
export interface RefractOptions extends SecretOptions {
  /** Query parameter with the token. Default `token`, where neither `header` nor `credentials` is set. */
  readonly parameter?: string;
  /** Header with the token instead. */
  readonly header?: string;
  /** Basic credentials instead of a token. */
  readonly credentials?: BasicOptions['credentials'];
}

/**
 * A bot that posts messages shaped like Discord's (`username`, `content`, `embeds`) to any webhook URL. It signs
 * nothing, so put a token into the URL (`?token=…`), a header, or basic credentials. The token from
 * `REFRACT_WEBHOOK_TOKEN`. There is no public documentation of these bots; the shape is Discord's
 * (https://docs.discord.com/developers/resources/webhook#execute-webhook).
 *
 * @throws HoldfastError `secret_missing` without token or credentials, `config_invalid` with more than one kind
 */
export function refract<Body = unknown>(options: RefractOptions = {}): Verifier & TypedBody<Body> {
  const { parameter, header, credentials } = options;
  if ([parameter, header, credentials].filter((way) => way !== undefined).length > 1) {
    throw new HoldfastError('config_invalid', { detail: 'refract takes one of parameter, header and credentials.' });
  }
  if (credentials !== undefined) {
    return providerVerifier(
      { ...refractProvider, credentialHeaders: ['authorization'], credentialParameters: [] },
      {
        settings: ['credentials'],
        given: { credentials: credentialText(credentials) },
        open: ({ credentials: pairs }) => openBasic(pairs),
      },
    );
  }
  const hidden =
    header === undefined
      ? { credentialParameters: [parameter ?? 'token'] }
      : { credentialHeaders: [header.toLowerCase()], credentialParameters: [] };
  return providerVerifier(
    { ...refractProvider, ...hidden },
    {
      settings: ['secrets'],
      given: { secrets: options.secrets },
      open: ({ secrets }) =>
        header === undefined ? openQueryToken(parameter ?? 'token', secrets) : openHeaderToken(header, secrets),
    },
  );
}

function readType({ json }: ReadInput): string | null {
  return textOf(asObject(asArray(asObject(json)['embeds'])[0]), 'title');
}

/** There is no id: what the message says, the embed's time with it, is its identity. */
function readDedupeKey({ json }: ReadInput): string | null {
  const { content, embeds } = asObject(json);
  return content === undefined && embeds === undefined ? null : digestOf(canonicalJson({ content, embeds }));
}

export const refractProvider: Provider = {
  key: 'refract-discord-embed',
  title: 'Refract and other Discord-shaped bots',
  factory: 'refract',
  variables: { secrets: 'REFRACT_WEBHOOK_TOKEN' },
  credentialParameters: ['token'],
  defaults: {
    type: readType,
    dedupeKey: readDedupeKey,
    answer: { status: 204 },
    deadlineMs: 5000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: NOTHING_SIGNED,
  page: {
    source: 'https://docs.discord.com/developers/resources/webhook#execute-webhook',
    setUp:
      'Enter the URL with a token of at least 24 random bytes, `…/in/refract?token=…`, where the bot asks for a Discord webhook. Add `ipAllowList` where its addresses are known.',
    verified:
      'The token in the query, once; or a header or basic credentials where the bot can send them. Nothing is signed.',
    retries: 'Not documented. The answer is 204, as Discord’s own; 429 with `Retry-After` may be honoured.',
    keys: {
      type: 'the title of the first embed',
      dedupeKey: 'SHA-256 of `content` and `embeds`, whatever the order of their fields',
    },
    differs: 'A token that is sent twice in one query is refused, whichever of the two is right.',
  },
  make: (settings) => refract(settings),
};
