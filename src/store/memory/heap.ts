/** A binary heap of entries, the lowest key first; equal keys come in the order of their insertion. */

interface Entry<Item> {
  readonly key: number;
  readonly turn: number;
  readonly item: Item;
}

/**
 * Entries are hints: nothing is ever removed from the middle. Whoever takes one checks it against the row it is about
 * and drops it when it no longer holds.
 */
export class Heap<Item> {
  readonly #entries: Entry<Item>[] = [];
  #turns = 0;

  get size(): number {
    return this.#entries.length;
  }

  push(key: number, item: Item): void {
    const entries = this.#entries;
    const entry = { key, turn: this.#turns++, item };
    let at = entries.length;
    entries.push(entry);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = entries[above];
      if (parent === undefined || before(parent, entry)) break;
      entries[at] = parent;
      at = above;
    }
    entries[at] = entry;
  }

  /** The lowest entry; `undefined` when there is none. */
  peek(): { readonly key: number; readonly item: Item } | undefined {
    return this.#entries[0];
  }

  /** Takes the lowest entry out. */
  pop(): Item | undefined {
    const entries = this.#entries;
    const top = entries[0];
    const last = entries.pop();
    if (top === undefined || last === undefined) return undefined;
    if (entries.length > 0) this.#sink(last);
    return top.item;
  }

  /** Puts an entry at the top and lets it down to its place. */
  #sink(entry: Entry<Item>): void {
    const entries = this.#entries;
    let at = 0;
    for (;;) {
      const left = entries[2 * at + 1];
      const right = entries[2 * at + 2];
      if (left === undefined) break;
      const takeRight = right !== undefined && before(right, left);
      const child = takeRight ? right : left;
      if (before(entry, child)) break;
      entries[at] = child;
      at = 2 * at + (takeRight ? 2 : 1);
    }
    entries[at] = entry;
  }
}

function before(a: Entry<unknown>, b: Entry<unknown>): boolean {
  return a.key < b.key || (a.key === b.key && a.turn < b.turn);
}
