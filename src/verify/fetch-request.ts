/**
 * Verifying without a gateway, where requests are those of the Fetch standard: Deno, Bun, edge functions, Next.js.
 */
import type { VerifyRequest } from './verifier.ts';

/**
 * A `Request` in the form verifiers take. Reads its body, which must not have been read before: the bytes are what is
 * signed.
 *
 * @param remoteAddress the peer's address, where the host tells it; only `ipAllowList` needs it
 * @example const verdict = await stripe({ secrets }).verify(await readRequest(request.clone()), Date.now());
 * @throws TypeError when the body has been read already
 */
export async function readRequest(request: Request, remoteAddress?: string): Promise<VerifyRequest> {
  const body = new Uint8Array(await request.arrayBuffer());
  const headers = [...request.headers].flat();
  const read = { method: request.method, url: request.url, headers, body };
  return remoteAddress === undefined ? read : { ...read, remoteAddress };
}
