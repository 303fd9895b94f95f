/** One OpenAPI document for the whole application: what its routes say of themselves, and Holdfast's of the queues. */
import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifySchema {
    tags?: readonly string[];
    summary?: string;
  }
}

interface Operation {
  readonly tags: readonly string[];
  readonly summary: string;
  readonly [more: string]: unknown;
}

/** Told of every route from now on; the answer joins them to Holdfast's document. */
export function described(app: FastifyInstance): (holdfast: { readonly paths?: object | undefined }) => object {
  const paths: Record<string, Record<string, Operation>> = {};
  app.addHook('onRoute', ({ method, url, schema }) => {
    const { tags, summary, body } = schema ?? {};
    if (tags === undefined || summary === undefined || typeof method !== 'string' || method === 'HEAD') return;
    const names = [...url.matchAll(/:(\w+)/g)].map(([, name]) => name);
    const path = (paths[url.replaceAll(/:(\w+)/g, '{$1}')] ??= {});
    path[method.toLowerCase()] = {
      tags,
      summary,
      security: [{ bearer: [] }],
      parameters: names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
      ...(body === undefined
        ? {}
        : {
            requestBody: {
              required: true,
              content: {
                'application/json': { schema: body, example: (body as { examples?: unknown[] }).examples?.[0] },
              },
            },
          }),
      responses: {
        [method === 'DELETE' ? 204 : body === undefined || method === 'PUT' ? 200 : 201]: { description: 'Done.' },
      },
    };
  });
  return ({ paths: all = {}, ...holdfast }) => {
    const queues = Object.entries(all).filter(([path]) => path.startsWith('/api/queues'));
    return {
      ...holdfast,
      info: { title: 'Payments', version: '1.0.0' },
      paths: { ...paths, ...Object.fromEntries(queues) },
    };
  };
}
