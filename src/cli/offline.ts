/**
 * Reads a store whose gateway does not run: a gateway without sources and handlers opens it, and its admin API is asked
 * within the process. It attempts nothing, for it has no destinations.
 */
import { randomBytes } from 'node:crypto';
import type { Environment } from '../ingest/source.ts';
import { type Client, localClient } from './client.ts';
import { overlay, type Setup } from './locate.ts';

export interface Offline extends AsyncDisposable {
  readonly client: Client;
}

/** @throws HoldfastError store_owned, store_corrupt, store_format */
export async function openOffline(setup: Setup, environment: Environment): Promise<Offline> {
  const { Gateway } = await import('../gateway.ts');
  const token = randomBytes(24).toString('base64url');
  const { handlers: _handlers, ...config } = setup.config;
  const gateway = new Gateway(
    { ...config, sources: {} },
    {
      directory: setup.directory,
      environment: overlay(environment, { HOLDFAST_ADMIN_TOKEN: token, HOLDFAST_LOG_LEVEL: 'silent' }),
    },
  );
  await gateway.start();
  return { client: localClient(gateway, token), [Symbol.asyncDispose]: () => gateway.stop() };
}
