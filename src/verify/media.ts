/** The media type of a body. */
import type { HeaderList } from '../core/event.ts';
import { optionalHeader } from './headers.ts';

/** Type and subtype in lower case, without parameters; '' where there is none. */
export function mediaType(headers: HeaderList): string {
  const value = optionalHeader(headers, 'content-type');
  if (typeof value !== 'string') return '';
  const semicolon = value.indexOf(';');
  return (semicolon < 0 ? value : value.slice(0, semicolon)).trim().toLowerCase();
}

/** Whether the body is a form as browsers write it. */
export function isForm(headers: HeaderList): boolean {
  return mediaType(headers) === 'application/x-www-form-urlencoded';
}
