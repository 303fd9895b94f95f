/** The admin API in the forms that hosts take. */
import type { RequestListener } from 'node:http';
import type { AdminApi } from './admin.ts';
import { type AdminPluginLike, fastifyAdmin } from './fastify.ts';
import { nodeHandler } from './listener.ts';

export interface MountableAdmin extends AdminApi {
  /** For Express, Connect and node:http. */
  readonly handler: RequestListener;
  /** For Fastify. */
  readonly fastify: AdminPluginLike;
}

export function mountable(api: AdminApi): MountableAdmin {
  const handler = nodeHandler(api);
  return { ...api, handler, fastify: fastifyAdmin(api, handler) };
}
