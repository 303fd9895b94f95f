/**
 * Destinations by number and name, with what is counted of each. Everything on disk refers to numbers; a rename onto a
 * name that exists leaves two numbers with one name, so nothing is rewritten.
 */
import type { Reader } from './reader.ts';

/** What is counted, in the order of the columns. */
export const counters = [
  'received',
  'succeeded',
  'skipped',
  'failed',
  'dead',
  'open_paged',
  'open_rows',
  'blocked',
  'unresolved',
] as const;
export type Counter = (typeof counters)[number];
export type Counts = Record<Counter, number>;

export function noCounts(): Counts {
  return {
    received: 0,
    succeeded: 0,
    skipped: 0,
    failed: 0,
    dead: 0,
    open_paged: 0,
    open_rows: 0,
    blocked: 0,
    unresolved: 0,
  };
}

export class Destinations {
  /** The head first: the number new deliveries take. */
  readonly #numbers = new Map<string, number[]>();
  readonly #names = new Map<number, string>();
  readonly #counts = new Map<number, Counts>();
  #next = 1;

  load(reader: Reader): void {
    for (const row of reader.all({ sql: 'SELECT * FROM destination ORDER BY head DESC, number' })) {
      const number = Number(row['number']);
      this.add(number, String(row['name']));
      const counts = this.counts(number);
      for (const counter of counters) counts[counter] = Number(row[counter]);
    }
  }

  /** The number the next new name gets. */
  get next(): number {
    return this.#next;
  }

  head(name: string): number | null {
    return this.#numbers.get(name)?.[0] ?? null;
  }

  numbers(name: string): readonly number[] {
    return this.#numbers.get(name) ?? [];
  }

  name(number: number): string {
    return this.#names.get(number) ?? '';
  }

  names(): readonly string[] {
    return [...this.#numbers.keys()];
  }

  /** All numbers there are. */
  all(): readonly number[] {
    return [...this.#names.keys()];
  }

  counts(number: number): Counts {
    let counts = this.#counts.get(number);
    if (counts === undefined) {
      counts = noCounts();
      this.#counts.set(number, counts);
    }
    return counts;
  }

  add(number: number, name: string): void {
    const numbers = this.#numbers.get(name);
    if (numbers === undefined) this.#numbers.set(name, [number]);
    else numbers.push(number);
    this.#names.set(number, name);
    this.#next = Math.max(this.#next, number + 1);
  }

  /** Takes back that a number was added. */
  remove(number: number, name: string): void {
    const rest = this.numbers(name).filter((other) => other !== number);
    if (rest.length === 0) this.#numbers.delete(name);
    else this.#numbers.set(name, rest);
    this.#names.delete(number);
    this.#counts.delete(number);
    if (number === this.#next - 1) this.#next = number;
  }

  /** What has the name `from` has the name `to` from now on, behind what had it before. Answers how to take it back. */
  rename(from: string, to: string): () => void {
    const numbers = this.numbers(from);
    const before = this.#numbers.get(to);
    this.#numbers.delete(from);
    this.#numbers.set(to, [...(before ?? []), ...numbers]);
    for (const number of numbers) this.#names.set(number, to);
    return () => {
      this.#numbers.set(from, [...numbers]);
      if (before === undefined) this.#numbers.delete(to);
      else this.#numbers.set(to, before);
      for (const number of numbers) this.#names.set(number, from);
    };
  }
}
