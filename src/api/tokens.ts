/** API tokens: made, listed, revoked. A token's text is answered once, when it is made. */
import { z } from '@hono/zod-openapi';
import { HoldfastError } from '../errors.ts';
import { type Scope, scopes } from './caller.ts';
import type { TokenInfo } from './port.ts';
import { jsonRoute, type Route, type Shown, Status } from './route.ts';
import { idOf, isoTime, isoTimeOrNull, moment, momentOf, text, time } from './schema.ts';

const SCOPES = Object.keys(scopes) as [Scope, ...Scope[]];
const scope = z.enum(SCOPES).openapi({
  description: Object.entries(scopes)
    .map(([name, about]) => `${name}: ${about}`)
    .join('; '),
});

export const tokenShape = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(scope),
    tenant: z.string().nullable().openapi({ description: 'The one tenant it sees and acts for; null: all.' }),
    createdAt: time,
    createdBy: z.string(),
    expiresAt: time.nullable(),
    lastUsedAt: time.nullable().openapi({ description: 'To the hour.' }),
  })
  .openapi('Token');

function showToken(info: TokenInfo): Shown<z.output<typeof tokenShape>> {
  const { createdAt, expiresAt, lastUsedAt } = info;
  return {
    ...info,
    createdAt: isoTime(createdAt),
    expiresAt: isoTimeOrNull(expiresAt),
    lastUsedAt: isoTimeOrNull(lastUsedAt),
  };
}

const list = jsonRoute({
  method: 'get',
  path: '/api/tokens',
  group: 'tokens',
  scope: 'admin',
  summary: 'Lists the API tokens, the oldest first; never their text.',
  answer: z.object({ rows: z.array(tokenShape) }),
  async handle(_given, { port }) {
    return { rows: (await port.tokens.list()).map(showToken) };
  },
});

export const createdTokenShape = tokenShape.extend({
  token: z.string().openapi({ description: 'hft_…; shown this once.' }),
});

const create = jsonRoute({
  method: 'post',
  path: '/api/tokens',
  group: 'tokens',
  scope: 'admin',
  summary: 'Makes an API token. Its text is in this answer and nowhere else: it is kept as a hash.',
  audit: 'token.create',
  about: 'Every process of the gateway takes it within five seconds. The scope admin cannot be bound to a tenant.',
  body: z
    .strictObject({
      name: z.string().trim().min(1).max(128).openapi({ description: 'What it is for, as the audit log shows it.' }),
      scopes: z
        .array(scope)
        .min(1)
        .max(SCOPES.length)
        .refine((given) => new Set(given).size === given.length, 'expected each scope once'),
      tenant: text.optional(),
      expiresAt: moment.optional(),
    })
    .openapi({ example: { name: 'shop', scopes: ['endpoints'], tenant: 'shop' } }),
  answer: createdTokenShape,
  statuses: [201],
  errors: ['store_unavailable'],
  async handle({ body }, { port, by, changed }) {
    const { name, scopes: asked, tenant, expiresAt } = body;
    const { token, info } = await port.tokens.create({
      name,
      scopes: asked,
      tenant: tenant ?? null,
      expiresAt: expiresAt === undefined ? null : momentOf(expiresAt),
      by,
    });
    const shown = showToken(info);
    changed({ target: info.id, note: `${name}: ${asked.join(', ')}`, after: shown });
    return new Status(201, { ...shown, token });
  },
});

const revoke = jsonRoute({
  method: 'delete',
  path: '/api/tokens/{id}',
  group: 'tokens',
  scope: 'admin',
  summary: 'Revokes an API token: every process refuses it within five seconds, and ends its live streams.',
  audit: 'token.revoke',
  params: z.object({ id: idOf('tok') }),
  answer: tokenShape,
  errors: ['not_found', 'store_unavailable'],
  async handle({ params }, { port, changed }) {
    const info = await port.tokens.revoke(params.id);
    if (info === null) throw new HoldfastError('not_found', { detail: params.id });
    const shown = showToken(info);
    changed({ note: info.name, before: shown });
    return shown;
  },
});

export const tokenRoutes: readonly Route[] = [list, create, revoke];
