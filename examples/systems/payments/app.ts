/** The HTTP side: what merchants write, the endpoints they are sent webhooks at, and what the operator looks at. */
import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { HoldfastError, type Operations } from 'holdfast';
import { z } from 'zod';
import { type Change, kinds, type Kind, typeOf } from './events.ts';
import { DRIVER, type Payments } from './gateway.ts';
import { described } from './openapi.ts';
import { Conflict, type Rows } from './rows.ts';

declare module 'fastify' {
  interface FastifyRequest {
    merchant: string;
    correlationId: string;
  }
}

const CORRELATION = /^[\w.:-]{1,128}$/;

export async function makeApp(gateway: Payments, rows: Rows): Promise<FastifyInstance> {
  const app = fastify();
  app.decorateRequest('merchant', '');
  app.decorateRequest('correlationId', '');
  app.addHook('onRequest', async (request, reply) => {
    const given = request.headers['x-correlation-id'];
    request.correlationId = typeof given === 'string' && CORRELATION.test(given) ? given : randomUUID();
    reply.header('x-correlation-id', request.correlationId);
  });
  app.setErrorHandler((error, _request, reply) => {
    if (error instanceof Conflict) return reply.code(409).send({ code: 'conflict' });
    if (error instanceof z.ZodError) return reply.code(400).send({ code: 'invalid_input', issues: error.issues });
    if (!(error instanceof HoldfastError)) return reply.send(error);
    return reply.code(error.status).send({ code: error.code, detail: error.detail });
  });
  const api = described(app);
  operator(app, gateway, rows);
  app.get('/openapi.json', () => api(gateway.admin().document()));
  await app.register(async (own) => {
    own.addHook('onRequest', async (request, reply) => {
      const merchant = await rows.merchantOf(hashOf(bearerOf(request)));
      if (merchant === null) return reply.code(401).send({ code: 'unauthorized' });
      request.merchant = merchant;
      return undefined;
    });
    business(own, gateway, rows);
    webhooks(own, gateway);
  });
  await app.register(gateway.admin().fastify); // /api/queues/… with the admin token
  return app;
}

function operator(app: FastifyInstance, gateway: Payments, rows: Rows): void {
  app.get('/health', { schema: { tags: ['operator'], summary: 'The state of the queues.' } }, async () => {
    const { services, features, queues } = await gateway.operations().health();
    const { ready, inMemoryMode } = queues;
    return { services: { queues: services.queues }, features, queues: { ready, driver: DRIVER, inMemoryMode } };
  });
  const body = z.object({ id: z.string().regex(/^[\w-]{1,64}$/) }).meta({ examples: [{ id: 'mer_1' }] });
  const schema = {
    tags: ['operator'],
    summary: 'Makes a merchant; its key is shown this once.',
    body: schemaOf(body),
  };
  app.post('/merchants', { schema }, async (request, reply) => {
    if (!same(bearerOf(request), gateway.adminToken)) return reply.code(401).send({ code: 'unauthorized' });
    const { id } = body.parse(request.body);
    const key = `key_${randomBytes(24).toString('base64url')}`;
    await rows.addMerchant(id, hashOf(key));
    return reply.code(201).send({ id, key });
  });
}

/** What a merchant writes: each change is a row and an event, together or not at all. */
function business(app: FastifyInstance, gateway: Payments, rows: Rows): void {
  const write = async (request: FastifyRequest, changes: readonly Change[], verb: 'created' | 'updated') => {
    const { merchant: tenant, correlationId } = request;
    const events = changes.map((change) => {
      const orderKey = change.kind === 'payment' ? `order:${change.row.order}` : `${change.kind}:${change.row.id}`;
      return { type: typeOf(change, verb), body: change.row, tenant, correlationId, orderKey };
    });
    // The pairs of type and body are right by construction; the gateway checks each against the catalogue.
    const batch = events as Parameters<Payments['emitBatch']>[0];
    await rows.write(tenant, changes, { verb, emit: (tx) => gateway.emitBatch(batch, tx === undefined ? {} : { tx }) });
    return changes.map(({ row }) => row);
  };
  for (const kind of Object.keys(kinds) as Kind[]) {
    const tags = [`${kind}s`];
    const body = schemaOf(kinds[kind]);
    const changeOf = (row: unknown): Change => ({ kind, row: kinds[kind].parse(row) }) as Change;
    app.post(`/${kind}s`, { schema: { tags, summary: `Creates: ${kind}.`, body } }, async (request, reply) => {
      const [row] = await write(request, [changeOf(request.body)], 'created');
      return reply.code(201).send(row);
    });
    app.get<ById>(
      `/${kind}s/:id`,
      { schema: { tags, summary: `Shows: ${kind}.` } },
      async ({ merchant, params }, reply) => {
        return (await rows.find(merchant, kind, params.id)) ?? reply.code(404).send({ code: 'not_found' });
      },
    );
    if (kind !== 'customer' && kind !== 'order') continue;
    app.put<ById>(`/${kind}s/:id`, { schema: { tags, summary: `Changes: ${kind}.`, body } }, async (request) => {
      const row = { ...(request.body as object), id: request.params.id };
      return (await write(request, [changeOf(row)], 'updated'))[0];
    });
  }
  const items = z.array(z.object({ kind: z.enum(Object.keys(kinds) as [Kind, ...Kind[]]), row: z.looseObject({}) }));
  const batch = z.object({ changes: items.min(1).max(500) }).meta({
    examples: [{ changes: [{ kind: 'customer', row: { id: 'cus_2', email: 'bob@example.com', name: 'Bob' } }] }],
  });
  const schema = {
    tags: ['batches'],
    summary: 'Creates many, or none.',
    body: schemaOf(batch),
  };
  app.post('/batches', { schema }, async (request, reply) => {
    const changes = batch.parse(request.body).changes.map(({ kind, row }) => ({ kind, row: kinds[kind].parse(row) }));
    return reply.code(201).send({ created: (await write(request, changes as Change[], 'created')).length });
  });
}

/** A merchant's own endpoints, and what became of each delivery. What is another's is not there. */
function webhooks(app: FastifyInstance, gateway: Payments): void {
  const tags = ['webhooks'];
  const as = ({ merchant }: FastifyRequest) => gateway.operations({ tenant: merchant, by: merchant });
  const body = z
    .object({ url: z.url(), types: z.array(z.string()).min(1).optional(), ordered: z.boolean().optional() })
    .meta({ examples: [{ url: '{{receiver}}' }] });
  const json = schemaOf(body);
  app.post(
    '/webhooks',
    { schema: { tags, summary: 'Makes an endpoint; its secret is shown this once.', body: json } },
    async (request, reply) => {
      return reply.code(201).send(await as(request).createEndpoint(body.parse(request.body)));
    },
  );
  app.get('/webhooks', { schema: { tags, summary: 'Lists endpoints.' } }, (request) => as(request).endpoints());
  app.post<ById>('/webhooks/:id/test', { schema: { tags, summary: 'Sends it a test.' } }, (request) =>
    as(request).testEndpoint(request.params.id),
  );
  app.get<ById>(
    '/webhooks/:id/deliveries',
    { schema: { tags, summary: 'Lists what it is owed and was sent.' } },
    (request) => deliveriesOf(as(request), request.params.id),
  );
  app.get<ById & { Params: { delivery: string } }>(
    '/webhooks/:id/deliveries/:delivery',
    { schema: { tags, summary: 'Shows a delivery with its attempts, and when and why it is attempted next.' } },
    async (request, reply) => {
      const { id, delivery } = request.params;
      const found = await as(request).delivery(delivery);
      return found.destination === id ? found : reply.code(404).send({ code: 'not_found' });
    },
  );
  app.delete<ById>('/webhooks/:id', { schema: { tags, summary: 'Deletes an endpoint.' } }, async (request, reply) => {
    await as(request).removeEndpoint(request.params.id);
    return reply.code(204).send();
  });
}

/** @throws HoldfastError not_found where it is not this merchant's */
async function deliveriesOf(operations: Operations, id: string) {
  const { id: destination } = await operations.endpoint(id);
  return operations.deliveries({ destination, limit: 200 });
}

interface ById {
  Params: { id: string };
}

function schemaOf(schema: z.ZodType): object {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { target: 'draft-7' });
  return json;
}

function bearerOf({ headers }: FastifyRequest): string {
  return /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1] ?? '';
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

function same(given: string, wanted: string): boolean {
  return timingSafeEqual(Buffer.from(hashOf(given)), Buffer.from(hashOf(wanted)));
}
