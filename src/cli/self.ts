/** How this program is called where it runs, for commands that are printed to be pasted. */
import { readFileSync } from 'node:fs';
import type { Environment } from '../ingest/source.ts';

/** `holdfast`, `npx holdfast`, or `npm run -s holdfast --` in a checkout. */
export function selfCommand(environment: Environment): string {
  if (import.meta.url.endsWith('.ts')) return 'npm run -s holdfast --';
  // npm sets this for `npx` and for scripts of a package.
  return environment('npm_command') === undefined ? 'holdfast' : 'npx holdfast';
}

/** The version of the package that runs. */
export function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}
