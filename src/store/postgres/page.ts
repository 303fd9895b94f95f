/**
 * One page of a list. The cursor is the position of the last row given. Reading forward stops below the positions that a
 * commit under way has drawn: else a page would pass over rows that are seen only later.
 */
import type { Listed, Page } from '../store.ts';
import type { Committing } from './commit.ts';
import type { Conditions } from './conditions.ts';
import type { Row } from './connection.ts';

/** What a list is read from: a query without conditions, order and limit, and conditions of its own. */
interface Part {
  readonly select: string;
  readonly where: readonly string[];
}

/** `now`: the time by the database's clock, as SQL. */
export type PartOf = (now: string) => Part;

/** How a list is asked for. */
export interface Listing<Shown> {
  readonly where: Conditions;
  /** The column of positions. */
  readonly position: string;
  /**
   * Each is ordered and cut by itself, so that each can be read along an index: the planner would read and sort the whole of
   * a table that is one of several.
   */
  readonly parts: readonly PartOf[];
  /** Whether a part asks for the time. */
  readonly timed: boolean;
  readonly show: (row: Row) => Shown;
}

export async function listed<Shown>(
  to: Committing,
  page: Page,
  { where, position, parts, timed, show }: Listing<Shown>,
): Promise<Listed<Shown>> {
  if (parts.length === 0) return { rows: [], cursor: null };
  const oldestFirst = page.oldestFirst ?? false;
  const after = page.cursor === undefined ? null : Math.trunc(Number(page.cursor));
  if (after !== null) where.add(`${position} ${oldestFirst ? '>' : '<'} ${where.value(after)}`);
  const { settled, now } = await before(to, { oldestFirst, timed });
  if (oldestFirst) where.add(`${position} <= ${where.value(settled)}`);
  const time = timed ? `${where.value(now)}::bigint` : '';
  const limit = where.value(page.limit + 1);
  const cut = (column: string): string => `ORDER BY ${column} ${oldestFirst ? 'ASC' : 'DESC'} LIMIT ${limit}`;
  const queries = parts.map((part) => {
    const { select, where: own } = part(time);
    return `(${select} WHERE ${[where.text, ...own].join(' AND ')} ${cut(position)})`;
  });
  const text = queries.length === 1 ? String(queries[0]) : `${queries.join(' UNION ALL ')} ${cut('seq')}`;
  const rows = await to.connections.read(text, where.values);
  const given = rows.slice(0, page.limit);
  const last = Number(given.at(-1)?.['seq'] ?? after);
  return { rows: given.map(show), cursor: rows.length > given.length ? String(last) : null };
}

/** A statement of its own: only what is read after it sees all that had committed then. */
async function before(
  { connections, schema }: Committing,
  { oldestFirst, timed }: { readonly oldestFirst: boolean; readonly timed: boolean },
): Promise<{ readonly settled: number; readonly now: number }> {
  if (!oldestFirst && !timed) return { settled: 0, now: 0 };
  const settled = oldestFirst ? `${schema}.settled_position_1()` : '0';
  const [row] = await connections.read(`SELECT ${settled} AS settled, ${schema}.now_ms() AS now`);
  return { settled: Number(row?.['settled']), now: Number(row?.['now']) };
}
