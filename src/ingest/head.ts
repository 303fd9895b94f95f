/** What the headers of a request say about it, read in one pass, and why it is refused before its body is read. */
import { type HeaderList, headerValue } from '../core/event.ts';
import type { ErrorCode } from '../errors.ts';

/** Why a request is refused by its head. */
export interface HeadProblem {
  readonly code: ErrorCode;
  readonly detail: string;
}

const CHUNKED = 'chunked';

/** The headers that matter to framing and limits. */
export class Head {
  readonly lines: number;
  hosts = 0;
  expect: string | undefined = undefined;
  /** As sent; `-1` where there is none. */
  contentLength = -1;
  transferEncoding: string | undefined = undefined;
  /** Whether the body comes compressed, in however many layers. */
  encoded = false;
  upgrade: string | undefined = undefined;
  doubled: string | undefined = undefined;

  readonly #headers: HeaderList;

  constructor(headers: HeaderList) {
    this.#headers = headers;
    this.lines = headers.length >>> 1;
    for (let index = 0; index + 1 < headers.length; index += 2) {
      const name = headers[index] ?? '';
      // Nearly all names are none of these: told by their length alone.
      switch (name.length) {
        case 4:
        case 6:
        case 7:
        case 14:
        case 16:
        case 17:
          this.#note(name.toLowerCase(), headers[index + 1] ?? '');
          break;
        default:
      }
    }
  }

  // Node's server asks a request for `headers.expect` before it hands it over, and may come to ask for these.
  get host(): string | undefined {
    return headerValue(this.#headers, 'host');
  }

  get connection(): string | undefined {
    return headerValue(this.#headers, 'connection');
  }

  get 'content-length'(): string | undefined {
    return headerValue(this.#headers, 'content-length');
  }

  get 'transfer-encoding'(): string | undefined {
    return headerValue(this.#headers, 'transfer-encoding');
  }

  /** Whether a body follows. */
  get hasBody(): boolean {
    return this.contentLength > 0 || this.transferEncoding !== undefined;
  }

  /** What no adapter takes: too many lines, too large a body, a compressed one. */
  problem(limits: { readonly headerLinesMax: number; readonly bodyBytesMax: number }): HeadProblem | null {
    if (this.lines > limits.headerLinesMax) {
      return { code: 'headers_too_large', detail: `More than ${limits.headerLinesMax} header lines.` };
    }
    if (this.contentLength > limits.bodyBytesMax) return tooLarge(limits.bodyBytesMax);
    if (this.encoded) return { code: 'encoding_not_supported', detail: 'The body has a Content-Encoding.' };
    return null;
  }

  /** What Node accepts by itself and two parsers could read in two ways. */
  framingProblem({ httpVersionMinor }: { readonly httpVersionMinor: number }): HeadProblem | null {
    if (this.hosts !== 1) {
      return {
        code: 'bad_request',
        detail: this.hosts === 0 ? 'There is no Host header.' : 'There are two Host headers.',
      };
    }
    if (this.doubled !== undefined) return { code: 'bad_request', detail: `There are two ${this.doubled} headers.` };
    if (this.transferEncoding !== undefined && this.transferEncoding !== CHUNKED) {
      return { code: 'bad_request', detail: 'Transfer-Encoding is not exactly chunked.' };
    }
    // Its framing is faulty by definition (RFC 9112, 6.1): a proxy of that age passed on what it did not understand.
    if (this.transferEncoding !== undefined && httpVersionMinor === 0) {
      return { code: 'bad_request', detail: 'HTTP/1.0 has no Transfer-Encoding.' };
    }
    // A server may ignore an upgrade (RFC 9110, 7.8). Some HTTP clients offer h2c with every request, and expect just that.
    if (this.upgrade !== undefined && this.upgrade !== 'h2c') {
      return { code: 'bad_request', detail: 'This path takes no protocol upgrade.' };
    }
    return null;
  }

  #note(name: string, value: string): void {
    switch (name) {
      case 'host':
        this.hosts++;
        break;
      case 'expect':
        this.expect = this.expect === undefined ? value : `${this.expect}, ${value}`;
        break;
      case 'upgrade':
        this.upgrade = this.upgrade === undefined ? value.toLowerCase() : `${this.upgrade}, ${value}`;
        break;
      case 'content-length':
        if (this.contentLength >= 0) this.doubled = 'Content-Length';
        this.contentLength = Number(value);
        break;
      case 'content-encoding':
        this.encoded ||= value !== '' && value.toLowerCase() !== 'identity';
        break;
      case 'transfer-encoding':
        if (this.transferEncoding !== undefined) this.doubled = 'Transfer-Encoding';
        this.transferEncoding = value.toLowerCase();
        break;
      default:
    }
  }
}

export function tooLarge(bodyBytesMax: number): HeadProblem {
  return { code: 'body_too_large', detail: `More than ${bodyBytesMax} bytes.` };
}
