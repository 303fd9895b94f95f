/** Order bots that post Discord-shaped messages: Refract and its like. */
import { HoldfastError } from '../../errors.ts';
import { canonicalJson, asArray, asObject, digestOf, textOf } from '../json.ts';
import { providerVerifier, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import {
  credentialText,
  NOTHING_SIGNED,
  openBasic,
  openHeaderToken,
  openPathToken,
  openQueryToken,
} from '../tokens.ts';
import type { BasicOptions } from '../tokens.ts';
import type { SyncOpened } from '../secret.ts';
import type { ReadInput, TypedBody, Verifier } from '../verifier.ts';

/** Options of {@link refract}; one of `parameter`, `header`, `path` and `credentials`. */
export interface RefractOptions extends SecretOptions {
  /** Query parameter with the token. Default `token`, where none of the others is set. */
  readonly parameter?: string;
  /** Header with the token instead. */
  readonly header?: string;
  /** The token as one more segment of the path, as in the URL of a Discord webhook: `…/in/refract/TOKEN`. */
  readonly path?: true;
  /** Basic credentials instead of a token. */
  readonly credentials?: BasicOptions['credentials'];
}

/**
 * A bot that posts messages shaped like Discord's (`username`, `content`, `embeds`) to any webhook URL. It signs
 * nothing, so put a token into the URL (`?token=…`, or its path), a header, or basic credentials. The token from
 * `REFRACT_WEBHOOK_TOKEN`. There is no public documentation of these bots; the shape is Discord's
 * (https://docs.discord.com/developers/resources/webhook#execute-webhook).
 *
 * @throws HoldfastError `secret_missing` without token or credentials, `config_invalid` with more than one kind
 */
export function refract<Body = unknown>(options: RefractOptions = {}): Verifier & TypedBody<Body> {
  const { parameter, header, path, credentials } = options;
  if ([parameter, header, path, credentials].filter((way) => way !== undefined).length > 1) {
    throw new HoldfastError('config_invalid', {
      detail: 'refract takes one of parameter, header, path and credentials; join two with anyOf().',
    });
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
  const { hidden, open } = tokenWay(options);
  return providerVerifier(
    { ...refractProvider, credentialParameters: [], ...hidden },
    { settings: ['secrets'], given: { secrets: options.secrets }, open: ({ secrets }) => open(secrets) },
  );
}

/** Where the token is: what is not to be stored, and who compares it. */
function tokenWay({ parameter = 'token', header, path }: RefractOptions): {
  readonly hidden: Pick<Provider, 'credentialHeaders' | 'credentialParameters' | 'credentialInPath'>;
  readonly open: (tokens: readonly string[]) => SyncOpened;
} {
  if (header !== undefined) {
    return {
      hidden: { credentialHeaders: [header.toLowerCase()] },
      open: (tokens) => openHeaderToken(header, tokens),
    };
  }
  if (path === true) return { hidden: { credentialInPath: true }, open: openPathToken };
  return { hidden: { credentialParameters: [parameter] }, open: (tokens) => openQueryToken(parameter, tokens) };
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
      'Enter the URL with a token of at least 24 random bytes, `…/in/refract?token=…`, where the bot asks for a Discord webhook; or `…/in/refract/…` with `path: true`, for a bot that cuts off the query. Add `ipAllowList` where its addresses are known.',
    verified: 'The token in the query, once; or in the path, in a header, or as basic credentials. Nothing is signed.',
    retries: 'Not documented. The answer is 204, as Discord’s own; 429 with `Retry-After` may be honoured.',
    keys: {
      type: 'the title of the first embed',
      dedupeKey: 'SHA-256 of `content` and `embeds`, whatever the order of their fields',
    },
    differs: 'A token that is sent twice in one query is refused, whichever of the two is right.',
  },
  make: (settings) => refract(settings),
};
