/**
 * Making a request that verifies, as the provider would send it: for `simulate`, tests and load.
 */
import { HoldfastError } from '../errors.ts';
import type { UnsignedRequest, Verifier } from './verifier.ts';

/**
 * The request as the provider would send it: with its signature or token in headers, URL and body. The body is taken
 * as it is, and changed only where the provider writes its signature into it.
 *
 * @param now milliseconds since 1970, for schemes that sign the time
 * @throws HoldfastError `config_invalid` when the verifier cannot sign: it knows public keys only
 */
export async function signRequest(verifier: Verifier, request: UnsignedRequest, now: number): Promise<UnsignedRequest> {
  if (verifier.sign === undefined) {
    throw new HoldfastError('config_invalid', { detail: `${verifier.name} cannot sign: it has no private key.` });
  }
  const whole = verifier.embed?.(request, now) ?? request;
  const headers = await verifier.sign(whole, now);
  return { ...whole, headers: [...whole.headers, ...headers] };
}
