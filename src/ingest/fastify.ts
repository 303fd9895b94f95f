/** Ingest as a Fastify plugin. Typed by what it uses, so that Fastify is no dependency. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Acceptor } from './accept.ts';
import { answerNode, type HostRequest } from './middleware.ts';

interface FastifyRequestLike {
  readonly raw: IncomingMessage;
}

interface FastifyReplyLike {
  readonly raw: ServerResponse;
  hijack(): unknown;
}

interface RouteLike {
  readonly method: string[];
  readonly url: string;
  readonly exposeHeadRoute: boolean;
  handler(request: FastifyRequestLike, reply: FastifyReplyLike): Promise<void>;
}

/** What is asked of a Fastify instance (version 4 or 5). */
export interface FastifyLike {
  readonly prefix: string;
  removeAllContentTypeParsers(): void;
  addContentTypeParser(
    contentType: string,
    parser: (request: unknown, payload: unknown, done: (error: Error | null, body?: unknown) => void) => void,
  ): unknown;
  route(options: RouteLike): unknown;
}

export type FastifyPluginLike = (instance: FastifyLike, options: unknown, done: (error?: Error) => void) => void;

/** `app.register(gateway.fastify(), { prefix: '/webhooks' })`: a route per source, with parsers of its own. */
export function fastifyIngest(acceptor: Acceptor): FastifyPluginLike {
  return (instance, _options, done) => {
    // Inside of the plugin only. The body is left in the stream, whatever its type says.
    instance.removeAllContentTypeParsers();
    instance.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null));
    for (const { source } of acceptor.intakes) {
      instance.route({
        method: [...new Set(source.methods)],
        // What would be a parameter or a wildcard to Fastify's router is meant as it is written.
        url: source.path.replaceAll(':', '::'),
        exposeHeadRoute: false,
        handler: async (request, reply) => {
          reply.hijack();
          await answerNode(acceptor, mounted(request.raw, source.path), reply.raw);
        },
      });
    }
    done();
  };
}

/** The request with the path that its route was found by: Fastify leaves the prefix in. */
function mounted(raw: HostRequest, path: string): HostRequest {
  const originalUrl = raw.url ?? path;
  return Object.assign(raw, { originalUrl, url: path });
}
