/**
 * Something that speaks as Amazon SQS does: the server of moto (https://docs.getmoto.org), of PyPI, in a virtual
 * environment below the user's cache folder. It keeps everything in memory: what is stopped has forgotten.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { answers, type ServiceKind } from './kind.ts';
import { freePort, Service, started } from './service.ts';

/** As in scripts/install-tools.sh. */
const MOTO_VERSION = '5.2.1';

function installed(...path: readonly string[]): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  return join(cache, 'holdfast', `moto-${MOTO_VERSION}`, ...path);
}

export const sqs: ServiceKind = {
  name: 'sqs',
  what: 'moto_server, which stands in for Amazon SQS',
  command: 'scripts/install-tools.sh',
  met: () => existsSync(installed('whole')),
  start: async () => started(await sqsService()),
};

export async function sqsService(): Promise<Service> {
  const port = await freePort();
  const endpoint = encodeURIComponent(`http://127.0.0.1:${port}`);
  return new Service({
    name: 'sqs',
    command: installed('bin', 'moto_server'),
    args: ['--host', '127.0.0.1', '--port', String(port)],
    url: `sqs://test:test@us-east-1/holdfast?endpoint=${endpoint}`,
    ready: () => answers(port, 'GET /moto-api/ HTTP/1.0\r\n\r\n', '200 OK'),
  });
}
