/** The store on a harness of the conformance suite. For tests. */
import { randomFillSync } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { IdMaker } from '../../core/id.ts';
// oxlint-disable-next-line holdfast/layers -- a harness is for tests; nothing else imports it
import { TestClock } from '../../testing/clock.ts';
// oxlint-disable-next-line holdfast/layers -- a harness is for tests; nothing else imports it
import { poisoned, type StoreHarness } from '../../testing/conformance/harness.ts';
import { ROW_BYTES_MAX } from './append.ts';
import type { Store } from '../store.ts';
import { sqliteStore, type SqliteOptions } from './index.ts';
import { FORMAT } from './schema.ts';

export function idMaker(clock: { now(): number }): IdMaker {
  return new IdMaker({ now: () => clock.now(), fill: (bytes) => void randomFillSync(bytes) });
}

/**
 * Milliseconds of the processor that this process has taken: what work costs, however long the machine had something else
 * to do meanwhile.
 */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** A directory for one test. */
export function scratch(): { readonly path: string; readonly remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-'));
  return { path: join(directory, 'store.db'), remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/** Copies a database with its log, as a crash would leave them. */
export function copyDatabase(from: string, to: string): void {
  for (const suffix of ['', '-wal']) {
    rmSync(to + suffix, { force: true });
    if (existsSync(from + suffix)) cpSync(from + suffix, to + suffix);
  }
}

/** What takes back the step that leads to a format. */
const UNDO: Readonly<Record<number, string>> = {
  3: `DROP INDEX chunk_early; DROP INDEX chunk_unmatched; DROP INDEX page_succeeded; DROP INDEX delivery_put_off;
    DROP INDEX delivery_blocked; DROP INDEX delivery_ended; DROP INDEX delivery_dead; DROP INDEX delivery_resolved;
    DROP INDEX delivery_replayed_at;
    ALTER TABLE chunk DROP COLUMN received_high; ALTER TABLE chunk DROP COLUMN early;
    ALTER TABLE page DROP COLUMN succeeded;
    CREATE INDEX delivery_dead ON delivery (destination, position) WHERE state = 3`,
  2: 'DROP TABLE exchange',
};

/** Leaves a file of this version as a release with an older format would have left it. */
export function asFormat(path: string, format: number): void {
  const database = new DatabaseSync(path);
  for (let undone = FORMAT; undone > format; undone--) database.exec(UNDO[undone] ?? '');
  database.exec(`UPDATE meta SET value = ${format} WHERE key IN ('format', 'oldestReader')`);
  database.close();
}

/** A fresh store in a directory of its own. A crash leaves it as it is and goes on with a copy. */
export async function sqliteHarness(more: Partial<SqliteOptions> = {}): Promise<StoreHarness> {
  const clock = new TestClock();
  const directory = scratch();
  const { path } = directory;
  const stores: Store[] = [];
  const open = async (at: string): Promise<Store> => {
    const store = sqliteStore({ path: at, clock, ids: idMaker(clock), writer: 'inline', synchronous: 'OFF', ...more });
    await store.work.open();
    stores.push(store);
    return store;
  };
  let current = path;
  return {
    clock,
    capabilities: {
      embedded: true,
      shared: false,
      durableTokens: false,
      offers: false,
      transactions: false,
      rowBytesMax: ROW_BYTES_MAX,
    },
    open: () => open(current),
    reopen: async ({ crash }) => {
      if (crash) {
        const next = `${path}-${stores.length}`;
        copyDatabase(current, next);
        current = next;
      } else {
        await stores.at(-1)?.work.close();
      }
      return open(current);
    },
    interrupt: async (batch) => {
      const failed = stores
        .at(-1)
        ?.work.commit(poisoned(batch))
        .then(
          () => false,
          () => true,
        );
      if ((await failed) !== true) throw new Error('The poisoned batch was committed.');
    },
    advance: async (ms) => clock.advanceSlowly(ms),
    dispose: async () => {
      for (const store of stores) await store.work.close();
      directory.remove();
    },
  };
}
