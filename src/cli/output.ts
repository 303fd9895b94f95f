/**
 * The only module that writes to the terminal. What is asked for goes to standard output, what is said about it
 * (progress, notes, errors) to standard error, so that a pipe gets data only. Colours on a terminal unless NO_COLOR.
 */
import { stripVTControlCharacters, styleText } from 'node:util';
import type { Environment } from '../ingest/source.ts';

/** Where text goes: `process.stdout`, or a test. */
export interface Sink {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string | Uint8Array): unknown;
}

export interface OutputOptions {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly environment: Environment;
}

type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan' | 'magenta';

const PROGRESS_EVERY_MS = 100;
const PROGRESS_LINE_EVERY_MS = 5000;

export class Output {
  readonly #stdout: Sink;
  readonly #stderr: Sink;
  readonly #plain: boolean;
  #progressShown = false;

  constructor(options: OutputOptions) {
    this.#stdout = options.stdout;
    this.#stderr = options.stderr;
    this.#plain = (options.environment('NO_COLOR') ?? '') !== '' || options.environment('TERM') === 'dumb';
  }

  /** Columns of the terminal; 120 where it goes to a file or a pipe. */
  get columns(): number {
    return this.#stdout.isTTY === true ? (this.#stdout.columns ?? 80) : 120;
  }

  /** A line of what was asked for. */
  line(text = ''): void {
    this.#clearProgress();
    this.#stdout.write(`${text}\n`);
  }

  /** Bytes of what was asked for. */
  bytes(bytes: Uint8Array): void {
    this.#clearProgress();
    this.#stdout.write(bytes);
  }

  /** One JSON value on a line of its own. */
  json(value: unknown): void {
    this.line(JSON.stringify(value));
  }

  /** Something a person wants to know and a program does not. */
  note(text: string): void {
    this.#clearProgress();
    this.#stderr.write(`${text}\n`);
  }

  /** A coloured text for standard output; as it is where that shows no colours. */
  paint(colour: Colour, text: string): string {
    return this.#plain || this.#stdout.isTTY !== true ? text : styleText(colour, text, { validateStream: false });
  }

  /** The same for standard error. */
  paintNote(colour: Colour, text: string): string {
    return this.#plain || this.#stderr.isTTY !== true ? text : styleText(colour, text, { validateStream: false });
  }

  /** Rows under a head, as wide as they are; the last column is cut at the edge of a terminal. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): void {
    const widths = head.map((title, column) =>
      Math.max(title.length, ...rows.map((row) => visible(row[column] ?? '').length)),
    );
    const line = (cells: readonly string[]): string =>
      cells.map((cell, column) => padCell(cell, widths, column)).join('  ');
    this.line(this.paint('dim', line(head)));
    for (const row of rows) this.line(this.#cut(line(row)));
  }

  /** Shows how far long work has come: in place on a terminal, as a line every five seconds elsewhere. */
  progress(): Progress {
    return new Progress({
      every: this.#stderr.isTTY === true ? PROGRESS_EVERY_MS : PROGRESS_LINE_EVERY_MS,
      show: (text) => this.#showProgress(text),
      clear: () => this.#clearProgress(),
    });
  }

  #showProgress(text: string): void {
    if (this.#stderr.isTTY !== true) {
      this.#stderr.write(`${text}\n`);
      return;
    }
    this.#stderr.write(`\r\u001b[K${this.#cut(text)}`);
    this.#progressShown = true;
  }

  #clearProgress(): void {
    if (!this.#progressShown) return;
    this.#stderr.write('\r\u001b[K');
    this.#progressShown = false;
  }

  #cut(text: string): string {
    const shown = visible(text);
    if (this.#stdout.isTTY !== true || shown.length <= this.columns) return text;
    return `${shown.slice(0, this.columns - 1)}…`;
  }
}

interface ProgressOptions {
  readonly every: number;
  show(text: string): void;
  clear(): void;
}

/** One piece of long work. */
export class Progress {
  readonly #options: ProgressOptions;
  #shownAt: number;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#shownAt = performance.now();
  }

  /** Call it as often as you like: it shows a few a second at most. */
  update(text: () => string): void {
    const now = performance.now();
    if (now - this.#shownAt < this.#options.every) return;
    this.#shownAt = now;
    this.#options.show(text());
  }

  end(): void {
    this.#options.clear();
  }
}

/**
 * Text from elsewhere, safe for a terminal: control characters must not move the cursor or change colours, nor marks of
 * direction the order in which what stands around them is read.
 */
export function plain(text: string): string {
  return stripVTControlCharacters(text).replaceAll(UNSAFE, ' ');
}

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function visible(text: string): string {
  return stripVTControlCharacters(text);
}

function padCell(cell: string, widths: readonly number[], column: number): string {
  if (column === widths.length - 1) return cell;
  return cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - visible(cell).length));
}
