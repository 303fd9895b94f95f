/**
 * What an endpoint says back of the secrets it was sent: servers for testing do, and so do pages about errors. An answer is
 * kept without them, where they come as they were sent.
 */
import { type HeaderList, REDACTED } from '../../core/event.ts';
import type { Answer } from '../egress/egress.ts';

/** Shorter values are in every answer by chance. */
const SECRET_CHARS_MIN = 8;
/** Headers of an endpoint whose values say what an answer may say too. */
const SAID_BY_ALL = /^(?:accept|accept-.*|content-.*|cache-control|user-agent|origin|referer)$/i;
const REDACTED_BYTES = Buffer.from(REDACTED, 'latin1');

/** The values among an endpoint's own headers that an answer must not hold. */
export function secretValues(headers: HeaderList): readonly string[] {
  return headers.filter((_, index) => index % 2 === 1 && !SAID_BY_ALL.test(headers[index - 1] ?? '')).filter(isLong);
}

/** What of an `Authorization` an answer must not hold: the token, or the basic credentials in both forms. */
export function credentialsIn(authorization: string | null): readonly string[] {
  if (authorization === null) return [];
  const [scheme = '', credentials = ''] = authorization.split(' ');
  if (scheme !== 'Basic') return [credentials].filter(isLong);
  const plain = Buffer.from(credentials, 'base64').toString('latin1');
  return [credentials, plain.slice(plain.indexOf(':') + 1)].filter(isLong);
}

/** The answer, with every one of the secrets replaced. The same answer where there is none of them in it. */
export function withoutEchoes(answer: Answer, secrets: readonly string[]): Answer {
  if (secrets.length === 0) return answer;
  const body = redactedBody(answer, secrets);
  const said = answer.headers.some((text) => secrets.some((secret) => text.includes(secret)));
  if (!said && body === answer.body) return answer;
  return { ...answer, headers: answer.headers.map((text) => redactedText(text, secrets)), body };
}

function redactedText(text: string, secrets: readonly string[]): string {
  return secrets.reduce((left, secret) => left.replaceAll(secret, REDACTED), text);
}

function redactedBody({ body, bodyBytes }: Answer, secrets: readonly string[]): Buffer {
  let kept = body;
  for (const secret of secrets) {
    const bytes = Buffer.from(secret, 'latin1');
    for (let at = kept.indexOf(bytes); at >= 0; at = kept.indexOf(bytes, at + REDACTED_BYTES.length)) {
      kept = Buffer.concat([kept.subarray(0, at), REDACTED_BYTES, kept.subarray(at + bytes.length)]);
    }
    // The end of what is kept may have cut one in two.
    if (bodyBytes > body.length) kept = kept.subarray(0, kept.length - startAtEnd(kept, bytes));
  }
  return kept;
}

/** How many bytes at the end are the beginning of the secret. */
function startAtEnd(body: Buffer, secret: Buffer): number {
  for (let length = Math.min(secret.length - 1, body.length); length > 0; length--) {
    if (body.subarray(-length).equals(secret.subarray(0, length))) return length;
  }
  return 0;
}

function isLong(secret: string): boolean {
  return secret.length >= SECRET_CHARS_MIN;
}
