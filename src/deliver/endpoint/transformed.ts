/** What a transform made of an event, as bytes and headers that can be sent. */
import type { HeaderList } from '../../core/event.ts';
import { HoldfastError } from '../../errors.ts';
import { problemOfHeader } from './check.ts';
import type { Transformed } from './target.ts';

/**
 * @param made lower-case names of headers that are made for each request
 * @throws HoldfastError `invalid_input` when it cannot be sent
 */
export function sendableOf(
  { body, headers = {} }: Transformed,
  made: ReadonlySet<string>,
): { body: Uint8Array; changed: HeaderList } {
  const isJson = typeof body !== 'string' && !(body instanceof Uint8Array);
  const bytes = body instanceof Uint8Array ? body : Buffer.from(typeof body === 'string' ? body : jsonOf(body), 'utf8');
  const changed = Object.entries(headers).flat();
  for (let index = 0; index + 1 < changed.length; index += 2) {
    const name = changed[index] ?? '';
    const problem = problemOfHeader(name, changed[index + 1] ?? '');
    if (problem !== null) throw invalid(problem);
    if (made.has(name.toLowerCase())) throw invalid(`'${name}' is made by Holdfast and cannot be given`);
  }
  const saysType = Object.keys(headers).some((name) => name.toLowerCase() === 'content-type');
  return { body: bytes, changed: isJson && !saysType ? [...changed, 'content-type', 'application/json'] : changed };
}

function jsonOf(body: unknown): string {
  const text: string | undefined = JSON.stringify(body);
  if (text === undefined) throw invalid(`body: expected bytes, text or something JSON can hold, got ${typeof body}`);
  return text;
}

function invalid(detail: string): HoldfastError {
  return new HoldfastError('invalid_input', { detail: `transform: ${detail}.` });
}
