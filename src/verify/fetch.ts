/**
 * The one way out of a verifier: a GET over https to a host that was checked before, without redirects, with a
 * deadline and a bound on the answer.
 */
import { Buffer } from 'node:buffer';
import type { RequestOptions } from 'node:https';

const TIMEOUT_MS = 5000;
const BYTES_MAX = 64 * 1024;

/**
 * The text behind an https URL.
 *
 * @param options of `node:https`, for tests: a local server has a certificate authority of its own
 * @throws Error when the answer is not 200, is larger than 64 KiB, or takes longer than 5 s
 */
export async function fetchText(url: string, options: RequestOptions = {}): Promise<string> {
  // Loaded when it is needed: most programs that verify never fetch, and some run where there is no node:https.
  const { get } = await import('node:https');
  const settings = { signal: AbortSignal.timeout(TIMEOUT_MS), headers: { accept: '*/*' }, ...options };
  return new Promise((resolve, reject) => {
    const request = get(url, settings, (response) => {
      if (response.statusCode !== 200) {
        response.destroy();
        reject(new Error(`answered ${response.statusCode ?? 'nothing'}`));
        return;
      }
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > BYTES_MAX) response.destroy(new Error(`answered more than ${BYTES_MAX} bytes`));
        else chunks.push(chunk);
      });
      response.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}
