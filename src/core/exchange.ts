/**
 * What an endpoint was sent and answered in one attempt, as it is kept with the attempt. Bounded in every part, and
 * without secrets: whoever makes one leaves them out.
 */
import type { HeaderList } from './event.ts';

export interface Exchange {
  readonly request: {
    readonly method: string;
    /** Without user information. */
    readonly url: string;
    /** As sent; values that are secrets are `REDACTED`. */
    readonly headers: HeaderList;
  };
  /** `null` when there was none, or none that could be read. */
  readonly response: {
    readonly status: number;
    /** As received, at most 8 KiB of them. */
    readonly headers: HeaderList;
    /** The first 16 KiB, in base64: what came need not be text. */
    readonly body: string;
    /** Bytes of the body that were read; reading stops at the limit of the endpoint's responses. */
    readonly bodyBytes: number;
  } | null;
  /** Milliseconds of each step; `null` for one that did not take place (a connection used again, no TLS). */
  readonly times: {
    readonly dnsMs: number | null;
    readonly connectMs: number | null;
    readonly tlsMs: number | null;
    /** From the request's last byte handed over to the response's head. */
    readonly firstByteMs: number | null;
  };
  /** Address and port it went to; `null` when no connection was made. */
  readonly remoteAddress: string | null;
  /** What went wrong, one word of a bounded set (`connect_refused`, `blocked_target`, `status`, …); `null` for nothing. */
  readonly code: string | null;
}
