/** What tests on MongoDB need: a server of the file's own, started once and removed at the end. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { mongodb, mongodbService } from '../scripts/services/mongodb.ts';
import type { Service } from '../scripts/services/service.ts';
import type { Need } from './require.ts';

export const mongo: Need = mongodb;

/** Starts a server before the tests of a file and removes it after them; where there is none, they are skipped. */
export function mongoHere(): () => Service {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-mongodb-'));
  let server: Service | null = null;
  before(async () => {
    if (!mongo.met()) return;
    server = await mongodbService(directory);
    await server.start();
  });
  after(async () => {
    await server?.kill();
    rmSync(directory, { recursive: true, force: true });
  });
  return () => {
    if (server === null) throw new Error('MongoDB does not run.');
    return server;
  };
}
