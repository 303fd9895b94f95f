/** NATS with JetStream, of Debian's package `nats-server`; alone, or three as a cluster. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { answers, onPath, type ServiceKind } from './kind.ts';
import { freePort, Service, started } from './service.ts';

export const nats: ServiceKind = {
  name: 'nats',
  what: 'nats-server',
  command: 'sudo apt-get install nats-server',
  met: () => onPath('nats-server'),
  start: async (directory) => started(await natsService(directory)),
};

/** @param settings More arguments of nats-server. */
export async function natsService(directory: string, settings: readonly string[] = []): Promise<Service> {
  const port = await freePort();
  const args = ['--addr', '127.0.0.1', '--port', String(port), '--jetstream', '--store_dir', directory];
  return new Service({
    name: 'nats',
    command: 'nats-server',
    args: [...args, ...settings],
    url: `nats://127.0.0.1:${port}`,
    ready: () => answers(port, 'CONNECT {"verbose":false}\r\nPING\r\n', 'PONG'),
  });
}

/** Three nodes of one JetStream cluster: streams with three replicas survive the loss of any one. */
export async function natsCluster(directory: string): Promise<readonly Service[]> {
  const ports = [await freePort(), await freePort(), await freePort()];
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`).join(',');
  return Promise.all(
    ports.map((port, index) => {
      const folder = join(directory, `node-${index}`);
      mkdirSync(folder, { recursive: true });
      const cluster = ['--cluster_name', 'holdfast', '--cluster', `nats://127.0.0.1:${port}`, '--routes', routes];
      return natsService(folder, ['--server_name', `node-${index}`, ...cluster]);
    }),
  );
}
