/** Rows of one collection by their ids: what was read once is not read again, and what was changed is known. */
import type { Collection, Document, Filter } from 'mongodb';

interface Kept<Row> {
  readonly before: Row | null;
  now: Row | null;
}

export class RowCache<Row, Stored extends { readonly _id: string }> {
  readonly #collection: Collection<Stored>;
  readonly #rowOf: (document: Stored) => Row;
  readonly #projection: Document | undefined;
  readonly #kept = new Map<string, Kept<Row>>();

  constructor(collection: Collection<Stored>, rowOf: (document: Stored) => Row, projection?: Document) {
    this.#collection = collection;
    this.#rowOf = rowOf;
    this.#projection = projection;
  }

  /** Reads the rows with these ids that have not been read. */
  async load(ids: Iterable<string>): Promise<void> {
    const missing = [...new Set(ids)].filter((id) => !this.#kept.has(id));
    if (missing.length === 0) return;
    const filter = { _id: missing.length === 1 ? missing[0] : { $in: missing } } as Filter<Stored>;
    const options = this.#projection === undefined ? {} : { projection: this.#projection };
    const found = (await this.#collection.find(filter, options).toArray()) as unknown as Stored[];
    const rows = new Map(found.map((document) => [document._id, this.#rowOf(document)]));
    for (const id of missing) {
      if (this.#kept.has(id)) continue;
      const row = rows.get(id) ?? null;
      this.#kept.set(id, { before: row, now: row });
    }
  }

  /** The row as it is now; `null`: there is none. */
  async get(id: string): Promise<Row | null> {
    await this.load([id]);
    return this.peek(id);
  }

  /** The row as it is now, where it has been read. */
  peek(id: string): Row | null {
    return this.#kept.get(id)?.now ?? null;
  }

  set(id: string, row: Row): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) this.#kept.set(id, { before: null, now: row });
    else kept.now = row;
  }

  /** Rows that were set, and whether each is new. */
  *changed(): Generator<{ readonly id: string; readonly row: Row; readonly isNew: boolean }> {
    for (const [id, { before, now }] of this.#kept) {
      if (now !== null && now !== before) yield { id, row: now, isNew: before === null };
    }
  }

  /** Every row there is. */
  *rows(): Generator<Row> {
    for (const { now } of this.#kept.values()) if (now !== null) yield now;
  }
}
