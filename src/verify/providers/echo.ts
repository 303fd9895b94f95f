/** The answer to a handshake that wants its own words back. */
import type { HandshakeAnswer } from '../verifier.ts';

/** The text, as text: what a stranger put into a URL must never become a page in somebody's browser. */
export function echo(text: string): HandshakeAnswer {
  return {
    status: 200,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
    body: text,
  };
}
