/** What a list is filtered by: conditions and the values they name by number. */
import { BUCKET_MS } from './tables.ts';
import { storedText } from './text.ts';

/** More than any day. */
const BUCKET_MAX = 2 ** 31 - 1;

export class Conditions {
  readonly values: unknown[] = [];
  readonly #all: string[] = [];

  /** Names a value. */
  value(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }

  add(condition: string): void {
    this.#all.push(condition);
  }

  /** The column has this text; nothing is asked when none is given. */
  is(column: string, text: string | undefined): void {
    if (text !== undefined) this.add(`${column} = ${this.value(storedText(text))}`);
  }

  /** The event `e` was received then. */
  within({ since, until }: { readonly since?: number; readonly until?: number }): void {
    if (since !== undefined) {
      this.add(`e.received_at >= ${this.value(Math.ceil(since))}`);
      this.add(this.daysFrom('e.bucket', since));
    }
    if (until !== undefined) this.add(`e.received_at < ${this.value(Math.ceil(until))}`);
  }

  /** Days of events received since then: an id is not made before its event is received, by more than clocks are apart. */
  daysFrom(column: string, since: number): string {
    const day = Math.min(Math.max(0, Math.floor(since / BUCKET_MS) - 1), BUCKET_MAX);
    return `(${column} >= ${this.value(day)} OR ${column} = 0)`;
  }

  /** All of them, as one condition. */
  get text(): string {
    return this.#all.length === 0 ? 'true' : this.#all.join(' AND ');
  }
}
