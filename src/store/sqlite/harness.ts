/** The store on a harness of the conformance suite. For tests. */
import { randomFillSync } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IdMaker } from '../../core/id.ts';
// oxlint-disable-next-line holdfast/layers -- a harness is for tests; nothing else imports it
import { TestClock } from '../../testing/clock.ts';
// oxlint-disable-next-line holdfast/layers -- a harness is for tests; nothing else imports it
import { poisoned, type StoreHarness } from '../../testing/conformance/harness.ts';
import type { Store } from '../store.ts';
import { ROW_BYTES_MAX } from './append.ts';
import { sqliteStore, type SqliteOptions } from './index.ts';

export function idMaker(clock: { now(): number }): IdMaker {
  return new IdMaker({ now: () => clock.now(), fill: (bytes) => void randomFillSync(bytes) });
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
    capabilities: { embedded: true, durableTokens: false, rowBytesMax: ROW_BYTES_MAX },
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
