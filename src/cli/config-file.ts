/** Finds and loads a user's config file, and the `.env` beside it. */
import { existsSync, statSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Config } from '../config.ts';
import { HoldfastError } from '../errors.ts';

/** A config as it was loaded. */
export interface LoadedConfig {
  readonly config: Config;
  /** Absolute. */
  readonly file: string;
  /** What paths in it are relative to. */
  readonly directory: string;
}

const configNames = ['holdfast.config.ts', 'holdfast.config.mts', 'holdfast.config.js', 'holdfast.config.mjs'] as const;

/**
 * The config file: the given one, or the nearest in `cwd` and the folders above; `null` when there is none.
 * @throws HoldfastError config_not_found when the given one does not exist
 */
export function findConfig(cwd: string, given?: string): string | null {
  if (given !== undefined) {
    const file = resolve(cwd, given);
    if (existsSync(file)) return file;
    throw new HoldfastError('config_not_found', { detail: file });
  }
  for (let directory = resolve(cwd); ; directory = dirname(directory)) {
    const file = configNames.map((name) => join(directory, name)).find((path) => existsSync(path));
    if (file !== undefined) return file;
    if (directory === dirname(directory)) return null;
  }
}

/**
 * Loads a config file, after the variables of a `.env` beside it (those already set stay as they are).
 * @throws HoldfastError config_invalid
 */
export async function loadConfig(file: string): Promise<LoadedConfig> {
  const directory = dirname(file);
  const env = join(directory, '.env');
  // A folder of this name is somebody else's: Python keeps environments in one.
  if (statSync(env, { throwIfNoEntry: false })?.isDirectory() === false) process.loadEnvFile(env);
  const loaded = (await importFile(file)) as { readonly default?: unknown };
  const { default: config } = loaded;
  if (!isConfig(config)) {
    throw new HoldfastError('config_invalid', {
      detail: `${file}: expected export default defineConfig({ sources: … }).`,
    });
  }
  return { config, file, directory };
}

/**
 * Imports a module of the user's.
 * @throws HoldfastError config_invalid with what went wrong in it
 */
export async function importFile(file: string): Promise<unknown> {
  resolveOwnName();
  try {
    return await import(pathToFileURL(file).href);
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError('config_invalid', {
      detail: `${file} could not be loaded: ${reasonOf(error)}`,
      cause: error,
    });
  }
}

function isConfig(value: unknown): value is Config {
  return (
    typeof value === 'object' &&
    value !== null &&
    'sources' in value &&
    typeof value.sources === 'object' &&
    value.sources !== null
  );
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.message}${hintOf(error)}`;
}

function hintOf(error: NodeJS.ErrnoException): string {
  if (error.code === 'ERR_MODULE_NOT_FOUND') return ' Is everything it imports installed?';
  // As `npm init` writes it.
  if (error instanceof SyntaxError && NOT_A_MODULE.test(error.message))
    return '. The package.json above it says "type": "commonjs": npm pkg set type=module';
  return '';
}

/** How Node calls `import` and `export` in a file that it takes for CommonJS. */
const NOT_A_MODULE = /^Cannot use import statement|^Unexpected token 'export'/;

let hooked = false;

/**
 * What users import as `holdfast` is the copy that runs, where their folder has none of its own: `npx holdfast start`
 * needs nothing installed.
 */
function resolveOwnName(): void {
  if (hooked) return;
  hooked = true;
  registerHooks({
    resolve(specifier, context, next) {
      const own = ownModule(specifier);
      if (own === null) return next(specifier, context);
      try {
        return next(specifier, context);
      } catch (error) {
        if (existsSync(own)) return { url: own.href, shortCircuit: true };
        throw error;
      }
    },
  });
}

const entries: Readonly<Record<string, string>> = {
  holdfast: '../index',
  'holdfast/verify': '../verify/index',
  'holdfast/testing': '../testing/index',
};

function ownModule(specifier: string): URL | null {
  const entry = Object.hasOwn(entries, specifier) ? entries[specifier] : undefined;
  if (entry === undefined) return null;
  // The extension of this very file: .ts in a checkout, .js as published.
  return new URL(entry + import.meta.url.slice(import.meta.url.lastIndexOf('.')), import.meta.url);
}
