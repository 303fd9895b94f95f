/**
 * One accepted webhook, or one event emitted by the application. Immutable once committed.
 */

/**
 * Headers as they came: name, value, name, value… Case, order and duplicates survive where the host gives them.
 * Values are latin-1 text, one character per byte, and hold no line break (HTTP forbids it).
 */
export type HeaderList = readonly string[];

export interface StoredEvent {
  /** `evt_…`, made before the commit. */
  readonly id: string;
  /** Name of the source; emitted events have {@link EMITTED}. */
  readonly source: string;
  /** Event type; '' when the source names none. */
  readonly type: string;
  readonly tenant: string | null;
  readonly dedupeKey: string | null;
  readonly orderKey: string | null;
  /** Milliseconds since 1970. */
  readonly receivedAt: number;
  readonly method: string;
  /** Path without query, as received. */
  readonly path: string;
  /** Query without '?', as received; '' when there was none. */
  readonly query: string;
  /** As received; headers that are credentials have the value {@link REDACTED}. */
  readonly headers: HeaderList;
  /** The bytes as received. `null` once retention has purged them. */
  readonly body: Uint8Array | null;
  readonly correlationId: string;
  /** W3C trace context, as received or made. */
  readonly traceparent: string | null;
  /** Why the body does not fit the source's schema; `null` when it fits or none was given. */
  readonly unfit: string | null;
  /** The event this one repeats with a different body; such an event owes nothing. */
  readonly duplicateOf: string | null;
}

/** The source of events the application emits itself. */
export const EMITTED = 'emitted';

/** The source of what Holdfast itself reports: an endpoint was disabled, a breaker opened, a delivery is dead. */
export const OPERATIONAL = 'holdfast';

/** What stands in place of a credential in stored headers. */
export const REDACTED = '[redacted]';

/** The first value of a header, found by its lower-case name; `undefined` when it is not there. */
export function headerValue(headers: HeaderList, lowerName: string): string | undefined {
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index];
    if (name !== undefined && name.length === lowerName.length && name.toLowerCase() === lowerName) {
      return headers[index + 1];
    }
  }
  return undefined;
}

/** Every value of a header, in the order received. */
export function headerValues(headers: HeaderList, lowerName: string): string[] {
  const values: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const value = headers[index + 1];
    if (value !== undefined && headers[index]?.toLowerCase() === lowerName) values.push(value);
  }
  return values;
}

/** A copy in which the values of the named headers (lower case) are {@link REDACTED}. The same list if none is there. */
export function redactHeaders(headers: HeaderList, lowerNames: ReadonlySet<string>): HeaderList {
  let copy: string[] | null = null;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (!lowerNames.has(headers[index]?.toLowerCase() ?? '')) continue;
    copy ??= [...headers];
    copy[index + 1] = REDACTED;
  }
  return copy ?? headers;
}
