import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { defineCommand } from '../command.ts';
import { selfCommand } from '../self.ts';
import { initFiles } from '../templates.ts';

export const init = defineCommand({
  name: 'init',
  summary: 'Writes a commented holdfast.config.ts, src/handlers.ts and a .env with a secret made for it.',
  details: 'Files that are there already stay as they are.',
  options: {},
  examples: ['holdfast init'],
  async run({ out, cwd, environment }) {
    const secret = `# Keep it out of version control.\nORDERS_SECRET=${randomBytes(32).toString('hex')}\n`;
    const files = Object.entries({ ...initFiles, '.env': secret });
    for (const [path, text] of files) {
      const written = await writeNew(join(cwd, path), text, path === '.env' ? 0o600 : 0o644);
      out.line(`${written ? out.paint('green', 'wrote') : 'kept '} ${path}${written ? '' : ' (it was there)'}`);
    }
    const self = selfCommand({ environment, cwd });
    out.line();
    out.line('Next:');
    if (isCommonJs(cwd))
      out.line('  npm pkg set type=module                 package.json says commonjs; these files are modules');
    out.line('  npm install holdfast                    for the types, and for imports of your editor and tests');
    out.line('  keep .env and data/ out of version control');
    out.line(`  ${self} doctor                     checks config, store and disk`);
    out.line(`  ${self} start`);
    out.line(`  ${self} simulate orders order.paid --count 10`);
    return 0;
  },
});

/** As `npm init` writes it. Node does not take `import` and `export` then. */
function isCommonJs(cwd: string): boolean {
  for (let directory = resolve(cwd); ; directory = dirname(directory)) {
    const file = join(directory, 'package.json');
    if (existsSync(file)) return /"type"\s*:\s*"commonjs"/.test(readFileSync(file, 'utf8'));
    if (directory === dirname(directory)) return false;
  }
}

/** Whether it was written: an existing file is never touched. */
async function writeNew(path: string, text: string, mode: number): Promise<boolean> {
  await mkdir(dirname(path), { recursive: true });
  try {
    await writeFile(path, text, { flag: 'wx', mode });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
