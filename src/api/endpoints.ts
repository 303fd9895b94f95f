/** Endpoints: made, shown, changed, tested, given new secrets, deleted; a tenant's token sees and changes its own. */
import { z } from '@hono/zod-openapi';
import type { EndpointChange, EndpointMade, EndpointView } from '../endpoints/definition.ts';
import { jsonRoute, type Route, Status } from './route.ts';
import { given, idOf, isoTime, isoTimeOrNull, listOf, name, text, time } from './schema.ts';

const params = z.object({ id: idOf('ep') });

const DELAYS_MAX = 100;
const DELAY_MS_MAX = 30 * 86_400_000;
const OVERLAP_MS_DEFAULT = 86_400_000;
const OVERLAP_MS_MAX = 30 * 86_400_000;
const LIMIT_MAX = 200;
const delayMs = z.number().int().min(0).max(DELAY_MS_MAX);

const retry = z
  .union([
    z.strictObject({
      kind: z.literal('exponential'),
      maxAttempts: z.number().int().min(1).max(DELAYS_MAX),
      baseMs: delayMs,
      factor: z.number().min(1).max(10).default(2),
      capMs: delayMs.default(3_600_000),
      jitter: z.enum(['full', 'none']).default('full'),
    }),
    z.strictObject({
      kind: z.literal('list'),
      delaysMs: z.array(delayMs).max(DELAYS_MAX),
      jitter: z.enum(['full', 'fifth', 'none']).default('full'),
    }),
  ])
  .openapi('RetryPolicy', { description: 'Delays between attempts; `full` draws each between 0 and the delay.' });

const statuses = z.array(z.string().max(16)).max(50);
const statusRules = z.strictObject({
  success: statuses.optional(),
  fail: statuses.optional(),
  retry: statuses.optional(),
});

const headerName = z.string().min(1).max(128);
const signing = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('standard'),
      keys: z.enum(['v1', 'v1a', 'both']).optional(),
      headerPrefix: headerName.optional(),
      forwardedPrefix: headerName.optional(),
    }),
    z.strictObject({
      kind: z.literal('hmac'),
      header: headerName,
      prefix: z.string().max(64).optional(),
      algorithm: z.enum(['sha1', 'sha256', 'sha384', 'sha512']).optional(),
      encoding: z.enum(['hex', 'base64']).optional(),
      secretEncoding: z.enum(['utf8', 'hex', 'base64']).optional(),
      timestamp: z.strictObject({ header: headerName, joiner: z.string().max(8).optional() }).optional(),
    }),
    z.strictObject({ kind: z.literal('none') }),
  ])
  .openapi('EndpointSigning', { description: 'standard: Standard Webhooks. hmac: as a provider does it.' });

const secretText = z.string().min(1).max(16_384);
const auth = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('bearer'), token: secretText }),
    z.strictObject({ kind: z.literal('basic'), username: z.string().max(256), password: secretText }),
    z.strictObject({
      kind: z.literal('oauth2'),
      tokenUrl: z.string().max(2048),
      clientId: z.string().min(1).max(1024),
      clientSecret: secretText,
      scope: z.string().max(1024).optional(),
      audience: z.string().max(1024).optional(),
      clientAuth: z.enum(['basic', 'body']).optional(),
    }),
  ])
  .openapi('EndpointAuth', { description: 'Write-only: it is not shown again.' });

const tls = z
  .strictObject({
    cert: secretText.optional(),
    key: secretText.optional(),
    passphrase: secretText.optional(),
    ca: secretText.optional(),
  })
  .openapi('EndpointTls', { description: 'Client certificate and trusted authority, in PEM. Write-only.' });

const asAll = { description: 'null (default): as all endpoints, as the code has it.' };

/** Everything but the URL is optional, for making one and for changing one. */
const settings = {
  description: z.string().max(1024).optional(),
  from: z.array(name).min(1).max(100).optional().openapi({ description: 'Sources; default: emitted.' }),
  types: z
    .array(text.refine((type) => !type.slice(0, -1).includes('*'), "a wildcard '*' stands only at the end"))
    .min(1)
    .max(1000)
    .nullable()
    .optional()
    .openapi({ description: 'With * at the end as a wildcard.' }),
  filter: z
    .looseObject({})
    .nullable()
    .optional()
    .openapi({ example: { path: 'body.amount', greater: 100 }, description: 'See docs/endpoints.md.' }),
  headers: z
    .record(headerName, z.string().max(8192))
    .optional()
    .openapi({ description: 'Added to every request. Write-only: names are shown, values are not.' }),
  signing: signing.optional(),
  auth: auth.nullable().optional(),
  tls: tls.nullable().optional(),
  method: z.enum(['POST', 'original']).optional(),
  ratePerS: z.number().positive().nullable().optional(),
  concurrency: z.number().int().min(1).nullable().optional().openapi(asAll),
  timeoutMs: z.number().int().min(1).nullable().optional().openapi(asAll),
  retry: retry.nullable().optional().openapi(asAll),
  statusRules: statusRules.optional(),
  retryAfterMaxMs: z.number().int().min(0).optional(),
  ordered: z.boolean().optional(),
};

const url = z.string().min(1).max(2048);
const tenant = z
  .string()
  .min(1)
  .max(512)
  .nullable()
  .optional()
  .openapi({ description: 'null: events of every tenant.' });

export const endpointShape = z
  .object({
    id: z.string(),
    url: z.string(),
    description: z.string(),
    tenant: z.string().nullable(),
    from: z.array(z.string()),
    types: z.array(z.string()).nullable(),
    filter: z.looseObject({}).nullable(),
    headers: z.array(z.string()).openapi({ description: 'Names only.' }),
    signing,
    secrets: z.array(
      z.object({
        id: z.string(),
        kind: z.enum(['v1', 'v1a']),
        publicKey: z.string().nullable(),
        createdAt: time,
        expiresAt: time.nullable(),
      }),
    ),
    auth: z.enum(['bearer', 'basic', 'oauth2']).nullable(),
    tls: z.boolean(),
    method: z.enum(['POST', 'original']),
    ratePerS: z.number().nullable(),
    concurrency: z.number().int(),
    timeoutMs: z.number().int(),
    retry,
    statusRules,
    retryAfterMaxMs: z.number().int(),
    ordered: z.boolean(),
    state: z.enum(['active', 'paused', 'disabled']),
    reason: z.string().nullable(),
    createdAt: time,
    updatedAt: time,
    version: z.number().int(),
  })
  .openapi('Endpoint');

export const endpointMadeShape = z
  .object({
    endpoint: endpointShape,
    secret: z.string().nullable().openapi({ description: 'whsec_…, shown this once.' }),
    publicKey: z.string().nullable().openapi({ description: 'whpk_…, that receivers verify v1a with.' }),
  })
  .openapi('EndpointMade');

function shown({ filter, createdAt, updatedAt, secrets, ...same }: EndpointView): z.output<typeof endpointShape> {
  return {
    ...(same as Omit<z.output<typeof endpointShape>, 'filter' | 'createdAt' | 'updatedAt' | 'secrets'>),
    filter,
    createdAt: isoTime(createdAt),
    updatedAt: isoTime(updatedAt),
    secrets: secrets.map((secret) => ({
      ...secret,
      createdAt: isoTime(secret.createdAt),
      expiresAt: isoTimeOrNull(secret.expiresAt),
    })),
  };
}

function shownMade({ endpoint, ...keys }: EndpointMade): z.output<typeof endpointMadeShape> {
  return { endpoint: shown(endpoint), ...keys };
}

const shared = { group: 'endpoints', scope: 'endpoints', tenants: true } as const;
const input = ['invalid_input', 'blocked_target', 'store_unavailable'] as const;

const list = jsonRoute({
  ...shared,
  method: 'get',
  path: '/api/endpoints',
  summary: 'Lists endpoints in the order they were made.',
  query: z.object({
    tenant: text.optional(),
    cursor: idOf('ep').optional(),
    limit: z.coerce.number().int().min(1).max(LIMIT_MAX).default(50),
  }),
  answer: listOf(endpointShape),
  async handle({ query }, { port }) {
    const { rows, cursor } = await port.endpoints.list({
      tenant: query.tenant ?? null,
      after: query.cursor ?? '',
      limit: query.limit,
    });
    return { rows: rows.map(shown), cursor };
  },
});

const one = jsonRoute({
  ...shared,
  method: 'get',
  path: '/api/endpoints/{id}',
  summary: 'Shows an endpoint; nothing that is secret.',
  params,
  answer: endpointShape,
  errors: ['not_found'],
  handle: async ({ params: { id } }, { port }) => shown(await port.endpoints.get(id)),
});

const create = jsonRoute({
  ...shared,
  method: 'post',
  path: '/api/endpoints',
  summary: 'Makes an endpoint, and shows its secret this once.',
  audit: 'endpoint.create',
  body: z
    .strictObject({
      url,
      tenant,
      secret: secretText
        .optional()
        .openapi({ description: 'To sign with one that the receiver has; default: made here.' }),
      ...settings,
    })
    .openapi({ example: { url: 'https://example.com/hooks', description: 'Orders of the shop' } }),
  answer: endpointMadeShape,
  statuses: [201],
  errors: [...input, 'endpoint_limit'],
  async handle({ body: { secret, ...rest } }, { port, changed }) {
    const answer = shownMade(await port.endpoints.create(asked(rest), secret ?? null));
    changed({ target: answer.endpoint.id, note: answer.endpoint.url, after: answer.endpoint });
    return new Status(201, answer);
  },
});

const update = jsonRoute({
  ...shared,
  method: 'patch',
  path: '/api/endpoints/{id}',
  summary: 'Changes an endpoint; what is left out stays. Attempts from now on are made as it is then.',
  audit: 'endpoint.update',
  params,
  body: z
    .strictObject({
      url: url.optional(),
      tenant,
      state: z.enum(['active', 'paused', 'disabled']).optional().openapi({
        description:
          'paused and disabled hold its deliveries; disabled also takes no new ones to attempt until it is active.',
      }),
      version: z.number().int().optional().openapi({ description: 'Refused when it has another one by now.' }),
      ...settings,
    })
    .openapi({ example: { description: 'Orders of the other shop' } }),
  answer: endpointShape,
  errors: [...input, 'not_found', 'conflict', 'endpoint_limit'],
  async handle({ params: { id }, body: { state, version, ...rest } }, { port, by, changed }) {
    const wanted = asked(rest);
    let endpoint = await port.endpoints.get(id);
    const before = shown(endpoint);
    changed({ before });
    if (Object.keys(wanted).length > 0 || version !== undefined) {
      endpoint = await port.endpoints.update(id, wanted, version ?? null);
    }
    if (state !== undefined) endpoint = await port.endpoints.setState(id, state, by);
    const after = shown(endpoint);
    changed({ before, after });
    return after;
  },
});

const remove = jsonRoute({
  ...shared,
  method: 'delete',
  path: '/api/endpoints/{id}',
  summary: 'Deletes an endpoint; what it was owed becomes dead letters `destination_deleted`.',
  audit: 'endpoint.delete',
  params,
  answer: null,
  errors: ['not_found', 'store_unavailable'],
  async handle({ params: { id } }, { port, changed }) {
    changed({ before: shown(await port.endpoints.get(id)) });
    await port.endpoints.remove(id);
    return null;
  },
});

const rotate = jsonRoute({
  ...shared,
  method: 'post',
  path: '/api/endpoints/{id}/rotate-secret',
  summary: 'Makes a new secret, shown this once; the old ones sign beside it for a while.',
  audit: 'endpoint.rotate-secret',
  params,
  body: z
    .strictObject({
      overlapMs: z.number().int().min(0).max(OVERLAP_MS_MAX).default(OVERLAP_MS_DEFAULT),
      secret: secretText.optional(),
    })
    .openapi({ example: { overlapMs: OVERLAP_MS_DEFAULT } }),
  bodyOptional: true,
  answer: endpointMadeShape,
  errors: ['not_found', 'invalid_input', 'store_unavailable'],
  async handle({ params: { id }, body: { overlapMs, secret } }, { port, changed }) {
    const before = shown(await port.endpoints.get(id));
    const answer = shownMade(await port.endpoints.rotate(id, { overlapMs, secret: secret ?? null }));
    changed({ before, after: answer.endpoint });
    return answer;
  },
});

const test = jsonRoute({
  ...shared,
  method: 'post',
  path: '/api/endpoints/{id}/test',
  summary: 'Sends an event of the type endpoint.test to just this endpoint; its timeline tells what came of it.',
  audit: 'endpoint.test',
  params,
  answer: z.object({ eventId: z.string() }),
  errors: ['not_found', 'store_unavailable'],
  async handle({ params: { id } }, { port, by, changed }) {
    const eventId = await port.endpoints.test(id, by);
    changed({ note: eventId });
    return { eventId };
  },
});

/** By name, for callers within the process. */
export const endpoints = { list, one, create, update, remove, rotate, test };

export const endpointRoutes: readonly Route[] = Object.values(endpoints);

/** What was asked for. The filter is data until it is checked beside everything else. */
function asked<Body extends object>(body: Body): Omit<Body, 'filter'> & EndpointChange {
  return given(body) as Omit<Body, 'filter'> & EndpointChange;
}
