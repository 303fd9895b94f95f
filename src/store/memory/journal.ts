/** How to take back what was done: what makes a commit in memory all or nothing. */
export class Journal {
  readonly #undo: (() => void)[] = [];

  /** Runs all of `work`, or leaves everything as it was and throws what it threw. */
  atomically<Result>(work: () => Result): Result {
    try {
      const result = work();
      this.#undo.length = 0;
      return result;
    } catch (error) {
      for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) undo();
      throw error;
    }
  }

  /** Notes how to take back a change that is about to be made or was just made. Called in reverse order. */
  note(undo: () => void): void {
    this.#undo.push(undo);
  }

  /** `map.set`, to be taken back. A key that is new leaves again; one that was there keeps its place. */
  set<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void {
    const old = map.get(key);
    const had = map.has(key);
    map.set(key, value);
    this.note(() => void (had ? map.set(key, old as Value) : map.delete(key)));
  }

  /** `map.delete`, to be taken back; the key may come back at another place. */
  delete<Key, Value>(map: Map<Key, Value>, key: Key): void {
    const old = map.get(key);
    if (map.delete(key)) this.note(() => void map.set(key, old as Value));
  }

  /** Sets fields of a row, to be taken back. */
  change<Row extends object>(row: Row, fields: Partial<Row>): void {
    const old: Partial<Row> = {};
    for (const name of Object.keys(fields) as (keyof Row)[]) old[name] = row[name];
    Object.assign(row, fields);
    this.note(() => void Object.assign(row, old));
  }
}
