/**
 * Where the audit log is kept: documents of the registry, each a page of entries. Appending an entry writes the last page
 * again under its version, so that of two processes that append at once one goes first and the other follows from it.
 * Beside the pages stand two marks: the newest entry, so that an end that was cut off shows, and the last one that
 * retention let go, so that a beginning that was cut off does.
 */
import type { AuditPage, AuditPort, AuditRecord } from '../api/port.ts';
import type { Committer } from '../commit/committer.ts';
import { type AuditEntry, auditHash, type AuditMark, type AuditMarks } from '../core/audit.ts';
import type { Clock } from '../core/clock.ts';
import type { Observer } from '../core/observer.ts';
import { HoldfastError } from '../errors.ts';
import type { Document, DocumentWrite, JsonValue, Page, RegistryStore } from '../store/store.ts';

const PAGE = 'audit';
const MARK = 'audit-mark';
const HEAD = 'head';
const PURGED = 'purged';
const PAGE_ENTRIES = 64;
/** Pages that one append lets go at most. */
const PURGE_PAGES = 8;
/** Other processes may append at the same time; each time this fails, one of them has. */
const TRIES_MAX = 20;
const TEXT_MAX = 512;

export interface AuditLogOptions {
  readonly registry: RegistryStore;
  readonly committer: Pick<Committer, 'write'>;
  readonly clock: Clock;
  readonly observer: Observer;
  /** Most entries kept; the oldest go first, a page at a time. */
  readonly entriesMax: number;
  /** How long entries are kept, in milliseconds; `null`: as long as there is room. */
  readonly retainMs: number | null;
}

/** Where the next entry goes. */
interface Tail {
  readonly number: number;
  readonly version: number;
  readonly entries: readonly AuditEntry[];
  readonly last: AuditMark | null;
}

export class AuditLog implements AuditPort {
  readonly #options: AuditLogOptions;
  /** One append at a time in this process. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: AuditLogOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the entry is durable.
   * @throws HoldfastError store_unavailable, commit_unknown, stopping
   */
  append(record: AuditRecord): Promise<AuditEntry> {
    const appended = this.#turn.then(() => this.#append(record));
    this.#turn = appended.catch(() => undefined);
    return appended;
  }

  list(page: Page): Promise<AuditPage> {
    return listAudit(this.#options.registry, page);
  }

  async #append(record: AuditRecord): Promise<AuditEntry> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const { purged, head, headVersion } = await marksOf(this.#options.registry);
      const tail = await this.#tail(purged, head);
      const entry = this.#entry(record, tail.last);
      const page: DocumentWrite = {
        kind: PAGE,
        key: keyOf(tail.number),
        value: [...tail.entries.map(asJson), asJson(entry)],
        ifVersion: tail.version,
      };
      const value = { seq: entry.seq, hash: entry.hash };
      const { committer, observer } = this.#options;
      // In one commit. The mark may stay behind the newest entry, when another process wrote it meanwhile.
      const [answer] = await Promise.all([
        committer.write(page),
        committer.write({ kind: MARK, key: HEAD, value, ifVersion: headVersion }),
      ]);
      if (answer.status === 'refused') continue;
      observer.note('info', 'audit', { ...entry });
      // What cannot go now goes with a later entry; this one is there.
      await this.#purge(purged, entry).catch(() => undefined);
      return entry;
    }
    throw new HoldfastError('conflict', { detail: 'The audit log is being written by too many at once.' });
  }

  /** The last page that has room, or the one after it. */
  async #tail(purged: AuditMark | null, head: AuditMark | null): Promise<Tail> {
    const { registry } = this.#options;
    let last = later(head, purged);
    for (let number = pageOf(Math.max(1, head?.seq ?? 1, (purged?.seq ?? 0) + 1)); ; number++) {
      const document = await registry.get(PAGE, keyOf(number));
      const entries = document === null ? [] : entriesOf(document);
      last = later(entries.at(-1) ?? null, last);
      // A page is full by the numbers of its entries, so that every entry is where its number says.
      const isFull = last !== null && pageOf(last.seq + 1) > number;
      if (!isFull) return { number, version: document?.version ?? 0, entries, last };
    }
  }

  #entry(record: AuditRecord, last: AuditMark | null): AuditEntry {
    const { caller, by, action, target, note, before, after, ip } = record;
    const content = {
      seq: (last?.seq ?? 0) + 1,
      at: this.#options.clock.now(),
      whoId: caller.id,
      whoName: cut(caller.name),
      by: cut(by),
      action,
      target: cut(target),
      note: note === null ? null : cut(note),
      before,
      after,
      ip,
      previous: last?.hash ?? null,
    };
    return { ...content, hash: auditHash(content) };
  }

  /** Lets whole pages go whose entries are too many or too old. Another process may have done so already. */
  async #purge(purged: AuditMark | null, newest: AuditEntry): Promise<void> {
    const { registry, committer, clock, entriesMax, retainMs } = this.#options;
    const first = pageOf((purged?.seq ?? 0) + 1);
    for (let number = first; number < Math.min(first + PURGE_PAGES, pageOf(newest.seq)); number++) {
      const document = await registry.get(PAGE, keyOf(number));
      const last = document === null ? undefined : entriesOf(document).at(-1);
      if (document === null || last === undefined) return;
      const isOld = retainMs !== null && last.at < clock.now() - retainMs;
      if (last.seq > newest.seq - entriesMax && !isOld) return;
      await Promise.all([
        committer.write({ kind: MARK, key: PURGED, value: { seq: last.seq, hash: last.hash }, ifVersion: null }),
        committer.write({ kind: PAGE, key: keyOf(number), value: null, ifVersion: document.version }),
      ]);
    }
  }
}

/** Of two places the later. An end that was cut off is not written over: what follows goes on after what was there. */
function later(one: AuditMark | null, other: AuditMark | null): AuditMark | null {
  if (one === null || other === null) return one ?? other;
  return one.seq >= other.seq ? one : other;
}

/** A page of the log with its marks. The cursor is the number of the last entry given. */
export async function listAudit(registry: RegistryStore, page: Page): Promise<AuditPage> {
  const { purged, head } = await marksOf(registry);
  const marks: AuditMarks = { purged, head };
  const after = page.cursor === undefined ? null : cursorOf(page.cursor);
  const oldest = (purged?.seq ?? 0) + 1;
  const newest = await newestOf(registry, Math.max(head?.seq ?? 0, oldest));
  const rows: AuditEntry[] = [];
  let seq =
    page.oldestFirst === true ? Math.max(oldest, (after ?? 0) + 1) : Math.min(newest, (after ?? newest + 1) - 1);
  const step = page.oldestFirst === true ? 1 : -1;
  // Page by page, so that a page that is gone is passed over and shows as a gap in the numbers.
  while (seq >= oldest && seq <= newest && rows.length < page.limit) {
    const number = pageOf(seq);
    const document = await registry.get(PAGE, keyOf(number));
    const from = seq;
    const entries = (document === null ? [] : entriesOf(document)).filter((entry) =>
      step > 0 ? entry.seq >= from : entry.seq <= from,
    );
    rows.push(...(step > 0 ? entries : entries.toReversed()));
    seq = step > 0 ? firstOf(number + 1) : firstOf(number) - 1;
  }
  const given = rows.slice(0, page.limit);
  const end = given.at(-1)?.seq;
  const isMore = end !== undefined && (step > 0 ? end < newest : end > oldest);
  return { rows: given, cursor: isMore ? String(end) : null, marks };
}

/** The number of the newest entry: the mark may be a little behind. */
async function newestOf(registry: RegistryStore, head: number): Promise<number> {
  let newest = head;
  for (let number = pageOf(Math.max(1, head)); ; number++) {
    const document = await registry.get(PAGE, keyOf(number));
    const last = document === null ? undefined : entriesOf(document).at(-1);
    if (last === undefined) return newest;
    newest = Math.max(newest, last.seq);
    if (pageOf(last.seq + 1) === number) return newest;
  }
}

async function marksOf(registry: RegistryStore): Promise<AuditMarks & { readonly headVersion: number }> {
  const [purged, head] = await Promise.all([registry.get(MARK, PURGED), registry.get(MARK, HEAD)]);
  return { purged: markOf(purged), head: markOf(head), headVersion: head?.version ?? 0 };
}

function markOf(document: Document | null): AuditMark | null {
  return document === null ? null : (document.value as unknown as AuditMark);
}

function entriesOf(document: Document): readonly AuditEntry[] {
  const entries = document.value as unknown as readonly AuditEntry[];
  return Array.isArray(document.value) ? entries : [];
}

/** Text as every store gives it back: whole characters, no zeros, not without end. */
function cut(text: string): string {
  const short = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX - 1)}…` : text;
  return short.toWellFormed().replaceAll('\0', ' ');
}

function asJson(entry: AuditEntry): JsonValue {
  return { ...entry };
}

/** The page an entry is on, from 0. */
function pageOf(seq: number): number {
  return Math.floor((seq - 1) / PAGE_ENTRIES);
}

/** The first entry of a page. */
function firstOf(page: number): number {
  return page * PAGE_ENTRIES + 1;
}

function keyOf(page: number): string {
  return String(page).padStart(10, '0');
}

function cursorOf(cursor: string): number {
  const seq = Number(cursor);
  if (Number.isSafeInteger(seq) && seq >= 0) return seq;
  throw new HoldfastError('invalid_input', { detail: 'cursor: it is not one of this list.' });
}
