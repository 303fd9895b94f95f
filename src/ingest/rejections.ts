/**
 * Requests that were refused although they arrived whole, kept so that after a secret is corrected they can be verified
 * again and accepted. Not part of the store's promises: bounded in number, bytes and rate, the oldest give way, and a
 * flood of one kind of rejection pushes out only its own kind.
 */
import type { Clock } from '../core/clock.ts';
import type { HeaderList } from '../core/event.ts';
import { TokenBucket } from '../core/limiter.ts';
import type { ErrorCode } from '../errors.ts';
import type { Listed, Page } from '../store/store.ts';

/** Where on its way a request was refused. */
export type RejectionStep = 'handshake' | 'verify' | 'read' | 'commit';

export interface Rejection {
  /** `rej_…`. Rises with time. */
  readonly id: string;
  readonly source: string;
  /** Milliseconds since 1970; what the signature is judged by when it is verified again. */
  readonly receivedAt: number;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** As received; headers that are credentials are redacted, signatures are not. */
  readonly headers: HeaderList;
  /** The bytes as received. */
  readonly body: Uint8Array;
  /** After trusted proxies; '' where the host does not give it. */
  readonly remoteAddress: string;
  readonly step: RejectionStep;
  readonly code: ErrorCode;
  /** The verifier's reason, else the code again. */
  readonly reason: string;
  readonly detail: string | null;
  readonly correlationId: string;
  /** `false`: what proves the sender was a credential and has been redacted, so it cannot be verified again. */
  readonly verifiable: boolean;
}

/** As it is listed: without headers and body. */
export type RejectionSummary = Omit<Rejection, 'headers' | 'body'> & { readonly bodyBytes: number };

export interface RejectionFilter {
  readonly source?: string;
  readonly code?: string;
  readonly reason?: string;
  readonly ids?: readonly string[];
  /** Received at or after (ms since 1970). */
  readonly since?: number;
  /** Received before. */
  readonly until?: number;
}

export interface RejectionCounts {
  /** Kept now. */
  readonly kept: number;
  readonly bytes: number;
  /** Refused since the process started and not kept, or given way since. */
  readonly dropped: number;
  readonly sources: readonly { readonly source: string; readonly reason: string; readonly kept: number }[];
}

export interface RejectionLog {
  /** Makes it ready; repeat: nothing. Until then nothing is kept. */
  open(): Promise<void>;
  /** Keeps a rejection, or counts it where a bound is met. Never throws, never waits: it may be lost by a crash. */
  add(rejection: Rejection): void;
  list(filter: RejectionFilter, page: Page): Promise<Listed<RejectionSummary>>;
  get(id: string): Promise<Rejection | null>;
  counts(): Promise<RejectionCounts>;
  /** Answers how many there were. */
  delete(ids: readonly string[]): Promise<number>;
  /** Writes what waits. Safe twice and unopened. */
  close(): Promise<void>;
}

export interface RejectionBounds {
  /** Most rejections kept; 0: none. */
  readonly countMax: number;
  /** Most bytes of them kept, headers included. */
  readonly bytesMax: number;
  /** Most kept per second of one source and reason; the rest are only counted. */
  readonly perS: number;
  readonly clock: Clock;
}

/** What a rejection takes besides its text and body: ids, numbers, the row. */
const OVERHEAD_BYTES = 256;

export function rejectionBytes({ headers, body, path, query }: Rejection): number {
  let bytes = OVERHEAD_BYTES + body.length + path.length + query.length;
  for (const text of headers) bytes += text.length;
  return bytes;
}

function summaryOf({ headers: _headers, body, ...rest }: Rejection): RejectionSummary {
  return { ...rest, bodyBytes: body.length };
}

/** One source's rejections for one reason: the kind within which the oldest give way. */
export interface RejectionGroup {
  readonly source: string;
  readonly reason: string;
  count: number;
  bytes: number;
}

/** The bounds, kept: what may be added, and from which group one must give way. The same for every kind of log. */
export class RejectionBook {
  readonly #bounds: RejectionBounds;
  readonly #groups = new Map<string, RejectionGroup & { readonly bucket: TokenBucket }>();
  #count = 0;
  #bytes = 0;
  #dropped = 0;

  constructor(bounds: RejectionBounds) {
    this.#bounds = bounds;
  }

  /** Whether it is kept; else it has been counted. */
  admit(rejection: Rejection): boolean {
    const { countMax, bytesMax } = this.#bounds;
    if (countMax >= 1 && rejectionBytes(rejection) <= bytesMax) {
      if (this.#group(rejection.source, rejection.reason).bucket.take(1)) return true;
    }
    this.#dropped++;
    return false;
  }

  /** `count` and `bytes` more (or fewer) are kept of this kind. */
  change(source: string, reason: string, by: { readonly count: number; readonly bytes: number }): void {
    const group = this.#group(source, reason);
    group.count += by.count;
    group.bytes += by.bytes;
    this.#count += by.count;
    this.#bytes += by.bytes;
  }

  /** Nothing is kept. */
  clear(): void {
    for (const group of this.#groups.values()) {
      group.count = 0;
      group.bytes = 0;
    }
    this.#count = 0;
    this.#bytes = 0;
  }

  /** One was pushed out, or could not be written. */
  drop(): void {
    this.#dropped++;
  }

  /** The group whose oldest must give way; `null` while the bounds hold. */
  fullest(): RejectionGroup | null {
    const { countMax, bytesMax } = this.#bounds;
    const by = this.#bytes > bytesMax ? 'bytes' : this.#count > countMax ? 'count' : null;
    if (by === null) return null;
    let fullest: RejectionGroup | null = null;
    for (const group of this.#groups.values()) {
      if (group.count > 0 && (fullest === null || group[by] > fullest[by])) fullest = group;
    }
    return fullest;
  }

  counts(): RejectionCounts {
    const sources = [...this.#groups.values()]
      .filter((group) => group.count > 0)
      .map(({ source, reason, count }) => ({ source, reason, kept: count }));
    return { kept: this.#count, bytes: this.#bytes, dropped: this.#dropped, sources };
  }

  #group(source: string, reason: string): RejectionGroup & { readonly bucket: TokenBucket } {
    const key = `${source}\n${reason}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      const { perS, clock } = this.#bounds;
      group = { source, reason, count: 0, bytes: 0, bucket: new TokenBucket(perS, perS, clock) };
      this.#groups.set(key, group);
    }
    return group;
  }
}

/** A log that ends with the process. */
export class MemoryRejections implements RejectionLog {
  readonly #book: RejectionBook;
  readonly #kept = new Map<string, Rejection>();

  constructor(bounds: RejectionBounds) {
    this.#book = new RejectionBook(bounds);
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  add(rejection: Rejection): void {
    if (!this.#book.admit(rejection)) return;
    this.#kept.set(rejection.id, rejection);
    const { source, reason } = rejection;
    this.#book.change(source, reason, { count: 1, bytes: rejectionBytes(rejection) });
    for (let group = this.#book.fullest(); group !== null; group = this.#book.fullest()) {
      this.#remove(this.#oldest(group));
      this.#book.drop();
    }
  }

  list(filter: RejectionFilter, page: Page): Promise<Listed<RejectionSummary>> {
    const forward = page.oldestFirst === true;
    const all = [...this.#kept.values()].filter((rejection) => matches(rejection, filter));
    const ordered = forward ? all : all.toReversed();
    const { cursor } = page;
    const after = ordered.filter(({ id }) => cursor === undefined || (forward ? id > cursor : id < cursor));
    const rows = after.slice(0, page.limit).map(summaryOf);
    return Promise.resolve({ rows, cursor: after.length > page.limit ? (rows.at(-1)?.id ?? null) : null });
  }

  get(id: string): Promise<Rejection | null> {
    return Promise.resolve(this.#kept.get(id) ?? null);
  }

  counts(): Promise<RejectionCounts> {
    return Promise.resolve(this.#book.counts());
  }

  delete(ids: readonly string[]): Promise<number> {
    return Promise.resolve(ids.filter((id) => this.#remove(this.#kept.get(id))).length);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #oldest(group: RejectionGroup): Rejection | undefined {
    for (const rejection of this.#kept.values()) {
      if (rejection.source === group.source && rejection.reason === group.reason) return rejection;
    }
    return undefined;
  }

  #remove(rejection: Rejection | undefined): boolean {
    if (rejection === undefined || !this.#kept.delete(rejection.id)) return false;
    this.#book.change(rejection.source, rejection.reason, { count: -1, bytes: -rejectionBytes(rejection) });
    return true;
  }
}

function matches(rejection: Rejection, filter: RejectionFilter): boolean {
  if (filter.source !== undefined && filter.source !== rejection.source) return false;
  if (filter.code !== undefined && filter.code !== rejection.code) return false;
  if (filter.reason !== undefined && filter.reason !== rejection.reason) return false;
  if (filter.ids !== undefined && !filter.ids.includes(rejection.id)) return false;
  if (filter.since !== undefined && rejection.receivedAt < filter.since) return false;
  return filter.until === undefined || rejection.receivedAt < filter.until;
}
