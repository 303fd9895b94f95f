/** What a list is filtered by: conditions and the values they name by number. */
import { storedText } from './text.ts';

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

  within(column: string, { since, until }: { readonly since?: number; readonly until?: number }): void {
    if (since !== undefined) this.add(`${column} >= ${this.value(Math.ceil(since))}`);
    if (until !== undefined) this.add(`${column} < ${this.value(Math.ceil(until))}`);
  }

  /** All of them, as one condition. */
  get text(): string {
    return this.#all.length === 0 ? 'true' : this.#all.join(' AND ');
  }
}
