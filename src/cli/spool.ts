/** A spool from the command line: of the gateway that owns it, or the file itself. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { z } from 'zod';
import type { spoolDetailShape } from '../api/spool.ts';
import { HoldfastError } from '../errors.ts';
import type { Gateway } from '../gateway.ts';
import { systemClock } from '../gateway/clock.ts';
import { spoolPath } from '../gateway/spooling.ts';
import { makeSpool } from '../gateway/stores.ts';
import type { SpoolFile } from '../store/spool.ts';
import { Client, httpSend } from './client.ts';
import type { Surroundings } from './command.ts';
import { importFile } from './config-file.ts';
import { type AddressOptions, findAddress, overlay, type Setup } from './locate.ts';
import { setupEnvironment } from './playground.ts';

type Detail = z.output<typeof spoolDetailShape>;

/** What is shown of a spool; `mode` is `null` when no gateway runs on it. */
export interface SpoolDetail extends Omit<Detail, 'mode'> {
  readonly mode: Detail['mode'] | null;
}

const LOOK_MS = 100;
/** How long the store may be away before a drain is given up. */
const AWAY_MS_MAX = 60_000;

/** @throws HoldfastError config_invalid, invalid_input, store_owned, as the admin API */
export async function spoolStatus(
  setup: Setup,
  surroundings: Surroundings,
  options: AddressOptions,
): Promise<SpoolDetail> {
  try {
    return await withFile(setup, (file) => detailOf(file, setup));
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'store_owned') throw error;
    const address = findAddress(setup, surroundings, options);
    if (address === null) throw error;
    return new Client(httpSend(address.adminUrl), address.token).get<Detail>('/api/spool');
  }
}

/**
 * Moves a spool into the store of the config. Ends early at Ctrl-C, or when the store stays away.
 * @throws HoldfastError config_invalid, invalid_input, store_owned, store_unavailable
 */
export async function drainSpool(
  setup: Setup,
  surroundings: Surroundings,
): Promise<SpoolDetail & { readonly moved: number }> {
  // Without the destinations of a config, what is moved would be owed to nobody.
  if (setup.file === null)
    throw new HoldfastError('config_not_found', { detail: 'What events are owed is in the config.' });
  // What the store refused is tried again.
  await withFile(setup, (file) => file.takeBack());
  const gateway = await makeGateway(setup, surroundings);
  const interrupted = surroundings.interruptible();
  await gateway.start();
  try {
    const admin = gateway.admin();
    const client = new Client((path, init) => admin.fetch(new Request(`http://localhost${path}`, init)), {
      text: gateway.adminToken,
      from: 'this process',
    });
    const detail = await drained(client, { surroundings, interrupted });
    return { ...detail, moved: detail.totals.drained };
  } finally {
    await gateway.stop();
  }
}

async function drained(
  client: Client,
  { surroundings, interrupted }: { readonly surroundings: Surroundings; readonly interrupted: AbortSignal },
): Promise<Detail> {
  const progress = surroundings.out.progress();
  let goodAt = performance.now();
  try {
    for (;;) {
      const detail = await client.get<Detail>('/api/spool');
      // Empty is what was taken out of it; `draining` ends when that is counted, too.
      if ((detail.events === 0 && detail.mode !== 'draining') || interrupted.aborted) return detail;
      const now = performance.now();
      if (detail.mode === 'draining') goodAt = now;
      else if (detail.totals.drained === 0 || now - goodAt > AWAY_MS_MAX) {
        throw new HoldfastError('store_unavailable', { detail: `${detail.events} events are left in the spool.` });
      }
      progress.update(() => `${detail.totals.drained} events moved, ${detail.events} left`);
      await new Promise((next) => setTimeout(next, LOOK_MS));
    }
  } finally {
    progress.end();
  }
}

/** A gateway that takes nothing: it listens nowhere. */
async function makeGateway(setup: Setup, surroundings: Surroundings): Promise<Gateway> {
  const { Gateway } = await import('../gateway.ts');
  const { config, directory } = setup;
  const inSetup = setupEnvironment(setup, surroundings.environment);
  const environment = overlay(inSetup, { HOLDFAST_ROLE: 'gateway', HOLDFAST_LOG_LEVEL: 'silent' });
  if (config.handlers !== undefined) await importFile(resolve(directory, config.handlers));
  return new Gateway(config, { directory, environment });
}

async function detailOf(file: SpoolFile, { settings }: Setup): Promise<SpoolDetail> {
  const iso = (ms: number): string => new Date(ms).toISOString();
  const { oldestAt, ...counts } = file.counts();
  const asideRows = (await file.asideRows()).map(({ eventIds, spooledAt, asideAt, ...row }) => {
    return { ...row, eventIds: [...eventIds], spooledAt: iso(spooledAt), asideAt: iso(asideAt) };
  });
  return {
    ...counts,
    mode: null,
    since: null,
    oldestAt: oldestAt === null ? null : iso(oldestAt),
    bytesMax: settings.spoolBytesMax,
    refuses: null,
    totals: { spooled: 0, drained: 0, aliases: 0, differing: 0 },
    asideRows,
  };
}

/** Owns the file meanwhile. */
async function withFile<Answer>(
  { settings, directory }: Setup,
  use: (file: SpoolFile) => Promise<Answer>,
): Promise<Answer> {
  if (settings.spool === null)
    throw new HoldfastError('config_invalid', { detail: 'No spool is set: give one with --spool sqlite:PATH.' });
  const path = spoolPath(settings.spool, directory);
  if (!existsSync(path)) throw new HoldfastError('invalid_input', { detail: `There is no file ${path}.` });
  const file = await makeSpool(path, systemClock);
  await file.open();
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}
