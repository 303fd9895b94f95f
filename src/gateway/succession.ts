/**
 * Hot reload: a host evaluates the module that makes the gateway again, while the old gateway still owns the store.
 * The one place with a global: nothing else outlives the evaluation of a module.
 */
import type { Routes } from '../ingest/routes.ts';

interface Lifecycle {
  start(): Promise<void>;
  stop(): Promise<void>;
}

const KEY = Symbol.for('holdfast.gateways');

/** The gateway in office for each store, in this process. */
function inOffice(): Map<string, Lifecycle> {
  const holder = globalThis as { [KEY]?: Map<string, Lifecycle> };
  holder[KEY] ??= new Map();
  return holder[KEY];
}

/** Starts the gateway, once, after the one it follows has stopped. */
export function succession(store: string, gateway: Lifecycle): () => Promise<void> {
  let started: Promise<void> | null = null;
  const takeOver = async (): Promise<void> => {
    const before = inOffice().get(store);
    inOffice().set(store, gateway);
    if (before !== undefined && before !== gateway) await before.stop();
    await gateway.start();
  };
  return () => {
    started ??= takeOver().catch((error: unknown) => {
      started = null; // So that the next request tries again.
      throw error;
    });
    return started;
  };
}

export function mapRoutes(routes: Routes, map: (handle: Routes['POST']) => Routes['POST']): Routes {
  return Object.fromEntries(Object.entries(routes).map(([method, handle]) => [method, map(handle)])) as Routes;
}
