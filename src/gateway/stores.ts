/** The one place that picks a store. Drivers load when they are picked, so that their clients are optional. */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Settings } from '../settings.ts';
import type { Clock } from '../core/clock.ts';
import type { IdMaker } from '../core/id.ts';
import { HoldfastError } from '../errors.ts';
import type { SalvageReport, SalvageSink } from '../store/sqlite/salvage.ts';
import type { SpoolFile } from '../store/spool.ts';
import { loadClient } from '../queue/client.ts';
import type { Store } from '../store/store.ts';

const SYNCHRONOUS = new Map([
  ['full', 'FULL'],
  ['normal', 'NORMAL'],
  ['off', 'OFF'],
] as const);

/** @throws HoldfastError config_invalid */
export async function makeStore(
  { store, durability, allowWeakerDurability }: Settings,
  directory: string,
  parts: { readonly clock: Clock; readonly ids: IdMaker },
): Promise<Store> {
  const [scheme, path] = [store.slice(0, store.indexOf(':')), store.slice(store.indexOf(':') + 1)];
  if (scheme === 'memory') {
    const { memoryStore } = await import('../store/memory.ts');
    return memoryStore(parts);
  }
  const isPostgres = scheme === 'postgres' || scheme === 'postgresql';
  if (isPostgres || scheme === 'mongodb' || scheme === 'mongodb+srv') {
    if (durability !== 'full') {
      throw new HoldfastError('config_invalid', {
        detail: `durability: '${durability}' is for sqlite:PATH. How a shared store commits is set at its server; allowWeakerDurability starts on one that is set weaker.`,
      });
    }
    const make = isPostgres ? makePostgresStore : makeMongoStore;
    return make(store, allowWeakerDurability, parts);
  }
  if (scheme !== 'sqlite' || path === '') {
    throw new HoldfastError('config_invalid', {
      detail: `store: expected sqlite:PATH, postgres://…, mongodb://… or memory:, got '${path === '' ? store : `${scheme}:…`}'.`,
    });
  }
  const synchronous = [...SYNCHRONOUS].find(([name]) => name === durability)?.[1];
  if (synchronous === undefined) {
    throw new HoldfastError('config_invalid', {
      detail: `durability: expected full, normal or off, got '${durability}'.`,
    });
  }
  const { sqliteStore } = await import('../store/sqlite/index.ts');
  return sqliteStore({ path: resolve(directory, path), synchronous, ...parts });
}

/** @throws HoldfastError client_missing when `pg` is not installed */
async function makePostgresStore(
  url: string,
  allowWeakerDurability: boolean,
  { clock, ids }: { readonly clock: Clock; readonly ids: IdMaker },
): Promise<Store> {
  const { postgresAddress, postgresStore } = await loadClient('pg', () => import('../store/postgres/index.ts'));
  return postgresStore({
    ...postgresAddress(url),
    clock,
    process: `${hostname()}:${process.pid}:${ids.make('prc')}`,
    synchronousCommit: allowWeakerDurability ? null : 'on',
    allowWeakerDurability,
  });
}

/** @throws HoldfastError client_missing when `mongodb` is not installed */
async function makeMongoStore(
  url: string,
  allowWeakerDurability: boolean,
  { clock, ids }: { readonly clock: Clock; readonly ids: IdMaker },
): Promise<Store> {
  const { mongoStore } = await loadClient('mongodb', () => import('../store/mongodb/index.ts'));
  const owner = `${hostname()}:${process.pid}:${ids.make('prc')}`;
  return mongoStore({ url, clock, ids, owner, allowWeakerDurability });
}

/** The spool at a path; opened by whoever uses it. */
export async function makeSpool(path: string, clock: Clock): Promise<SpoolFile> {
  const { sqliteSpool } = await import('../store/sqlite/spool.ts');
  return sqliteSpool({ path, clock });
}

/** The embedded store at a path, while nobody can open it. */
export interface HeldStore {
  /** Where its file lies, behind links to it. */
  readonly path: string;
  /** Puts the database `staged` in its place, and what was there in `aside`. A crash leaves the one or the other, whole. */
  replace(files: { readonly staged: string; readonly aside: string }): void;
  release(): void;
}

/** Keeps everybody from opening an embedded store. @throws HoldfastError store_owned when a process has it open */
export async function holdStore(named: string): Promise<HeldStore> {
  const { fileBehind, takeOwnership } = await import('../store/sqlite/ownership.ts');
  const { finishSwap, swap } = await import('../store/sqlite/swap.ts');
  const path = fileBehind(named);
  const ownership = takeOwnership(path);
  try {
    finishSwap(path);
  } catch (error) {
    ownership.release();
    throw error;
  }
  return { path, replace: (files) => swap(path, files), release: () => ownership.release() };
}

/**
 * Exports what is intact of a damaged embedded store, which no gateway may own meanwhile.
 * @throws HoldfastError store_corrupt when the file is no database at all
 */
export async function salvageStore(path: string, sink: SalvageSink): Promise<SalvageReport> {
  const { salvage } = await import('../store/sqlite/salvage.ts');
  return salvage(path, sink);
}
