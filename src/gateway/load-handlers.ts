/** The module of a config that registers handlers. */
import { pathToFileURL } from 'node:url';
import { HoldfastError } from '../errors.ts';

/** Has the module at `path` register its handlers. @throws HoldfastError config_invalid; what the module throws */
export async function loadHandlers(path: string, gateway: unknown): Promise<void> {
  const loaded = (await import(pathToFileURL(path).href)) as { default?: (gateway: unknown) => unknown };
  if (typeof loaded.default !== 'function') {
    throw new HoldfastError('config_invalid', {
      detail: `handlers: ${path} has no default export that is a function.`,
    });
  }
  await loaded.default(gateway);
}
