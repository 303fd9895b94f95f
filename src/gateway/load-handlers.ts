/** The module of a config that registers handlers. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { HoldfastError } from '../errors.ts';

/** Has the module, if there is one, register its handlers. @throws HoldfastError config_invalid; what the module throws */
export async function loadHandlers(handlers: string | null, directory: string, gateway: unknown): Promise<void> {
  if (handlers === null) return;
  const path = resolve(directory, handlers);
  const loaded = (await import(pathToFileURL(path).href)) as { default?: (gateway: unknown) => unknown };
  if (typeof loaded.default !== 'function') {
    throw new HoldfastError('config_invalid', {
      detail: `handlers: ${path} has no default export that is a function.`,
    });
  }
  await loaded.default(gateway);
}
