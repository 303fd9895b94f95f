/**
 * One page of a list. The cursor is the position of the last row given. Reading forward stops below the positions that a
 * commit under way has drawn: else a page would pass over rows that are seen only later.
 */
import type { Listed, Page } from '../store.ts';
import type { Committing } from './commit.ts';
import type { Conditions } from './conditions.ts';
import type { Row } from './connection.ts';

/** How a list is asked for. */
export interface Listing<Shown> {
  readonly where: Conditions;
  /** The column of positions. */
  readonly position: string;
  /** The query with its conditions, without order and limit. */
  readonly select: (conditions: string) => string;
  readonly show: (row: Row) => Shown;
}

export async function listed<Shown>(
  { connections, schema }: Committing,
  page: Page,
  { where, position, select, show }: Listing<Shown>,
): Promise<Listed<Shown>> {
  const oldestFirst = page.oldestFirst ?? false;
  const after = page.cursor === undefined ? null : Math.trunc(Number(page.cursor));
  if (after !== null) where.add(`${position} ${oldestFirst ? '>' : '<'} ${where.value(after)}`);
  if (oldestFirst) {
    // A statement of its own: only what is read after it sees all that had committed then.
    const [row] = await connections.read(`SELECT ${schema}.settled_position_1() AS position`);
    where.add(`${position} <= ${where.value(Number(row?.['position']))}`);
  }
  const order = `ORDER BY ${position.split('.').at(-1)} ${oldestFirst ? 'ASC' : 'DESC'}`;
  const text = `${select(where.text)} ${order} LIMIT ${where.value(page.limit + 1)}`;
  const rows = await connections.read(text, where.values);
  const given = rows.slice(0, page.limit);
  const last = Number(given.at(-1)?.['seq'] ?? after);
  return { rows: given.map(show), cursor: rows.length > given.length ? String(last) : null };
}
