/** The audit log: who changed what, and the hashes by which it is checked. */
import { z } from '@hono/zod-openapi';
import type { AuditEntry } from '../core/audit.ts';
import { jsonRoute, type Route } from './route.ts';
import { isoTime, listOf, pageOf, pageQuery, time } from './schema.ts';

const hash = z.string().openapi({ description: 'SHA-256, hexadecimal.' });

export const entryShape = z
  .object({
    seq: z.number().int().openapi({ description: 'From 1, without gaps.' }),
    at: time,
    whoId: z
      .string()
      .openapi({ description: 'tok_… of an API token; admin: the admin token; local: code in the gateway.' }),
    whoName: z.string(),
    by: z.string().openapi({ description: 'Who the caller says it acts for; not proved.' }),
    action: z.string(),
    target: z.string(),
    note: z.string().nullable(),
    before: hash.nullable().openapi({ description: 'SHA-256 of what the target was, as the API shows it.' }),
    after: hash.nullable(),
    ip: z.string().openapi({ description: 'Empty when the request came over no network.' }),
    previous: hash.nullable().openapi({ description: 'hash of the entry before.' }),
    hash,
  })
  .openapi('AuditEntry');

const mark = z.object({ seq: z.number().int(), hash }).nullable();

export const marksShape = z.object({
  purged: mark.openapi({ description: 'The last entry that retention let go.' }),
  head: mark.openapi({ description: 'An entry that was there: the newest, or one a little older.' }),
});

function showEntry(entry: AuditEntry): z.output<typeof entryShape> {
  return { ...entry, at: isoTime(entry.at) };
}

const list = jsonRoute({
  method: 'get',
  path: '/api/audit',
  group: 'audit',
  scope: 'admin',
  summary: 'Lists what was changed and by whom, newest first.',
  about:
    'Each entry has the hash of the one before: `holdfast audit --verify` checks the chain against the marks. ' +
    'Emitted events are not in it: each is its own record.',
  query: z.object(pageQuery),
  answer: listOf(entryShape).extend({ marks: marksShape }),
  async handle({ query }, { port }) {
    const { rows, cursor, marks } = await port.audit.list(pageOf(query));
    return { rows: rows.map(showEntry), cursor, marks };
  },
});

export const auditRoutes: readonly Route[] = [list];
