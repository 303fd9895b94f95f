/** How this program is called where it runs, for commands that are printed to be pasted. */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Surroundings } from './command.ts';

/** `npx holdfast`; in a checkout `npm run -s holdfast --` when npm runs it, else the path of the program. */
export function selfCommand({ environment, cwd }: Pick<Surroundings, 'environment' | 'cwd'>): string {
  if (!import.meta.url.endsWith('.ts')) return 'npx holdfast';
  if (environment('npm_lifecycle_event') !== undefined) return 'npm run -s holdfast --';
  return `node ${relative(cwd, fileURLToPath(new URL('../../bin/holdfast.js', import.meta.url)))}`;
}
