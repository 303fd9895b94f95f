/** The sockets of a gateway that runs as a server: ingest, and the admin API on the same port or on one of its own. */
import { rm, writeFile } from 'node:fs/promises';
import type { AdminApi } from '../api/admin.ts';
import { adminListener, isLoopback, nodeHandler } from '../api/listener.ts';
import type { Clock } from '../core/clock.ts';
import { HoldfastError } from '../errors.ts';
import type { Settings } from '../settings.ts';
import { runtimeFile } from '../core/files.ts';
import type { Acceptor } from '../ingest/accept.ts';
import { createListener, type Fallback } from '../ingest/listener.ts';
import { storePath } from './token.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Listeners {
  /** Where webhooks are taken. A worker takes none: then the same as `admin`. */
  readonly ingest: Address;
  /** The same as `ingest` when both share a port. */
  readonly admin: Address;
  /**
   * Takes webhooks for as long as load balancers need to see that it is not ready, each answer ending its connection, and
   * then closes. Where no webhooks come: at once.
   */
  leave(how: Leaving): Promise<void>;
  /** Takes no new connections, answers what was read; what has not arrived whole within the grace is cut off. Safe twice. */
  close(graceMs: number): Promise<void>;
}

interface Leaving {
  readonly delayMs: number;
  /** As of `close`. */
  readonly graceMs: number;
  readonly clock: Clock;
}

export interface ListenParts {
  readonly settings: Settings;
  readonly directory: string;
  readonly acceptor: Acceptor;
  readonly admin: AdminApi;
  readonly token: string;
}

/** @throws HoldfastError address_in_use, public_admin_refused, config_invalid */
export async function listen(parts: ListenParts): Promise<Listeners> {
  const { settings, acceptor, admin } = parts;
  if (settings.role === 'worker') return listenAdmin(parts);
  // On an address that others can reach, the admin API never shares the port: it stays on loopback unless told otherwise.
  const shared = settings.adminPort === null && isLoopback(settings.host);
  if (shared) refuseTaken(parts);
  const ingest = createListener(acceptor, shared ? fallback(admin) : undefined);
  const own = shared
    ? null
    : adminListener(admin, {
        host: settings.adminHost,
        port: settings.adminPort ?? settings.port + 1,
        token: parts.token,
      });
  try {
    const bound = await ingest.listen(settings.port, settings.host);
    const ingestAddress = { host: bound.address, port: bound.port };
    const adminAddress = own === null ? ingestAddress : await own.start();
    const file = await writeRuntime(parts, { ingest: ingestAddress, admin: adminAddress });
    const close = async (graceMs: number): Promise<void> => {
      if (file !== null) await rm(file, { force: true });
      const cut = setTimeout(() => void ingest.close(), graceMs);
      await ingest.stop();
      clearTimeout(cut);
      await own?.stop();
    };
    return {
      ingest: ingestAddress,
      admin: adminAddress,
      leave: async ({ delayMs, graceMs, clock }) => {
        ingest.leave();
        await new Promise<void>((resolve) => void clock.schedule(delayMs, resolve));
        await close(graceMs);
      },
      close,
    };
  } catch (error) {
    await ingest.stop();
    await own?.stop();
    throw error;
  }
}

/** A source at `/health` or the like would stand before the admin API, and whoever looks whether it lives would get 405. */
function refuseTaken({ acceptor, admin, settings }: ListenParts): void {
  const taken = acceptor.ports.sources.find(({ path }) => admin.handles(path));
  if (taken === undefined) return;
  const detail = `sources.${taken.name}: ${taken.path} is a path of the admin API, which shares port ${settings.port}: give the source another, or set adminPort.`;
  throw new HoldfastError('config_invalid', { detail });
}

/** A worker: `/health`, `/ready`, `/metrics` and the admin API, by default on a free port, since there are several. */
async function listenAdmin({ settings, admin, token }: ListenParts): Promise<Listeners> {
  const own = adminListener(admin, { host: settings.adminHost, port: settings.adminPort ?? 0, token });
  const bound = await own.start();
  return { ingest: bound, admin: bound, leave: () => Promise.resolve(), close: () => own.stop() };
}

/** What is no source's path, and is one of the admin API, goes there. */
function fallback(admin: AdminApi): Fallback {
  const handler = nodeHandler(admin);
  return {
    // Whoever mistypes the path of a source is told that there is no such source, not to bring a token.
    has: (path) => admin.handles(path),
    request: (request, response) => handler(request, response),
    upgrade: (request, socket, head) => admin.stream.upgrade(request, socket, head),
  };
}

/** Where the running gateway is, for the CLI on this machine. */
async function writeRuntime(
  { settings, directory }: ListenParts,
  at: { ingest: Address; admin: Address },
): Promise<string | null> {
  const path = storePath(settings.store, directory);
  if (path === null) return null;
  const file = runtimeFile(path);
  const runtime = { pid: process.pid, url: urlOf(at.ingest), adminUrl: urlOf(at.admin) };
  await writeFile(file, `${JSON.stringify(runtime)}\n`, { mode: 0o600 });
  return file;
}

function urlOf({ host, port }: Address): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}
