/** Redis, of Debian's package `redis-server`. */
import { answers, onPath, type ServiceKind } from './kind.ts';
import { freePort, Service, started } from './service.ts';

export const redis: ServiceKind = {
  name: 'redis',
  what: 'redis-server',
  command: 'sudo apt-get install redis-server',
  met: () => onPath('redis-server'),
  start: async (directory) => started(await redisService(directory)),
};

/** @param settings More of redis.conf, after what keeps every write in a log that is flushed each second. */
export async function redisService(directory: string, settings: readonly string[] = []): Promise<Service> {
  const port = await freePort();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', ''];
  return new Service({
    name: 'redis',
    command: 'redis-server',
    args: [...args, '--appendonly', 'yes', ...settings],
    url: `redis://127.0.0.1:${port}`,
    ready: () => answers(port, 'PING\r\n', '+PONG'),
  });
}
