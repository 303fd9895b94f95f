/** Correlation: what the sender gave is taken in if it is sane, else made, so that every event has both. */
import { type HeaderList, headerValue } from '../core/event.ts';

const SANE = /^[\x21-\x7e]{1,128}$/;
const IDS = '(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}';
/** https://www.w3.org/TR/trace-context/#traceparent-header: version 00 is exactly this; later ones may have more after it. */
const TRACEPARENT = new RegExp(`^(?:00-${IDS}|(?!00|ff)[0-9a-f]{2}-${IDS}(?:-.*)?)$`);

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** The sender's `x-correlation-id`; `null` where there is none of up to 128 visible ASCII characters. */
export function correlationOf(headers: HeaderList): string | null {
  const given = headerValue(headers, 'x-correlation-id');
  return given !== undefined && SANE.test(given) ? given : null;
}

/** The sender's `traceparent`; `null` where there is no valid one. */
export function traceparentOf(headers: HeaderList): string | null {
  const given = headerValue(headers, 'traceparent');
  return given !== undefined && given.length <= 128 && TRACEPARENT.test(given) ? given : null;
}

/**
 * A new trace named after an event: the id's bytes are random enough for a trace id, and its second half for the span.
 * Not sampled: that is for a tracer to decide, and Holdfast may be the only one who has none.
 */
export function makeTraceparent(id: Uint8Array): string {
  let high = '';
  let low = '';
  for (let index = 0; index < 8; index++) {
    high += HEX[id[index] ?? 0] ?? '';
    low += HEX[id[index + 8] ?? 0] ?? '';
  }
  return `00-${high}${low}-${low}-00`;
}
