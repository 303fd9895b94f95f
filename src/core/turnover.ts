/**
 * A map for what comes and goes by the thousand a second and is worth some kilobytes: claims, attempts under way.
 *
 * V8's own Map does not suit them. It moves to a new table after some dozen insertions, and an outgrown table keeps what
 * it held and refers to the next one. Once one of them has been moved to the old generation, all tables behind it, and all
 * that ever was in them, are only freed by a full garbage collection: measured, everything that passed through, some
 * hundred megabytes. So the Map here holds numbers only, and the values lie in an array whose places are cleared.
 */
export class Turnover<Value> {
  readonly #places = new Map<number, number>();
  readonly #values: (Value | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#places.size;
  }

  has(key: number): boolean {
    return this.#places.has(key);
  }

  get(key: number): Value | undefined {
    const place = this.#places.get(key);
    return place === undefined ? undefined : this.#values[place];
  }

  set(key: number, value: Value): void {
    let place = this.#places.get(key);
    if (place === undefined) this.#places.set(key, (place = this.#free.pop() ?? this.#values.length));
    this.#values[place] = value;
  }

  /** Whether it was there. */
  delete(key: number): boolean {
    const place = this.#places.get(key);
    if (place === undefined) return false;
    this.#places.delete(key);
    this.#values[place] = undefined;
    this.#free.push(place);
    return true;
  }

  /** In the order in which their keys came. What is deleted meanwhile is passed over. */
  *values(): Generator<Value, undefined> {
    for (const place of this.#places.values()) {
      const value = this.#values[place];
      if (value !== undefined) yield value;
    }
  }
}
