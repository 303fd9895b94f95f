/** The admin API in the forms that hosts take. */
import type { RequestListener } from 'node:http';
import type { AdminApi } from './admin.ts';
import type { OpenApiDocument } from './docs.ts';
import { type DocumentOptions, documentFor } from './document-for.ts';
import { type AdminPluginLike, fastifyAdmin } from './fastify.ts';
import type { Identify } from './guard.ts';
import { nodeHandler } from './listener.ts';

export interface AdminMountOptions {
  /**
   * Who sent a request that has no token of Holdfast, by a login of your own: asked before anything is done, `null` is
   * answered 401. What it answers is all that request may; a tenant gets what a token bound to it would.
   */
  readonly identify?: Identify;
}

export interface MountableAdmin extends Omit<AdminApi, 'fetch' | 'document'> {
  /** For hosts that speak `Request`. `peer`: the address it came from, for the audit log. */
  fetch(request: Request, peer?: string): Promise<Response>;
  /** This API as an OpenAPI 3.1 document, or what it adds to that of the application. */
  document(options?: DocumentOptions): OpenApiDocument;
  /** For Express, Connect and node:http. */
  readonly handler: RequestListener;
  /** For Fastify. */
  readonly fastify: AdminPluginLike;
}

export function mountable(api: AdminApi, { identify }: AdminMountOptions): MountableAdmin {
  const mounted = {
    ...api,
    fetch: (request: Request, peer?: string) => api.fetch(request, peer, identify),
    document: (options: DocumentOptions = {}) => documentFor(api.document(), options),
  };
  const handler = nodeHandler(mounted);
  return { ...mounted, handler, fastify: fastifyAdmin(mounted, handler) };
}
