import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { formatBytes } from '../../core/duration.ts';
import { HoldfastError } from '../../errors.ts';
import { notEmbedded } from '../finding.ts';
import { defineCommand, gatewayOptions, jsonOption } from '../command.ts';
import { copyStore } from '../copies.ts';
import { findSetup } from '../locate.ts';

export const backup = defineCommand({
  name: 'backup',
  summary: 'Copies the store to a new file, as one moment had it, and checks the copy; the gateway may run meanwhile.',
  details: 'The copy holds events and what became of them, not the admin token, rejections or secrets.',
  positionals: [{ name: 'FILE', about: 'The new file; one that exists is not replaced.' }],
  options: { config: gatewayOptions.config, json: jsonOption },
  examples: ['holdfast backup backups/monday.db'],
  async run({ options, positionals, out, cwd, environment }) {
    const { storePath, settings } = await findSetup({ cwd, environment }, options.config);
    const file = resolve(cwd, positionals[0] ?? '');
    if (storePath === null) throw notEmbedded(settings.store);
    if (!existsSync(storePath))
      throw new HoldfastError('invalid_input', { detail: `There is no store at ${storePath}.` });
    const progress = out.progress();
    await copyStore(storePath, file, ({ copied, total }) =>
      progress.update(() => `copied ${Math.floor((copied * 100) / Math.max(1, total))} %`),
    );
    progress.end();
    const { size } = statSync(file);
    if (options.json) out.json({ file, bytes: size });
    else out.line(`${file}: ${formatBytes(size)}, checked.`);
    return 0;
  },
});
