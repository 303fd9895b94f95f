/**
 * Text that PostgreSQL stores exactly. It takes neither U+0000 nor half of a surrogate pair; one such character in one
 * event would fail the commit of all others. They are stored as U+001A and four hexadecimal digits, as is U+001A itself,
 * so that different texts stay different.
 */
import type { JsonValue } from '../batch.ts';

// oxlint-disable-next-line no-control-regex -- these are what it is about
const UNSTORABLE = /[\0\u001a\ud800-\udfff]/gu;
// oxlint-disable-next-line no-control-regex -- these are what it is about
const STORED = /\u001a([0-9a-f]{4})/g;
/** The same in the text of a JSON value, where they are escapes. */
const UNSTORABLE_JSON = /\\u(?:0000|001a|d[89a-f])/;

export function storedText(text: string): string;
export function storedText(text: string | null): string | null;
export function storedText(text: string | null): string | null {
  if (text === null || text.search(UNSTORABLE) < 0) return text;
  return text.replace(UNSTORABLE, (one) => `\u001a${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

export function givenText(text: string): string;
export function givenText(text: string | null): string | null;
export function givenText(text: string | null): string | null {
  if (text === null || !text.includes('\u001a')) return text;
  return text.replace(STORED, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

/** The text of a value for a jsonb column; its strings, but not its names, may hold anything. */
export function storedJson(value: unknown): string {
  const text = JSON.stringify(value);
  if (!UNSTORABLE_JSON.test(text)) return text;
  return JSON.stringify(value, (_, item: unknown) => (typeof item === 'string' ? storedText(item) : item));
}

/** What {@link storedJson} stored. */
export function givenJson(text: string): unknown {
  if (!text.includes(String.raw`\u001a`)) return JSON.parse(text);
  return JSON.parse(text, (_, item: unknown) => (typeof item === 'string' ? givenText(item) : item));
}

/** A document's value: its column is of type json, which keeps the text as it is. */
export function documentText(value: JsonValue | null): string | null {
  return value === null ? null : JSON.stringify(value);
}
