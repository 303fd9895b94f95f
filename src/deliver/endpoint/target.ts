/**
 * What an endpoint is to the sender: data only, with its secrets in plain text, as the registry hands it over for one
 * attempt. As long as nothing has changed, hand over the same object: what is made ready from it is kept with it.
 */
import type { HeaderList } from '../../core/event.ts';
import type { EncodedSecrets, HmacAlgorithm } from './signing.ts';
import type { TlsIdentity } from '../egress/egress.ts';
import type { HandlerEvent } from '../handler-event.ts';

/** One endpoint. */
export interface EndpointTarget {
  /** `ep_…`, or the name of an endpoint of the config. */
  readonly id: string;
  readonly url: string;
  /** Default `POST`; `original`: the one the event came with. */
  readonly method?: 'POST' | 'original' | undefined;
  /**
   * `true`: the headers go out as they came in, byte for byte, so that the receiver can verify the provider's own
   * signature; without those of the connection, those that held credentials, and those that the endpoint sets itself.
   * `false`: only the event's content type goes out.
   */
  readonly forward: boolean;
  /** The endpoint's own headers: name, value, name, value…. Their values count as secret. Default none. */
  readonly headers?: HeaderList | undefined;
  /** How Holdfast signs what it sends. */
  readonly signing: Signing;
  /** How Holdfast shows who it is. Default `null`: not at all. */
  readonly auth?: Auth | null | undefined;
  /** Client certificate (mTLS) and trusted authorities. Default `null`. */
  readonly tls?: TlsIdentity | null | undefined;
  /** What statuses mean. Default: 2xx success, 410 gone, everything else another attempt. */
  readonly statusRules?: StatusRules | undefined;
  /** Longest delay a `Retry-After` can ask for, in milliseconds. Default 24 hours. */
  readonly retryAfterMaxMs?: number | undefined;
  /** Most bytes of an answer's body that are read; 16 KiB are kept. Default 64 KiB. */
  readonly responseBytesMax?: number | undefined;
  /** Makes another body of the event, or leaves it out. For endpoints of the config. */
  readonly transform?: Transform | undefined;
}

/** How Holdfast signs. The newest secret comes first; the older ones are those that still hold while rotating. */
export type Signing = StandardSigning | HmacSigning | { readonly kind: 'none' };

/** As Standard Webhooks says: id, time and body are signed, with every secret and key. */
export interface StandardSigning {
  readonly kind: 'standard';
  /** For `v1`: `whsec_` and base64 of 24 to 64 bytes. */
  readonly secrets: readonly string[];
  /** For `v1a`: `whsk_` and base64 of an Ed25519 seed. Default none. */
  readonly privateKeys?: readonly string[] | undefined;
  /** What the names of the three headers begin with. Default `webhook-`. */
  readonly headerPrefix?: string | undefined;
  /** Instead, where a forwarded request has headers of these names already. Default `holdfast-webhook-`. */
  readonly forwardedPrefix?: string | undefined;
}

/** As many providers do it: a header with an HMAC of the body, perhaps with a time. Only the newest secret signs. */
export interface HmacSigning {
  readonly kind: 'hmac';
  readonly secrets: readonly string[];
  /** Header with the signature: `X-Hub-Signature-256`. */
  readonly header: string;
  /** Text before the signature: `sha256=`. Default none. */
  readonly prefix?: string | undefined;
  /** Default `sha256`. */
  readonly algorithm?: HmacAlgorithm | undefined;
  /** Default lower-case `hex`. */
  readonly encoding?: 'hex' | 'base64' | undefined;
  /** How the key is written in the setting. Default `utf8`: the text itself is the key. */
  readonly secretEncoding?: EncodedSecrets | undefined;
  /** A header with the time of the attempt (seconds since 1970), signed before the body. Default none. */
  readonly timestamp?:
    | { readonly header: string; /** Between time and body. Default `.`. */ readonly joiner?: string }
    | undefined;
}

/** How Holdfast shows who it is. */
export type Auth =
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | OAuth2Auth;

/** An access token by client credentials (RFC 6749, section 4.4), kept until it expires or a 401 says that it did. */
export interface OAuth2Auth {
  readonly kind: 'oauth2';
  /** Looked at by the egress guard like the endpoint itself. */
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope?: string | undefined;
  /** Sent as the parameter `audience`, which some servers ask for. */
  readonly audience?: string | undefined;
  /** Where the client's credentials go: in the `Authorization` header (default), or in the body. */
  readonly clientAuth?: 'basic' | 'body' | undefined;
}

/** Statuses by what they mean: `'404'`, `'5xx'`, `'400-499'`. The first of the three lists that names one decides. */
export interface StatusRules {
  readonly success?: readonly string[] | undefined;
  /** A dead letter at once. */
  readonly fail?: readonly string[] | undefined;
  readonly retry?: readonly string[] | undefined;
}

/** What a transform makes of an event; `null`: nothing is to be sent, the delivery is skipped. */
export type Transform = (event: HandlerEvent) => Transformed | null | Promise<Transformed | null>;

/** What is sent instead. */
export interface Transformed {
  /** Bytes and text are sent as they are, anything else as JSON. */
  readonly body: unknown;
  /** Besides the others; those of the same name are replaced. `authorization` and those of the signature are refused. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}
