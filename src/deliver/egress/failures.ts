/** From errors of sockets, TLS and the HTTP parser to the codes of the table. */
import { EgressError, type EgressCode } from './codes.ts';

/** What was under way when an error came. */
export type Step = 'connect' | 'tls' | 'exchange';

const BY_CODE: Readonly<Record<string, EgressCode>> = {
  ECONNREFUSED: 'connect_refused',
  ETIMEDOUT: 'connect_timeout',
  ECONNRESET: 'connect_reset',
  EPIPE: 'connect_reset',
  UND_ERR_SOCKET: 'connect_reset',
  UND_ERR_HEADERS_OVERFLOW: 'response_too_large',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'response_invalid',
  UND_ERR_INVALID_ARG: 'request_invalid',
  UND_ERR_NOT_SUPPORTED: 'request_invalid',
};

/** The error of the table for whatever was thrown or emitted during a step. */
export function egressErrorOf(error: unknown, step: Step): EgressError {
  if (error instanceof EgressError) return error;
  const code = codeOf(error);
  const known = code === null ? undefined : BY_CODE[code];
  // What was open has timed out by itself: the other side is gone.
  if (known === 'connect_timeout' && step === 'exchange') return new EgressError('connect_reset', undefined, error);
  if (known !== undefined) return new EgressError(known, undefined, error);
  // A server may refuse a certificate, or the lack of one, after the handshake (RFC 8446, section 4.4.2.4).
  if (step === 'tls' || code?.startsWith('ERR_SSL_') === true)
    return new EgressError('tls_invalid', `TLS failed: ${code ?? 'no reason given'}`, error);
  if (step === 'connect')
    return new EgressError('connect_failed', `no connection: ${code ?? 'no reason given'}`, error);
  // What is left are the parser's own codes: HPE_…
  return new EgressError('response_invalid', undefined, error);
}

/** For `catch` of a promise of this step. */
export function failedTo(step: Step): (error: unknown) => never {
  return (error) => {
    throw egressErrorOf(error, step);
  };
}

/** The code of an error, or of the first of several addresses that failed. */
function codeOf(error: unknown): string | null {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  const { code, name } = error as { code?: unknown; name?: unknown };
  if (name === 'HTTPParserError') return null;
  return typeof code === 'string' && /^[A-Z\d_]{1,64}$/.test(code) ? code : null;
}
