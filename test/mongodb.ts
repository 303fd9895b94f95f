/** What tests on MongoDB need: a server of the file's own, started once and removed at the end. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { mongodb, mongodbService } from '../scripts/services/mongodb.ts';
import type { Service } from '../scripts/services/service.ts';
import { MongoWorlds } from '../src/store/mongodb/harness.ts';
import type { Need } from './require.ts';

export const mongo: Need = mongodb;

/** The server of this file and its databases, while tests run. */
export interface MongoHere {
  readonly server: Service;
  readonly worlds: MongoWorlds;
}

/** Starts a server before the tests of a file and removes it after them; where there is none, they are skipped. */
export function mongoHere(): () => MongoHere {
  let here: MongoHere | null = null;
  let directory: string | null = null;
  before(async () => {
    if (!mongo.met()) return;
    directory = mkdtempSync(join(tmpdir(), 'holdfast-mongodb-'));
    const server = await mongodbService(directory);
    await server.start();
    here = { server, worlds: new MongoWorlds(server.url) };
  });
  after(async () => {
    await here?.worlds.close();
    await here?.server.kill();
    if (directory !== null) rmSync(directory, { recursive: true, force: true });
  });
  return () => {
    if (here === null) throw new Error('MongoDB does not run.');
    return here;
  };
}
