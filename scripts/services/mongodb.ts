/**
 * MongoDB: `mongod` where it is on the PATH, otherwise FerretDB 1 on SQLite files, built from source with Go by
 * scripts/install-tools.sh. The stand-in speaks the same protocol and keeps unique ids; it has no transactions, takes
 * every write concern for granted and decodes most of what it sorts or counts, so it proves what is right and not what is fast.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { onPath, type ServiceKind } from './kind.ts';
import { freePort, Service, started } from './service.ts';

/** As in scripts/install-tools.sh. */
const FERRETDB = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'holdfast', 'ferretdb-1.24.0-1');

export const mongodb: ServiceKind = {
  name: 'mongodb',
  what: 'mongod, or FerretDB in its place',
  command: 'scripts/install-tools.sh (needs Go), or install mongod',
  met: () => onPath('mongod') || existsSync(FERRETDB),
  start: async (directory) => started(await mongodbService(directory)),
};

/** A server with its data in this folder. Its URL names no database. */
export async function mongodbService(directory: string): Promise<Service> {
  const port = await freePort();
  const data = join(directory, 'mongodb');
  mkdirSync(data, { recursive: true });
  const url = `mongodb://127.0.0.1:${port}`;
  const isReal = onPath('mongod');
  return new Service({
    name: 'mongodb',
    command: isReal ? 'mongod' : FERRETDB,
    args: isReal
      ? ['--port', String(port), '--bind_ip', '127.0.0.1', '--dbpath', data, '--quiet']
      : [`127.0.0.1:${port}`, data],
    // The stand-in makes much garbage: collected less often, it takes less of the processor.
    env: { GOGC: '800' },
    url,
    ready: () => pings(url),
  });
}

async function pings(url: string): Promise<boolean> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 1000 });
  try {
    await client.db('admin').command({ ping: 1 });
    return true;
  } finally {
    await client.close();
  }
}
