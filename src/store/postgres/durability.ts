/** What a commit survives, read back from the server's own settings. */
import { HoldfastError } from '../../errors.ts';
import type { StoreReport } from '../store.ts';
import type { Connections } from './connection.ts';

/** The oldest server that is tried. */
const VERSION_MIN = 130_000;

/** Encodings that hold any text. In others one character of one event fails the commit of all that are in it. */
const ENCODINGS: ReadonlySet<string> = new Set(['UTF8', 'SQL_ASCII']);

type Durability = Omit<StoreReport, 'format' | 'lacking' | 'clockAheadMs'>;

/**
 * Asks the server in a transaction like those of commits.
 * @throws HoldfastError config_invalid
 */
export async function durabilityOf(connections: Connections): Promise<Durability> {
  const text = `SELECT current_setting('synchronous_commit') AS synchronous_commit, current_setting('fsync') AS fsync,
      (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit') AS default_synchronous_commit,
      current_setting('full_page_writes') AS full_page_writes, current_setting('server_version') AS server_version,
      current_setting('server_version_num')::integer AS number,
      current_setting('synchronous_standby_names') AS synchronous_standby_names,
      current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby`;
  const [row = {}] = await connections.run([{ text }]);
  const setting = (name: string): string => String(row[name]);
  if (Number(row['number']) < VERSION_MIN) {
    const detail = `PostgreSQL ${setting('server_version')} is too old: 13 or newer is needed.`;
    throw new HoldfastError('config_invalid', { detail });
  }
  if (row['standby'] === true) {
    throw new HoldfastError('config_invalid', {
      detail: 'This server is a standby and takes no writes: connect to the primary.',
    });
  }
  if (!ENCODINGS.has(setting('encoding'))) {
    const detail = `The database has the encoding ${setting('encoding')}, which cannot hold every text: createdb -E UTF8 -T template0.`;
    throw new HoldfastError('config_invalid', { detail });
  }
  const weak = weaknesses(setting);
  const standbys = standbysWaitedFor(setting('synchronous_commit'), setting('synchronous_standby_names'));
  return {
    driver: 'postgres',
    ackMeaning: weak.length > 0 ? weakMeaning(weak) : meaning(setting('synchronous_commit'), standbys),
    durability: weak.length > 0 ? 'process-crash' : 'power-cut',
    copies: 1 + standbys,
    version: setting('server_version'),
    weaker: weak,
    settings: {
      synchronous_commit: setting('synchronous_commit'),
      default_synchronous_commit: setting('default_synchronous_commit'),
      fsync: setting('fsync'),
      full_page_writes: setting('full_page_writes'),
      synchronous_standby_names: setting('synchronous_standby_names'),
    },
    shared: true,
    unclean: false,
  };
}

function weaknesses(setting: (name: string) => string): readonly string[] {
  const weak: string[] = [];
  if (setting('synchronous_commit') === 'off') weak.push('synchronous_commit = off');
  if (setting('fsync') !== 'on') weak.push('fsync = off');
  if (setting('full_page_writes') !== 'on') weak.push('full_page_writes = off');
  return weak;
}

function weakMeaning(weak: readonly string[]): string {
  return `The event is in the memory of the PostgreSQL server: a power cut may lose or damage it (${weak.join(', ')}).`;
}

function meaning(synchronousCommit: string, standbys: number): string {
  const flushed = 'The event is flushed to the disk of the PostgreSQL server';
  if (standbys === 0) return `${flushed}.`;
  const machines = `${standbys} standby${standbys === 1 ? '' : 's'}`;
  return `${flushed} and ${synchronousCommit === 'remote_apply' ? 'applied' : 'flushed'} on ${machines}.`;
}

/** How many standbys have flushed a commit before it is acknowledged: `FIRST 2 (a, b, c)`, `ANY 1 (…)`, or a list. */
function standbysWaitedFor(synchronousCommit: string, names: string): number {
  if (names.trim() === '' || !(synchronousCommit === 'on' || synchronousCommit === 'remote_apply')) return 0;
  const counted = /^\s*(?:FIRST|ANY)?\s*(\d+)\s*\(/i.exec(names);
  return counted === null ? 1 : Number(counted[1]);
}
