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

/** Who works on a store. */
interface Office {
  holder: Lifecycle | null;
  /** Ends when the last one that came has taken over, or could not. */
  turn: Promise<void>;
}

/** The office of a store, in this process. */
function officeOf(store: string): Office {
  const place = globalThis as { [KEY]?: Map<string, Office> };
  const offices = (place[KEY] ??= new Map());
  const office = offices.get(store) ?? { holder: null, turn: Promise.resolve() };
  offices.set(store, office);
  return office;
}

/** Starts the gateway, once, after the one it follows has stopped. */
export function succession(store: string, gateway: Lifecycle): () => Promise<void> {
  let started: Promise<void> | null = null;
  const follow = async (office: Office): Promise<void> => {
    if (office.holder !== gateway) await office.holder?.stop();
    office.holder = gateway;
    await gateway.start();
  };
  const takeOver = (): Promise<void> => {
    const office = officeOf(store);
    // One after the other: who has not started yet could not be stopped, and would start on what is no longer its own.
    const turn = office.turn.then(() => follow(office));
    office.turn = turn.catch(() => undefined);
    return turn;
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
