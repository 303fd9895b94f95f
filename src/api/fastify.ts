/** The admin API as a Fastify plugin. Typed by what it uses, so that Fastify is no dependency. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AdminApi } from './admin.ts';

interface RouteLike {
  readonly method: string;
  readonly url: string;
  readonly exposeHeadRoute: boolean;
  handler(request: { readonly raw: IncomingMessage }, reply: ReplyLike): Promise<void>;
}

interface ReplyLike {
  readonly raw: ServerResponse;
  hijack(): unknown;
}

/** What is asked of a Fastify instance (version 4 or 5). */
interface FastifyLike {
  readonly prefix: string;
  hasRoute(route: { readonly method: string; readonly url: string }): boolean;
  removeAllContentTypeParsers(): void;
  addContentTypeParser(
    contentType: string,
    parser: (request: unknown, payload: unknown, done: (error: Error | null, body?: unknown) => void) => void,
  ): unknown;
  route(options: RouteLike): unknown;
}

export type AdminPluginLike = (instance: FastifyLike, options: unknown, done: (error?: Error) => void) => void;

/** A route for each of the API, with parsers of its own. What the application has a route for is left to it. */
export function fastifyAdmin(api: AdminApi, answer: RequestListener): AdminPluginLike {
  return (instance, _options, done) => {
    // Inside of the plugin only. The body is left in the stream: the API reads and bounds it.
    instance.removeAllContentTypeParsers();
    instance.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null));
    const { prefix } = instance;
    for (const { method, path } of api.routes) {
      if (instance.hasRoute({ method, url: `${prefix}${path}` })) continue;
      instance.route({
        method,
        url: path,
        exposeHeadRoute: false,
        handler: async ({ raw }, reply) => {
          reply.hijack();
          // Fastify leaves the prefix in.
          if (prefix !== '') raw.url = raw.url?.slice(prefix.length) ?? path;
          answer(raw, reply.raw);
        },
      });
    }
    done();
  };
}
