/** What an application that has the admin API mounted shows of it in its own OpenAPI document. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { MemoryRejections } from '../ingest/rejections.ts';
import { memoryStore } from '../store/memory.ts';
import { TestClock } from '../testing/clock.ts';
import { createAdminApi } from './admin.ts';
import { MemoryPort, TOKEN } from './fixtures/memory-port.ts';
import { mountable, type MountableAdmin } from './mountable.ts';

/** Of an application whose names are those of the API: a document that is valid by itself. */
const OWN = {
  openapi: '3.1.0',
  info: { title: 'Shop', version: '7' },
  servers: [{ url: 'https://shop.example' }],
  paths: {
    '/health': { get: { operationId: 'getHealth', summary: 'Own.', responses: { 200: { description: 'Up.' } } } },
    '/api/endpoints': {
      get: {
        operationId: 'getApiEndpoints',
        security: [{ bearer: [] }],
        responses: {
          200: {
            description: 'Its own.',
            content: { 'application/json': { schema: { $ref: '#/components/schemas/Endpoint' } } },
          },
        },
      },
    },
  },
  components: {
    schemas: { Endpoint: { type: 'string' } },
    securitySchemes: { bearer: { type: 'http', scheme: 'basic' } },
  },
};

type Operation = { operationId: string; security: Record<string, unknown>[] };
type Document = ReturnType<MountableAdmin['document']>;

let admin: MountableAdmin;

before(() => {
  const clock = new TestClock();
  const rejections = new MemoryRejections({ countMax: 100, bytesMax: 1e6, perS: 100, clock });
  const port = new MemoryPort(memoryStore({ clock }), clock, rejections);
  admin = mountable(createAdminApi(port, { clock, version: '1' }), {});
});

const pathsOf = ({ paths }: Document): readonly string[] => Object.keys(paths ?? {});
const operationOf = ({ paths }: Document, path: string, method: string): Operation =>
  ((paths ?? {}) as unknown as Record<string, Record<string, Operation>>)[path]?.[method] ?? assert.fail(path);

describe('the document for an application', () => {
  test('is the whole API where nothing is chosen', () => {
    assert.equal(pathsOf(admin.document()).length, new Set(admin.routes.map(({ path }) => path)).size);
    assert.deepEqual(admin.document(), admin.document({}));
  });

  test('has the paths that were chosen, where the API is mounted', () => {
    const chosen = admin.document({ paths: /^\/api\/tokens$|\/health$/g, prefix: '/ops' });
    assert.deepEqual(pathsOf(chosen), ['/ops/health', '/ops/api/queues/health', '/ops/api/tokens']);
    assert.equal(operationOf(chosen, '/ops/api/tokens', 'post').operationId, 'postApiTokens');
  });

  test('adds to that of the application, which stays as it is, and is valid', async () => {
    const before = JSON.stringify(OWN);
    const both = admin.document({ into: OWN, paths: /^\/health|^\/api\/endpoints/ });
    assert.equal(JSON.stringify(OWN), before);
    const { valid, errors } = await new Validator().validate(
      JSON.parse(JSON.stringify(both)) as Record<string, unknown>,
    );
    assert.ok(valid, JSON.stringify(errors, null, 2));
    assert.deepEqual([both.info, both.servers, both.security], [OWN.info, OWN.servers, undefined]);
    assert.deepEqual(both.paths?.['/health'], OWN.paths['/health']);
    assert.deepEqual(operationOf(both, '/api/endpoints', 'get'), OWN.paths['/api/endpoints'].get);
    const { operationId, security } = operationOf(both, '/api/endpoints', 'post');
    assert.deepEqual([operationId, security], ['holdfastPostApiEndpoints', [{ holdfastBearer: ['endpoints'] }]]);
    const { schemas, securitySchemes } = both.components ?? {};
    assert.deepEqual(
      [schemas?.['Endpoint'], securitySchemes?.['bearer']],
      [{ type: 'string' }, { type: 'http', scheme: 'basic' }],
    );
  });

  test('refers to nothing that is not in it', () => {
    const text = JSON.stringify(admin.document({ into: OWN }));
    const { components } = JSON.parse(text) as { components: Record<string, Record<string, unknown>> };
    const references = [...text.matchAll(/"#\/components\/(\w+)\/(\w+)"/g)];
    assert.ok(references.length > 100);
    for (const [reference, kind = '', name = ''] of references) assert.ok(components[kind]?.[name], reference);
    const names = new Set(references.map(([, , name]) => name));
    assert.deepEqual(
      [...names].filter((name) => !name?.startsWith('holdfast')),
      ['Endpoint'],
    );
  });

  test('is made anew for an application that has no document yet', () => {
    assert.deepEqual(Object.keys(admin.document({ into: {}, paths: /^\/ready$/ })), ['paths', 'components']);
  });
});

test('a token is known with and without its header, and nothing else is', () => {
  for (const good of [TOKEN, `Bearer ${TOKEN}`, `bearer  ${TOKEN}`]) assert.equal(admin.callerOf(good)?.id, 'admin');
  for (const bad of [undefined, null, '', 'Bearer', 'Bearer ', `Basic ${TOKEN}`, `Bearer ${TOKEN} x`, `${TOKEN}x`])
    assert.equal(admin.callerOf(bad), null, String(bad));
});
