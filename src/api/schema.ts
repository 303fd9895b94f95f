/** The pieces that several schemas share: ids, times, pages. From a schema come validation, types and OpenAPI. */
import { z } from '@hono/zod-openapi';
import { TIME_MAX } from '../core/clock.ts';
import { deadReasons, type DeadReason, type DeliveryState } from '../core/delivery.ts';
import { parseDuration } from '../core/duration.ts';
import type { IdKind } from '../core/id.ts';
import type { Page } from '../store/store.ts';

/** Most rows of one page. */
const LIMIT_MAX = 200;

/** An id of this kind in a path, a query or a body. */
export function idOf(kind: IdKind): z.ZodString {
  return z
    .string()
    .regex(new RegExp(`^${kind}_[0-7][0-9a-hjkmnp-tv-z]{25}$`), `expected an id: ${kind}_ and 26 characters`);
}

/** A name or a key that something is filtered by. */
export const text = z.string().min(1).max(512);

/** A destination or a source. */
export const name = z.string().min(1).max(128);

/** A time as it is answered. */
export const time = z.iso.datetime().openapi({ format: 'date-time', example: '2026-01-01T00:00:00.000Z' });

export const isoTime = (ms: number): string => new Date(ms).toISOString();
export const isoTimeOrNull = (ms: number | null): string | null => (ms === null ? null : isoTime(ms));

/** A moment as input, in milliseconds since 1970 or as text; {@link momentOf} says which it is. */
export const moment = z
  .union([z.iso.datetime({ offset: true }), z.number().int().min(0).max(TIME_MAX)])
  .refine((given) => inRange(momentOf(given)) !== null, 'expected a time from 1970 to 9999');

export function momentOf(given: string | number): number {
  return typeof given === 'string' ? Date.parse(given) : given;
}

/** A time as it was asked for: a moment, or so long before now. */
export type When = { readonly at: number } | { readonly agoMs: number };

/** A time as input: ISO 8601, milliseconds since 1970, or a duration before now such as `1h`. */
export const when = z
  .string()
  .max(64)
  .transform((given, context): When => {
    const parsed = parseWhen(given.trim());
    if (parsed !== null) return parsed;
    context.addIssue({
      code: 'custom',
      message: "expected a time (2026-01-01T00:00:00Z, milliseconds) or an age ('1h')",
    });
    return z.NEVER;
  })
  .openapi({ description: 'ISO 8601, milliseconds since 1970, or an age such as 1h.', example: '1h' });

function parseWhen(given: string): When | null {
  if (/^\d+$/.test(given)) return inRange(Number(given));
  const agoMs = parseDuration(given);
  if (agoMs !== null) return { agoMs };
  return /^\d{4}-\d\d-\d\d/.test(given) ? inRange(Date.parse(given)) : null;
}

function inRange(ms: number): When | null {
  return ms >= 0 && ms <= TIME_MAX ? { at: ms } : null;
}

/** Milliseconds since 1970 of what was asked for. */
export function timeOf(asked: When, now: number): number {
  return 'at' in asked ? asked.at : now - asked.agoMs;
}

/** `true` or `false` in a query. */
export const flag = z
  .enum(['true', 'false'])
  .transform((given) => given === 'true')
  .openapi({ type: 'boolean' });

/** Where a list begins and how long it is. */
export const pageQuery = {
  cursor: z
    .string()
    .regex(/^-?\d{1,16}$/, 'it is not one of this list')
    .optional()
    .openapi({ description: 'From the answer before.' }),
  limit: z.coerce.number().int().min(1).max(LIMIT_MAX).default(50),
  order: z.enum(['newest', 'oldest']).default('newest').openapi({ description: 'Which come first.' }),
};

/** The page that a query asks for. */
export function pageOf(query: {
  readonly cursor?: string | undefined;
  readonly limit: number;
  readonly order: 'newest' | 'oldest';
}): Page {
  return { ...given({ cursor: query.cursor }), limit: query.limit, oldestFirst: query.order === 'oldest' };
}

/** A page of rows as it is answered. */
export function listOf<Row extends z.ZodType>(
  row: Row,
): z.ZodObject<{ rows: z.ZodArray<Row>; cursor: z.ZodNullable<z.ZodString> }> {
  return z.object({
    rows: z.array(row),
    cursor: z.string().nullable().openapi({
      description:
        'Give it back for the next page; null at the end. A search ends a page early where hardly anything fits: go on.',
    }),
  });
}

const REASONS = Object.keys(deadReasons) as [DeadReason, ...DeadReason[]];
export const deadReason = z.enum(REASONS);

const STATES = ['blocked', 'due', 'ready', 'claimed', 'succeeded', 'skipped', 'dead', 'cancelled'] as const;
export const deliveryState = z.enum(STATES satisfies readonly DeliveryState[]);

/** What `undefined` values leave: an object for exact optional properties. */
export function given<Values extends object>(
  values: Values,
): { [Name in keyof Values]: Exclude<Values[Name], undefined> } {
  // The type says that names are optional where their values were; entries do not keep that.
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
