import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { HoldfastError } from '../../errors.ts';
import { notEmbedded } from '../finding.ts';
import { confirm } from '../confirm.ts';
import { defineCommand, gatewayOptions, jsonOption } from '../command.ts';
import { restoreStore } from '../copies.ts';
import { findSetup, runningGateway, type Setup } from '../locate.ts';

export const restore = defineCommand({
  name: 'restore',
  summary: 'Puts a backup in the place of the store of a stopped gateway; what was there is moved aside.',
  details:
    'The gateway is then where it was at the time of the backup: events accepted since are not in it, and deliveries that were open then are attempted again, with the same event ids.',
  positionals: [{ name: 'FILE', about: 'A file that `holdfast backup` made.' }],
  options: {
    yes: { type: 'flag', short: 'y', about: 'Does not ask.' },
    config: gatewayOptions.config,
    json: jsonOption,
  },
  examples: ['holdfast restore backups/monday.db'],
  async run(invocation) {
    const { options, positionals, out, cwd } = invocation;
    const setup = await findSetup(invocation, options.config);
    const from = resolve(cwd, positionals[0] ?? '');
    const { storePath: to } = setup;
    if (to === null) throw notEmbedded(setup.settings.store);
    if (!existsSync(from)) throw new HoldfastError('invalid_input', { detail: `There is no file ${from}.` });
    refuseOwned(to);
    await confirm(invocation, `Put ${from} in the place of ${to}?`);
    const aside = await restoreStore({ from, to, check: (copy) => tryOpen(setup, copy), now: Date.now() });
    if (options.json) out.json({ store: to, from, before: aside });
    else out.line(`${to} is ${from} now.${aside === null ? '' : ` What was there is ${aside}.`}`);
    return 0;
  },
});

/** Before anything is asked. What nobody runs may be opened until the swap begins, and is told then. */
function refuseOwned(path: string): void {
  const running = runningGateway(path);
  if (running !== null) throw new HoldfastError('store_owned', { detail: `${path}: the gateway ${running.pid}.` });
}

/** Opens a file as the gateway would, and closes it. */
async function tryOpen({ settings, directory }: Setup, path: string): Promise<void> {
  const { openStore } = await import('../offline.ts');
  const { store } = await openStore({ ...settings, store: `sqlite:${path}` }, directory);
  await store.work.close();
}
