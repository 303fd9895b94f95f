/**
 * The port of a verifier: `(request, now) → verdict` on raw bytes, with what a provider needs around it.
 * Pure: no clock, no store, no parsing before the signature holds. Usable alone, in any JavaScript runtime with
 * WebCrypto-free node:crypto compatibility.
 */
import type { HeaderList } from '../core/event.ts';

/** The request to verify, exactly as it came. */
export interface VerifyRequest {
  readonly method: string;
  /** Path and query as received, or an absolute URL. URL-dependent schemes use their configured public URL instead. */
  readonly url: string;
  /** name, value, name, value… */
  readonly headers: HeaderList;
  readonly body: Uint8Array;
  /** Address of the peer, after trusted proxies. */
  readonly remoteAddress?: string;
}

/** A request before it is signed. */
export type UnsignedRequest = Omit<VerifyRequest, 'remoteAddress'>;

/**
 * Why a request did not verify. `certificate_unavailable` is the one that can pass by itself: it is answered 503, so
 * that the provider tries again. Shown in the rejection log and by `holdfast verify`, never to the sender.
 */
export type RejectReason =
  | 'header_missing'
  | 'header_malformed'
  | 'parameter_missing'
  | 'timestamp_malformed'
  | 'timestamp_too_old'
  | 'timestamp_in_future'
  | 'signature_mismatch'
  | 'token_mismatch'
  | 'credentials_mismatch'
  | 'address_not_allowed'
  | 'body_malformed'
  | 'body_hash_mismatch'
  | 'certificate_refused'
  | 'certificate_unavailable'
  | 'topic_not_allowed'
  | 'url_not_configured';

export type Verdict =
  | { readonly ok: true }
  /** `detail` names header, step or bound; it never holds a secret or an expected signature. */
  | { readonly ok: false; readonly reason: RejectReason; readonly detail?: string };

/** An answer that is given instead of accepting an event (handshakes), or after accepting one. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** The answer to a handshake; `forward` also accepts the request as an event. */
export type HandshakeAnswer = HttpAnswer & { readonly forward?: boolean };

/**
 * Where a value is read from, after verification: `header.x-topic`, `body.data.id` (JSON path with dots and [n]),
 * `form.MessageSid`, `query.id`, a fixed text `=text`, several joined by `+`, or a function. Where any of several joined
 * is missing there is no value: a key made of half its parts would name too much.
 */
export type Reader = string | ((input: ReadInput) => string | null | undefined);

export interface ReadInput {
  readonly headers: HeaderList;
  readonly query: string;
  readonly body: Uint8Array;
  /** The parsed JSON body, of this element where the source splits; `undefined` when it is not JSON. */
  readonly json: unknown;
  /** The parsed form, when the content type says so; else `undefined`. */
  readonly form: URLSearchParams | undefined;
}

/** What a provider brings besides its signature. A source's own settings win over each. */
export interface SourceDefaults {
  readonly type?: Reader;
  readonly dedupeKey?: Reader;
  readonly orderKey?: Reader;
  readonly tenant?: Reader;
  /** Path to the array whose elements become events: `body`, `body.value`. */
  readonly split?: string;
  readonly answer?: HttpAnswer;
  /** The provider gives up after this; the default deadline of `sync`. */
  readonly deadlineMs?: number;
  readonly dedupeWindowMs?: number;
  /** Methods besides POST that carry events or handshakes. */
  readonly methods?: readonly string[];
  /** The answer to a request that does not verify, where the provider demands a particular one. */
  readonly rejectAnswer?: HttpAnswer;
  /**
   * The status of a refusal that a later try may not meet (rate, overload), where the provider gives up at the usual
   * 429: SendGrid Inbound Parse drops the mail at any 4xx.
   */
  readonly retryLaterStatus?: number;
}

/**
 * Carries the type of a source's body from its verifier to its handlers: `stripe<Stripe.Event>()`. There is nothing of
 * it at run time, and nothing is checked: give the source a schema for that.
 */
export interface TypedBody<Body> {
  readonly __body?: Body;
}

/**
 * One comparison that a verdict rests on, for explanations. Neither a secret is in it nor the signature that would have
 * been right.
 */
export interface Proof {
  /** `HMAC-SHA256`, `Ed25519`, … */
  readonly algorithm: string;
  /** How its signatures are written: `64 characters of lower-case hex`. */
  readonly form: string;
  /** How many secrets or keys it was tried with. */
  readonly keys: number;
  /** The signatures of the request that were compared, as they came. */
  readonly signatures: readonly string[];
  /** What they must have been made over, in order; text is taken as UTF-8. */
  readonly parts: readonly (string | Uint8Array)[];
  /** Whether any of the signatures holds with any of the keys. */
  readonly held: boolean;
}

/** Is told each comparison of a verification as it is made. */
export type Witness = (proof: Proof) => void;

/** How a verifier reaches what is not in the request. Default: `node:https`, without redirects, 5 s, 64 KiB. */
export interface Outside {
  /** The text behind an https URL whose host has been checked. @throws Error when it could not be had */
  fetchText(url: string): Promise<string>;
}

export interface Verifier {
  /** Scheme or provider, as shown in the API: `hmac`, `stripe`, `none`. */
  readonly name: string;
  /** Whether anything is proved at all; only `none()` says `false`, and is shown as such. */
  readonly proves: boolean;
  /** Lower-case names of headers that *are* credentials: stored redacted and never forwarded. */
  readonly credentialHeaders: readonly string[];
  /** Names of query parameters that *are* credentials: stored redacted and never forwarded. */
  readonly credentialParameters?: readonly string[];
  /**
   * Whether a credential may follow the source's path as one more segment, `/in/bot/TOKEN`: the source is found without
   * it, and it is stored redacted and never forwarded. Default `false`.
   */
  readonly credentialInPath?: boolean;
  readonly defaults: SourceDefaults;
  /** What a valid signature leaves open, in one sentence; `undefined` where body and time are both covered. */
  readonly notProtected?: string;
  /**
   * The verdict on a request at a time (milliseconds since 1970).
   *
   * @param witness is told what was compared; to explain a verdict, not to reach it
   */
  verify(request: VerifyRequest, now: number, witness?: Witness): Verdict | Promise<Verdict>;
  /**
   * The answer to a handshake, or `null` when the request is an ordinary event. Runs before `verify` when
   * `unsigned`, else after it held. `forward` also accepts the request as an event.
   */
  readonly handshake?: {
    readonly unsigned: boolean;
    answer(request: VerifyRequest, now: number): HandshakeAnswer | null | Promise<HandshakeAnswer | null>;
  };
  /**
   * Present while a secret still names an environment variable, and where something is fetched: gives the verifier with
   * its secrets read, that fetches by `outside`. The gateway calls it at start; until then `verify` throws if a secret
   * is missing.
   * @throws HoldfastError secret_missing, naming the variable and the source's setting
   */
  bind?(environment: (name: string) => string | undefined, outside?: Outside): Verifier;
  /** Signs a request as the provider would, for `simulate` and tests: headers to add. Absent where it cannot be. */
  sign?(request: UnsignedRequest, now: number): Promise<HeaderList> | HeaderList;
  /**
   * Where a signature or token is part of the URL or the body: the request with it in place. Comes before `sign`;
   * `signRequest` calls both.
   */
  embed?(request: UnsignedRequest, now: number): UnsignedRequest;
}

/**
 * A secret, or where it comes from. Text is the secret itself; `secret('NAME')` reads an environment variable at
 * start (comma-separated while rotating). Empty or missing refuses to start and names the setting.
 */
export type SecretSource = string | readonly string[] | SecretReference;

/** Made by `secret('NAME')`; resolved by the config when the gateway starts. */
export interface SecretReference {
  readonly kind: 'secret';
  readonly env: string;
  /** A missing variable means "none" instead of an error. */
  readonly optional?: boolean;
}
