/** Ingest as a Fastify plugin. Typed by what it uses, so that Fastify is no dependency. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { HoldfastError } from '../errors.ts';
import type { Acceptor } from './accept.ts';
import { notFound } from './hosted.ts';
import { answerNode, type HostRequest, isConsumed } from './middleware.ts';

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

/**
 * `app.register(gateway.fastify(), { prefix: '/webhooks' })`: a route per source, with parsers of its own.
 * Where a hook of the application has read the body, an error `body_consumed` goes to Fastify's error handler.
 */
export function fastifyIngest(acceptor: Acceptor): FastifyPluginLike {
  return (instance, _options, done) => {
    // Inside of the plugin only. The body is left in the stream, whatever its type says.
    instance.removeAllContentTypeParsers();
    instance.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null));
    for (const { source } of acceptor.intakes) {
      // What would be a parameter or a wildcard to Fastify's router is meant as it is written.
      const url = source.path.replaceAll(':', '::');
      const shared = { method: [...new Set(source.methods)], exposeHeadRoute: false };
      const handler: RouteLike['handler'] = async (request, reply) => {
        // Before the reply is ours: nobody answers what is thrown afterwards.
        if (isConsumed(request.raw)) throw consumed();
        reply.hijack();
        const taken = await answerNode(acceptor, mounted(request.raw, instance.prefix), reply.raw);
        if (!taken) answerNotFound(acceptor, reply.raw);
      };
      instance.route({ ...shared, url, handler });
      if (source.verifier.credentialInPath === true)
        instance.route({ ...shared, url: `${url.replace(/\/$/, '')}/*`, handler });
    }
    done();
  };
}

function consumed(): HoldfastError {
  return new HoldfastError('body_consumed', {
    detail:
      "Move the hook that reads the body, app.addHook('preParsing', …) or the like, into a plugin beside gateway.fastify(): one of the whole application runs for webhooks too.",
  });
}

/** The request without the prefix, which Fastify leaves in. */
function mounted(raw: HostRequest, prefix: string): HostRequest {
  const originalUrl = raw.url ?? '/';
  return Object.assign(raw, { originalUrl, url: originalUrl.slice(prefix.replace(/\/$/, '').length) });
}

/** More than one segment follows the path of a source. */
function answerNotFound(acceptor: Acceptor, response: ServerResponse): void {
  const { status, headers, body } = notFound(acceptor);
  response.writeHead(status, [...headers]).end(body, 'latin1');
}
