/** PostgreSQL as Debian and Ubuntu bring it: a cluster of its own in a temporary folder, with fsync on. */
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort, Service } from './service.ts';

const BASE = '/usr/lib/postgresql';
const LEFT_MS_MAX = 20_000;
const LOOK_MS = 50;

/** The command that installs it. */
export const POSTGRES_INSTALL = 'sudo scripts/install-tools.sh';

/** The folder of the newest server's programs; `null` when none is installed. */
export function postgresPrograms(): string | null {
  if (!existsSync(BASE)) return null;
  const versions = readdirSync(BASE).toSorted((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(BASE, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb'))) ?? null;
}

/** Root may not run it: then it runs as `postgres`, or as nobody. */
function user(): { readonly uid: number; readonly gid: number } | Record<string, never> {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string, name: string): number => Number(execFileSync('id', [flag, name]).toString());
  try {
    return { uid: id('-u', 'postgres'), gid: id('-g', 'postgres') };
  } catch {
    return { uid: id('-u', 'nobody'), gid: id('-g', 'nobody') };
  }
}

/**
 * A server of one's own; its data goes with {@link PostgresService.remove}. Its role is not named like Holdfast's schema:
 * `"$user"` in `search_path` would put tables of applications there.
 */
export class PostgresService extends Service {
  readonly #directory: string;

  constructor(directory: string, bin: string, { port, settings }: { port: number; settings: readonly string[] }) {
    const url = `postgres://tester@127.0.0.1:${port}/postgres`;
    const given = ['listen_addresses=127.0.0.1', `port=${port}`, 'unix_socket_directories=', 'fsync=on', ...settings];
    super({
      name: 'PostgreSQL',
      command: join(bin, 'postgres'),
      args: ['-D', join(directory, 'data'), ...given.flatMap((setting) => ['-c', setting])],
      ...user(),
      url,
      ready: () => answers(url),
    });
    this.#directory = directory;
  }

  /** Once it was killed, its backends end by themselves, a moment later: until then a new one refuses to start. */
  override async start(): Promise<void> {
    const until = Date.now() + LEFT_MS_MAX;
    for (;;) {
      try {
        return await super.start();
      } catch (error) {
        if (Date.now() > until || !String(error).includes('pre-existing shared memory block')) throw error;
        await setTimeout(LOOK_MS);
      }
    }
  }

  /** Ends it at once and removes its data. */
  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 1000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } finally {
    await client.end();
  }
}

/**
 * Makes a cluster and starts its server. `settings`: as `name=value`, over its defaults.
 * @throws Error when PostgreSQL is not installed or does not start
 */
export async function startPostgres(settings: readonly string[] = []): Promise<PostgresService> {
  const bin = postgresPrograms();
  if (bin === null) throw new Error(`PostgreSQL is not installed: ${POSTGRES_INSTALL}`);
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-postgres-'));
  const owner = user();
  if ('uid' in owner) chownSync(directory, owner.uid, owner.gid);
  execFileSync(
    join(bin, 'initdb'),
    ['-D', join(directory, 'data'), '-U', 'tester', '-A', 'trust', '-E', 'UTF8', '--no-locale'],
    { ...owner, cwd: directory, stdio: 'pipe' },
  );
  const service = new PostgresService(directory, bin, { port: await freePort(), settings });
  await service.start();
  return service;
}
