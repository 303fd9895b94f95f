/** The HTTP side: what merchants write, and Holdfast's own API beside it, for merchants and for the operator. */
import { randomUUID } from 'node:crypto';
import swagger from '@fastify/swagger';
import fastify, { type FastifyRequest } from 'fastify';
import {
  type FastifyPluginAsyncZod,
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-type-provider-zod';
import { HoldfastError } from 'holdfast';
import { z } from 'zod';
import { DRIVER } from './drivers.ts';
import { type Change, kinds, type Kind, typeOf } from './events.ts';
import type { Payments } from './gateway.ts';
import type { Rows } from './rows.ts';

/** Of Holdfast's API, what merchants and the operator use. */
const USED = /^\/api\/(?:tokens$|endpoints|queues)/;

export async function makeApp(gateway: Payments, rows: Rows) {
  // The request's id is the correlation id of all that comes of it.
  const app = fastify({ requestIdHeader: 'x-correlation-id', genReqId: () => randomUUID() });
  app.addHook('onRequest', async ({ id }, reply) => void reply.header('x-correlation-id', id));
  app.setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler);
  const openapi = { openapi: '3.1.0', info: { title: 'Payments', version: '1.0.0' } };
  await app.register(swagger, { openapi, transform: jsonSchemaTransform, hideUntagged: true });

  const admin = gateway.admin();
  app.get('/openapi.json', () => admin.document({ into: app.swagger(), paths: USED }));
  app.get('/health', { schema: { tags: ['queues'], summary: 'The state of the queues.' } }, async () => {
    const { services, features, queues } = await gateway.operations().health();
    const { ready, inMemoryMode } = queues;
    return { services: { queues: services.queues }, features, queues: { ready, driver: DRIVER, inMemoryMode } };
  });
  // #region merchants
  app.decorateRequest('merchant', '');
  await app.register(async (own) => {
    // A merchant is a tenant of Holdfast: the operator makes its token (POST /api/tokens), which is good here too.
    own.addHook('onRequest', async (request) => {
      const merchant = admin.callerOf(request.headers.authorization)?.tenant;
      if (!merchant) throw new HoldfastError('unauthorized');
      request.setDecorator('merchant', merchant);
    });
    await own.register(business(gateway, rows));
  });
  // #endregion
  await app.register(admin.fastify); // /api/endpoints, for merchants; /api/queues and the rest of it
  return app;
}

const merchantOf = (request: FastifyRequest): string => request.getDecorator('merchant');

/** What a merchant writes: each change is a row and an event, together or not at all. */
const business =
  (gateway: Payments, rows: Rows): FastifyPluginAsyncZod =>
  async (app) => {
    const write = async (request: FastifyRequest, changes: readonly Change[], verb: 'created' | 'updated') => {
      const merchant = merchantOf(request);
      const events = changes.map((change) => {
        const orderKey = change.kind === 'payment' ? `order:${change.row.order}` : `${change.kind}:${change.row.id}`;
        return { type: typeOf(change, verb), body: change.row, tenant: merchant, correlationId: request.id, orderKey };
      });
      // The pairs of type and body are right by construction; the gateway checks each against the catalogue.
      const batch = events as Parameters<Payments['emitBatch']>[0];
      await rows.write(merchant, changes, { verb, emit: (tx) => gateway.emitBatch(batch, { tx }) });
    };
    for (const kind of Object.keys(kinds) as Kind[]) {
      const [tags, body] = [[`${kind}s`], kinds[kind]];
      const created = { tags, summary: `Creates: ${kind}.`, body, response: { 201: z.looseObject({}) } };
      app.post(`/${kind}s`, { schema: created }, async (request, reply) => {
        await write(request, [{ kind, row: request.body } as Change], 'created');
        return reply.code(201).send(request.body);
      });
      const params = z.object({ id: z.string() });
      app.get(`/${kind}s/:id`, { schema: { tags, summary: `Shows: ${kind}.`, params } }, async (request, reply) => {
        const found = await rows.find(merchantOf(request), kind, request.params.id);
        return found ?? reply.code(404).send({ code: 'not_found' });
      });
      if (kind !== 'customer' && kind !== 'order') continue;
      app.put(`/${kind}s/:id`, { schema: { tags, summary: `Changes: ${kind}.`, params, body } }, async (request) => {
        const row = { ...request.body, id: request.params.id };
        await write(request, [{ kind, row } as Change], 'updated');
        return row;
      });
    }
    const change = z.union(Object.entries(kinds).map(([kind, row]) => z.object({ kind: z.literal(kind), row })));
    const example = { changes: [{ kind: 'customer', row: { id: 'cus_2', email: 'bob@example.com', name: 'Bob' } }] };
    const batch = z.object({ changes: z.array(change).min(1).max(500) }).meta({ example });
    const response = { 201: z.object({ created: z.int() }) };
    const schema = { tags: ['batches'], summary: 'Creates many, or none.', body: batch, response };
    app.post('/batches', { schema }, async (request, reply) => {
      await write(request, request.body.changes as Change[], 'created');
      return reply.code(201).send({ created: request.body.changes.length });
    });
  };
