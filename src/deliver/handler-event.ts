/** An event as a handler sees it. What costs something (decoding, parsing) happens when it is first asked for. */
import { inspect } from 'node:util';
import { type HeaderList, headerValue, headerValues, type StoredEvent } from '../core/event.ts';
import { HoldfastError } from '../errors.ts';

/** One accepted webhook, or one event the application emitted. `Body` is only a type: see the source's schema. */
export interface HandlerEvent<Body = unknown> {
  /** `evt_…`. The same in every attempt, so it serves as an idempotency key. */
  readonly id: string;
  /** Name of the source; `emitted` for the application's own events. */
  readonly source: string;
  /** '' when the source names none. */
  readonly type: string;
  readonly tenant: string | null;
  readonly orderKey: string | null;
  readonly dedupeKey: string | null;
  /**
   * The parsed JSON; of a form (`application/x-www-form-urlencoded`) an object with the last value of each field; else
   * the text. JSON is recognised by its content type or by its first character. Numbers beyond 2^53 lose digits in
   * JavaScript: use `text()` where they matter.
   */
  readonly body: Body;
  /** The bytes as received; a copy, yours to change. */
  readonly raw: Uint8Array;
  /** The fields of a form with all their values; `null` when the body is not a form. */
  readonly form: URLSearchParams | null;
  /** Name, value, name, value… as received. Credentials read `[redacted]`. */
  readonly headers: HeaderList;
  readonly receivedAt: Date;
  /** Common to everything that follows from one request. */
  readonly correlationId: string;
  /** W3C trace context; `null` when none came. */
  readonly traceparent: string | null;
  /** Why the body does not fit the source's schema; `null` when it fits or there is none. */
  readonly unfit: string | null;
  readonly method: string;
  /** Path as received, without the query. */
  readonly path: string;
  /** Query as received, without '?'; '' when there was none. */
  readonly query: string;
  /** The value of a header in any case, several joined by ', '; `null` when it is not there. As `Headers.get`. */
  header(name: string): string | null;
  /** The body as UTF-8 text, without a byte order mark. */
  text(): string;
}

const UNREAD = Symbol('unread');

/** A {@link HandlerEvent} over a stored one. Its body may be shared with other destinations: it is never handed out. */
export class EventView implements HandlerEvent {
  readonly #event: StoredEvent;
  #body: unknown = UNREAD;
  #raw: Uint8Array | null = null;
  #headers: HeaderList | null = null;

  constructor(event: StoredEvent) {
    this.#event = event;
  }

  get id(): string {
    return this.#event.id;
  }

  get source(): string {
    return this.#event.source;
  }

  get type(): string {
    return this.#event.type;
  }

  get tenant(): string | null {
    return this.#event.tenant;
  }

  get orderKey(): string | null {
    return this.#event.orderKey;
  }

  get dedupeKey(): string | null {
    return this.#event.dedupeKey;
  }

  get receivedAt(): Date {
    return new Date(this.#event.receivedAt);
  }

  get correlationId(): string {
    return this.#event.correlationId;
  }

  get traceparent(): string | null {
    return this.#event.traceparent;
  }

  get unfit(): string | null {
    return this.#event.unfit;
  }

  get method(): string {
    return this.#event.method;
  }

  get path(): string {
    return this.#event.path;
  }

  get query(): string {
    return this.#event.query;
  }

  get body(): unknown {
    if (this.#body === UNREAD) this.#body = this.#parse();
    return this.#body;
  }

  get raw(): Uint8Array {
    this.#raw ??= new Uint8Array(this.#bytes());
    return this.#raw;
  }

  get form(): URLSearchParams | null {
    return mediaType(this.#event.headers) === FORM ? new URLSearchParams(this.text()) : null;
  }

  get headers(): HeaderList {
    this.#headers ??= [...this.#event.headers];
    return this.#headers;
  }

  header(name: string): string | null {
    const values = headerValues(this.#event.headers, name.toLowerCase());
    return values.length === 0 ? null : values.join(', ');
  }

  text(): string {
    const bytes = this.#bytes();
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
    return text.startsWith('\uFEFF') ? text.slice(1) : text;
  }

  /** What `JSON.stringify` and `console.log` show. */
  toJSON(): Readonly<Record<string, unknown>> {
    const { id, source, type, tenant, orderKey, dedupeKey, receivedAt, correlationId, body } = this;
    return { id, source, type, tenant, orderKey, dedupeKey, receivedAt, correlationId, body };
  }

  [inspect.custom](): unknown {
    return this.toJSON();
  }

  #bytes(): Uint8Array {
    const { body, id } = this.#event;
    if (body === null) throw new HoldfastError('body_purged', { detail: id });
    return body;
  }

  #parse(): unknown {
    const type = mediaType(this.#event.headers);
    const text = this.text();
    if (type === FORM) return Object.fromEntries(new URLSearchParams(text));
    return isJson(type) || startsLikeJson(text) ? parseJson(text) : text;
  }
}

const FORM = 'application/x-www-form-urlencoded';

function mediaType(headers: HeaderList): string {
  const value = headerValue(headers, 'content-type') ?? '';
  const end = value.indexOf(';');
  return (end < 0 ? value : value.slice(0, end)).trim().toLowerCase();
}

function isJson(type: string): boolean {
  return type === 'application/json' || type.endsWith('+json');
}

/** Some providers send JSON as `text/plain` or without a type (Amazon SNS does). */
function startsLikeJson(text: string): boolean {
  return /^\s*[[{]/.test(text);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
