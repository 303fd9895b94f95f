/** What tests on PostgreSQL need: a server of the file's own, started once and removed at the end. */
import { after, before } from 'node:test';
import {
  POSTGRES_INSTALL,
  postgresPrograms,
  type PostgresService,
  startPostgres,
} from '../scripts/services/postgres.ts';
import { PostgresWorlds } from '../src/store/postgres/harness.ts';
import type { Need } from './require.ts';

export const postgres: Need = {
  what: 'PostgreSQL',
  command: POSTGRES_INSTALL,
  met: () => postgresPrograms() !== null,
};

/** The server of this file and its schema, while tests run. */
export interface PostgresHere {
  readonly server: PostgresService;
  readonly worlds: PostgresWorlds;
}

/** Starts a server before the tests of a file and removes it after them; where there is none, they are skipped. */
export function postgresHere(settings: readonly string[] = []): () => PostgresHere {
  let here: PostgresHere | null = null;
  before(async () => {
    if (!postgres.met()) return;
    const server = await startPostgres(settings);
    here = { server, worlds: await PostgresWorlds.prepare(server.url) };
  });
  after(async () => {
    await here?.worlds.close();
    await here?.server.remove();
  });
  return () => {
    if (here === null) throw new Error('PostgreSQL does not run.');
    return here;
  };
}
