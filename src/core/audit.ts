/**
 * The audit log: who changed what. Each entry carries the hash of the one before, so that an entry that was changed,
 * taken out or put in later breaks the chain. Pure: where entries are kept is not known here.
 *
 * What it proves: whoever can write to the store can also write a whole new chain. It shows when compared with a hash
 * that was noted elsewhere: every entry's is in the gateway's log.
 */
import { createHash } from 'node:crypto';

export interface AuditEntry {
  /** From 1, without gaps. */
  readonly seq: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Whose token it was: `tok_…`, `admin` for the admin token, `local` for code within the gateway's own process. */
  readonly whoId: string;
  readonly whoName: string;
  /** Who the caller says it acts for (the CLI names the user); not proved. */
  readonly by: string;
  /** What was done: `queue.pause`. */
  readonly action: string;
  /** To what: a name or an id; '' where the action says it all. */
  readonly target: string;
  /** A few words about it: how many, the note of a person; `null`: none. */
  readonly note: string | null;
  /** SHA-256 of what the target was before and after, as the API shows it; `null`: it was not there, or has no state. */
  readonly before: string | null;
  readonly after: string | null;
  /** Where the request came from; '' when it came over no network. */
  readonly ip: string;
  /** The hash of the entry before; that of entry 1 has none. */
  readonly previous: string | null;
  /** SHA-256 of all of the above. */
  readonly hash: string;
}

/** A place in the chain. */
export interface AuditMark {
  readonly seq: number;
  readonly hash: string;
}

/** Where the kept part of the chain begins and ends, noted beside it. */
export interface AuditMarks {
  /** The last entry that retention let go; `null`: none went. */
  readonly purged: AuditMark | null;
  /** An entry that was there: the newest, or one a little older. `null`: there was none. */
  readonly head: AuditMark | null;
}

/** SHA-256 of an entry's content, in hexadecimal. Fields in a fixed order, so that the same content has the same hash. */
export function auditHash(entry: Omit<AuditEntry, 'hash'>): string {
  const { seq, at, whoId, whoName, by, action, target, note, before, after, ip, previous } = entry;
  const fields = [seq, at, whoId, whoName, by, action, target, note, before, after, ip, previous];
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex');
}

/** SHA-256 of a state as the API shows it: names sorted, so that their order does not count. `null` for none. */
export function stateHash(state: unknown): string | null {
  if (state === null || state === undefined) return null;
  const sorted = (_name: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return createHash('sha256').update(JSON.stringify(state, sorted)).digest('hex');
}

/** Why a chain cannot be believed. */
export interface AuditFault {
  /** The entry at which it shows. */
  readonly seq: number;
  readonly problem: string;
}

/** Takes a chain entry by entry, the oldest first, and finds the first fault. */
export class AuditCheck {
  readonly #marks: AuditMarks;
  #last: AuditMark | null;
  #headSeen: boolean;
  #fault: AuditFault | null = null;
  #checked = 0;

  constructor(marks: AuditMarks) {
    this.#marks = marks;
    this.#last = marks.purged;
    const { head, purged } = marks;
    this.#headSeen = head === null || (purged !== null && purged.seq === head.seq && purged.hash === head.hash);
  }

  /** Entries that were good. */
  get checked(): number {
    return this.#checked;
  }

  /** Whether to go on: `false` once a fault was found. */
  add(entry: AuditEntry): boolean {
    this.#fault ??= this.#faultOf(entry);
    if (this.#fault !== null) return false;
    if (entry.seq === this.#marks.head?.seq) this.#headSeen = true;
    this.#last = { seq: entry.seq, hash: entry.hash };
    this.#checked++;
    return true;
  }

  /** The first fault, when all entries were added; `null`: none. */
  end(): AuditFault | null {
    const { head } = this.#marks;
    if (this.#fault !== null || this.#headSeen || head === null) return this.#fault;
    return { seq: head.seq, problem: `the log ends at ${this.#last?.seq ?? 0}, but entry ${head.seq} was there` };
  }

  #faultOf(entry: AuditEntry): AuditFault | null {
    const { seq, hash, previous } = entry;
    const expected = (this.#last?.seq ?? 0) + 1;
    if (seq !== expected) return { seq, problem: `entry ${expected} is missing` };
    if (previous !== (this.#last?.hash ?? null)) return { seq, problem: 'it does not follow from the entry before it' };
    if (hash !== auditHash(entry)) return { seq, problem: 'its content is not what its hash says: it was changed' };
    const { head } = this.#marks;
    if (head?.seq === seq && head.hash !== hash)
      return { seq, problem: 'it is not the entry that was noted as newest' };
    return null;
  }
}
