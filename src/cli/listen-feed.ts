/**
 * Accepted events in the order of their commits, each once: what the list of the admin API has beyond the last one seen.
 * The live stream only says when to look, so what it missed, or what was accepted while the connection was lost, is there
 * all the same.
 */
import type { z } from 'zod';
import type { eventShape } from '../api/shapes.ts';
import type { Client, Rows } from './client.ts';

export type ListedEvent = z.output<typeof eventShape>;

export interface Wanted {
  readonly source: string | undefined;
  /** Whole types, or beginnings that end in `*`; none: all. */
  readonly types: readonly string[];
}

/** Most rows looked through at once: who was away for longer finds the newest of them. */
const ROWS_MAX = 10_000;
const PAGE = 200;
const SEEN_MAX = 2 * ROWS_MAX;

export class Feed {
  readonly #wanted: Wanted;
  /** Ids that were listed, the newest last. */
  readonly #seen = new Set<string>();
  #begun = false;

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
  }

  /** Whether {@link begin} has been through. */
  get begun(): boolean {
    return this.#begun;
  }

  /** The newest `last` events, the oldest of them first. What is accepted from now on is news. */
  async begin(client: Client, last: number): Promise<readonly ListedEvent[]> {
    const found: ListedEvent[] = [];
    const { rows } = await this.#read(client, (row) => {
      if (found.length < last && this.#wants(row)) found.push(row);
      return found.length >= last;
    });
    this.#note(rows);
    this.#begun = true;
    return found.toReversed();
  }

  /** What was accepted since, the oldest first, and whether that is all of it. */
  async news(client: Client): Promise<{ readonly events: readonly ListedEvent[]; readonly whole: boolean }> {
    const { rows, whole } = await this.#read(client, (row) => this.#seen.has(row.id));
    const fresh = rows.filter(({ id }) => !this.#seen.has(id));
    this.#note(fresh);
    return { events: fresh.filter((row) => this.#wants(row)).toReversed(), whole };
  }

  /** Rows from the newest down to the first of which `enough` is true; `whole`: there was one, or no more rows. */
  async #read(
    client: Client,
    enough: (row: ListedEvent) => boolean,
  ): Promise<{ readonly rows: ListedEvent[]; readonly whole: boolean }> {
    const rows: ListedEvent[] = [];
    let cursor: string | undefined;
    // Mostly there are few: the first page is small.
    for (let limit = 20; rows.length < ROWS_MAX; limit = PAGE) {
      const query = { source: this.#wanted.source, type: this.#oneType(), limit, cursor };
      const page: Rows<ListedEvent> = await client.get('/api/events', query);
      const end = page.rows.findIndex(enough);
      rows.push(...(end < 0 ? page.rows : page.rows.slice(0, end + 1)));
      if (end >= 0 || page.cursor === null) return { rows, whole: true };
      cursor = page.cursor;
    }
    return { rows, whole: false };
  }

  /** The type the list is asked for, where that is enough. */
  #oneType(): string | undefined {
    const [only, ...more] = this.#wanted.types;
    return more.length > 0 || only?.endsWith('*') === true ? undefined : only;
  }

  /** A repeat with another body is kept to be looked at: it is delivered to nobody. */
  #wants({ type, duplicateOf }: ListedEvent): boolean {
    if (duplicateOf !== null) return false;
    const { types } = this.#wanted;
    return types.length === 0 || types.some((one) => fits(one, type));
  }

  #note(newestFirst: readonly ListedEvent[]): void {
    for (const { id } of newestFirst.toReversed()) this.#seen.add(id);
    for (const id of this.#seen) {
      if (this.#seen.size <= SEEN_MAX) return;
      this.#seen.delete(id);
    }
  }
}

function fits(wanted: string, type: string): boolean {
  return wanted.endsWith('*') ? type.startsWith(wanted.slice(0, -1)) : wanted === type;
}
