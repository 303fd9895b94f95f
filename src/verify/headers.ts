/**
 * Reading the headers that decide. A header a verdict rests on must be there exactly once: of two, the one that was
 * verified and the one that is read later could differ.
 */
import type { HeaderList } from '../core/event.ts';
import type { Refusal } from './verdict.ts';
import { refuse } from './verdict.ts';

/** The one value of a header, trimmed, or why there is none: missing, empty, or sent more than once. */
export function soleHeader(headers: HeaderList, lowerName: string): string | Refusal {
  const value = optionalHeader(headers, lowerName);
  return value ?? refuse('header_missing', `${lowerName} is missing`);
}

/** Like {@link soleHeader}, but `undefined` where the header is missing or empty. */
export function optionalHeader(headers: HeaderList, lowerName: string): string | Refusal | undefined {
  const { length } = lowerName;
  let found: string | undefined;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index];
    if (name?.length !== length || (name !== lowerName && name.toLowerCase() !== lowerName)) continue;
    if (found !== undefined) return refuse('header_malformed', `${lowerName} was sent more than once`);
    found = headers[index + 1] ?? '';
  }
  const value = found?.trim();
  return value === '' ? undefined : value;
}
