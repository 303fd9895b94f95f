/**
 * What can go wrong on the way to an endpoint, in one table: the `code` of an `Exchange`, and the first word of the
 * attempt's error. Bounded, so that it can be a label, a filter and a rule.
 */
export const egressCodes = {
  blocked_target: 'the target is not allowed: a special-purpose address, name, port or scheme; nothing was connected',
  dns_not_found: 'the name has no address',
  dns_failed: 'the name servers failed or did not answer in time',
  connect_refused: 'nobody listens at this address and port',
  connect_timeout: 'no connection within the time for connecting',
  connect_reset: 'the connection was closed or reset before there was a whole head of an answer',
  connect_failed: 'no connection for another reason: no route, no free local port, no file descriptor',
  proxy_refused: 'the forward proxy did not open the way',
  tls_invalid: 'TLS failed: certificate, host name, version, or no TLS at all',
  timeout: 'the time of the attempt ended before there was an answer',
  aborted: 'the gateway gave the attempt up: it stops, or the claim was lost',
  request_invalid: 'the request cannot be sent as HTTP/1.1',
  response_invalid: 'what came back is not HTTP/1.1',
  response_too_large: 'the answer is larger than the limit',
  auth_failed: 'no access token could be had',
  status: 'the answer has a status that is not success',
} as const;

/** A code from the table. */
export type EgressCode = keyof typeof egressCodes;

/** Why nothing, or nothing whole, came back. `detail` is for the operator and never holds a secret. */
export class EgressError extends Error {
  override readonly name = 'EgressError';
  readonly code: EgressCode;

  constructor(code: EgressCode, detail: string = egressCodes[code], cause?: unknown) {
    super(detail, { cause });
    this.code = code;
  }
}

/** The same words for every refusal: what lies behind an address must not be told by how it is refused. */
export function blocked(): EgressError {
  return new EgressError('blocked_target', 'the target is not allowed');
}
