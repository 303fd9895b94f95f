/**
 * The log: one document a commit, under the next position. That insertion is the only thing that must be atomic, and
 * it is: two processes that want the same position cannot both have it. Whoever loses works its rows out anew on top
 * of what was committed meanwhile. An entry says all that it changes, so anybody can apply it, twice, and after a crash.
 */
import { BSON } from 'mongodb';
import type { Clock } from '../../core/clock.ts';
import { StoreError, type StoreFailure } from '../store.ts';
import { applyChanges, isDuplicateKey } from './apply.ts';
import type { Collections } from './collections.ts';
import type { Changes, LogDocument, PartDocument } from './documents.ts';
import { asking } from './failure.ts';
import { joinChanges, splitChanges } from './parts.ts';
import type { StoreTime } from './time.ts';
import { Turns } from './turns.ts';

/** How far the log has come. */
export interface Head {
  readonly position: number;
  readonly seq: number;
  readonly events: number;
}

/** An entry before it has a position. */
export interface NewEntry extends Head {
  readonly token: string | null;
  readonly answers: string | null;
  readonly changes: Changes;
  /** Monotonic and wall-clock time at which working it out began. */
  readonly begun: Moment;
}

export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/** An entry stays whole this long: others may still apply it. */
const WHOLE_MS = 60_000;
/** An entry keeps its position, its token and its answers this long. */
const KEPT_MS = 600_000;
/** What is known of the end of the log is known this long. Positions after it are in the log until then, and longer. */
const GOOD_MS = 60_000;
/** Nothing younger than {@link KEPT_MS} leaves the log: a position that was free when a commit began is free so long. */
const COMMIT_MS_MAX = 300_000;
/** Bytes of changes in one document; it may have 16 MiB. */
const CHANGES_BYTES_MAX = 12 * 1024 * 1024;
/** How long, and with which pauses, to look whether another process applies what it committed. */
const PATIENCE_MS = 5000;
const PATIENCE_PAUSE_MS = 20;
const TRIM_EVERY_MS = 10_000;
const POSITION_DIGITS = 16;
const headFields = { position: 1, seq: 1, events: 1 };

export interface LogParts {
  readonly collections: Collections;
  readonly clock: Clock;
  readonly time: StoreTime;
  readonly owner: string;
}

export class Log {
  readonly turns: Turns;
  readonly #parts: LogParts;
  /** Up to where everything is known to have been applied; `null`: nothing is known. */
  #known: Head | null = null;
  #knownAt: Moment = { monotonic: 0, wall: 0 };
  /** Whether others commit too, as far as the last look or try says. */
  #isDisturbed = true;
  /** Whether something that this process committed is not applied. */
  #hasFailed = false;
  #applying: Promise<void> = Promise.resolve();
  #looking: Promise<void> = Promise.resolve();
  #nextLook: Promise<Head> | null = null;
  #trimmedAt = 0;
  #stripped = 0;

  constructor(parts: LogParts) {
    this.#parts = parts;
    this.turns = new Turns(parts);
  }

  /**
   * The end of the log, with everything up to there applied. What another process has committed and not applied is
   * applied here, after some patience: it may be about to.
   */
  async head(patienceMs = PATIENCE_MS): Promise<Head> {
    // A look that began before does not see what was committed since: who comes while it lasts shares the next one.
    this.#nextLook ??= this.#looking.then(() => {
      this.#nextLook = null;
      const look = this.#lookOnce(patienceMs);
      this.#looking = look.then(nothing, nothing);
      return look;
    });
    return this.#nextLook;
  }

  /**
   * Where a process alone would go on, without asking: {@link append} finds out whether others were there. While they
   * are, it is asked, since working something out for nothing costs more.
   */
  async likelyHead(): Promise<Head> {
    await this.#applying;
    const known = this.#known;
    if (known === null || this.#isDisturbed || sinceMs(this.#knownAt, this.#now()) > GOOD_MS) return this.head();
    return known;
  }

  async #lookOnce(patienceMs: number): Promise<Head> {
    await this.#applying;
    const before = this.#known;
    const head = await this.#look(patienceMs);
    this.#isDisturbed = before !== null && head.position !== before.position;
    return head;
  }

  async #look(patienceMs: number): Promise<Head> {
    const { log, state } = this.#parts.collections;
    const asked = this.#now();
    if (this.#known === null || sinceMs(this.#knownAt, asked) > GOOD_MS) {
      const found = await asking(() => state.findOne({ _id: 'state' }));
      this.turns.saw(found);
      this.#known = headOf(found);
    }
    const known = this.#known;
    const next = await asking(() => log.findOne({ _id: positionId(known.position + 1) }, { projection: headFields }));
    this.#knownAt = asked;
    if (next === null) return known;
    const newer = await asking(() =>
      log
        .find({ _id: { $gt: positionId(known.position) } }, { projection: headFields })
        .sort({ _id: 1 })
        .toArray(),
    );
    const head = newer.at(-1);
    if (head === undefined) return known;
    const applied = await this.#waitFor(head.position, patienceMs);
    for (const { position } of newer) if (position > applied) await this.#applyStored(position);
    if (applied < head.position) await this.#noteApplied(head);
    this.#hasFailed = false;
    this.#learn(head);
    return head;
  }

  /**
   * Commits an entry at the position after `after`; `lost`: another has it. It is applied in the background: the next
   * {@link head} waits for that, and does it itself where it failed.
   * @throws StoreError `unknown` when the reply was lost
   */
  async append(after: Head, entry: NewEntry): Promise<'committed' | 'lost'> {
    const position = after.position + 1;
    const { log } = this.#parts.collections;
    const document = await this.#documentOf(position, entry);
    this.#assertInTime(entry.begun, 'unavailable');
    try {
      await asking(() => log.insertOne(document), true);
    } catch (error) {
      // Should it be there all the same, nobody else is about to apply it.
      if (!(error instanceof StoreError) || !isDuplicateKey(error.cause)) {
        this.#hasFailed = true;
        throw error;
      }
      this.#isDisturbed = true;
      return 'lost';
    }
    this.#assertInTime(entry.begun, 'unknown');
    const head = { position, seq: entry.seq, events: entry.events };
    this.#knownAt = entry.begun;
    this.#applying = this.#applyOwn(head, entry.changes);
    return 'committed';
  }

  /** The answers kept for a token; `null`: it was not committed, or long ago. */
  async answersOf(token: string): Promise<string | null> {
    const { log, state } = this.#parts.collections;
    const found = await asking(() => log.find({ token }, { projection: { position: 1, answers: 1 } }).toArray());
    if (found.length === 0) return null;
    // One that took a position which was used and forgotten before is part of nothing: nobody applies it.
    const forgotten = (await asking(() => state.findOne({ _id: 'state' })))?.forgotten ?? 0;
    return found.find(({ position }) => position > forgotten)?.answers ?? null;
  }

  /** Waits for what goes on in the background. */
  async settled(): Promise<void> {
    await this.#applying;
  }

  /** What this process knew may be wrong: it is read anew. */
  forget(): void {
    this.#known = null;
  }

  async #applyOwn(head: Head, changes: Changes): Promise<void> {
    try {
      await applyChanges(this.#parts.collections, head.position, changes);
      await this.#noteApplied(head);
      this.#learn(head);
      await this.#trim();
    } catch {
      this.#hasFailed = true;
      // It is committed. Whoever looks at the log next applies it, or says why it cannot be.
    }
  }

  async #applyStored(position: number): Promise<void> {
    const { collections } = this.#parts;
    await asking(async () => {
      const entry = await collections.log.findOne({ _id: positionId(position) });
      // Without changes it has long been applied.
      if (entry?.changes === undefined && entry?.parts === undefined) return;
      const changes = entry.parts === undefined ? entry.changes : await this.#partsOf(entry.parts);
      if (changes !== undefined) await applyChanges(collections, position, changes);
    });
  }

  async #partsOf(ids: readonly string[]): Promise<Changes> {
    const found = await this.#parts.collections.parts.find({ _id: { $in: [...ids] } }).toArray();
    const byId = new Map(found.map((part) => [part._id, part.changes]));
    return joinChanges(
      ids.map((id) => {
        const changes = byId.get(id);
        if (changes === undefined) throw new StoreError('fatal', `The log has lost part ${id} of an entry.`);
        return changes;
      }),
    );
  }

  /** Looks again and again whether everything up to a position has been applied; answers how far it has. */
  async #waitFor(position: number, patienceMs: number): Promise<number> {
    const { clock, time, collections } = this.#parts;
    const { state } = collections;
    const until = clock.monotonic() + patienceMs;
    for (;;) {
      const found = await asking(() => state.findOne({ _id: 'state' }));
      this.turns.saw(found);
      const applied = found?.applied ?? 0;
      // Nobody else is about to apply what this process failed to apply.
      if (applied >= position || this.#hasFailed || clock.monotonic() >= until) return applied;
      await time.pause(PATIENCE_PAUSE_MS);
    }
  }

  async #noteApplied({ position, seq, events }: Head): Promise<void> {
    const { state } = this.#parts.collections;
    const behind = { _id: 'state', applied: { $lt: position } } as const;
    const set = { $set: { applied: position, seq, events } };
    // Who is always first learns here that others wait.
    this.turns.saw(await asking(() => state.findOneAndUpdate(behind, set, { returnDocument: 'after' })));
  }

  #learn(head: Head): void {
    if (this.#known === null || this.#known.position < head.position) this.#known = head;
  }

  async #documentOf(position: number, entry: NewEntry): Promise<LogDocument> {
    const { token, answers, changes, seq, events } = entry;
    const document = {
      _id: positionId(position),
      position,
      ...(token !== null && { token }),
      at: this.#parts.time.now(),
      by: this.#parts.owner,
      seq,
      events,
      ...(answers !== null && { answers }),
    };
    if (BSON.calculateObjectSize(changes) <= CHANGES_BYTES_MAX) return { ...document, changes };
    return { ...document, parts: await this.#writeParts(document.at, position, changes) };
  }

  async #writeParts(at: number, position: number, changes: Changes): Promise<readonly string[]> {
    const { parts } = this.#parts.collections;
    const stamp = `${position}:${this.#parts.owner}:${this.#parts.clock.monotonic()}`;
    const documents: PartDocument[] = splitChanges(changes, CHANGES_BYTES_MAX).map((part, index) => ({
      _id: `${stamp}:${index}`,
      at,
      changes: part,
    }));
    for (const document of documents) await asking(() => parts.insertOne(document));
    return documents.map((document) => document._id);
  }

  /** A process that stood still may have been given a position that was used and forgotten meanwhile. */
  #assertInTime(begun: Moment, failure: StoreFailure): void {
    const tookMs = sinceMs(begun, this.#now());
    if (tookMs > COMMIT_MS_MAX) throw new StoreError(failure, `The commit took ${Math.round(tookMs / 1000)} s.`);
  }

  #now(): Moment {
    const { clock } = this.#parts;
    return { monotonic: clock.monotonic(), wall: clock.now() };
  }

  /** Takes out of the log what nobody needs any more, now and then. */
  async #trim(): Promise<void> {
    const now = this.#parts.time.now();
    const known = this.#known;
    if (known === null || now - this.#trimmedAt < TRIM_EVERY_MS) return;
    this.#trimmedAt = now;
    const { log, parts, state } = this.#parts.collections;
    const to = Math.min(await this.#newestBefore(now - WHOLE_MS), known.position - 1);
    if (to <= 0) return;
    const over = { _id: { $gt: positionId(this.#stripped), $lte: positionId(to) } };
    await log.updateMany(over, { $unset: { changes: 1, parts: 1 } });
    this.#stripped = to;
    const forgotten = Math.min(await this.#newestBefore(now - KEPT_MS), known.position - 1);
    // Said before it is done: whoever finds a position free that was not can tell.
    await state.updateOne({ _id: 'state' }, { $max: { forgotten } });
    await log.deleteMany({ _id: { $lte: positionId(forgotten) } });
    await parts.deleteMany({ at: { $lt: now - KEPT_MS } });
  }

  /** The position of the newest entry made before a time; 0: there is none. */
  async #newestBefore(time: number): Promise<number> {
    const before = this.#parts.collections.log.find({ at: { $lt: time } }, { projection: { position: 1 } });
    const [newest] = await before.sort({ at: -1 }).limit(1).toArray();
    return newest?.position ?? 0;
  }
}

function nothing(): void {}

/** The text of a position sorts like the position. */
function positionId(position: number): string {
  return String(position).padStart(POSITION_DIGITS, '0');
}

/** By the clock that says more: the monotonic one stands still while a machine sleeps, the other may be set back. */
function sinceMs(begun: Moment, now: Moment): number {
  return Math.max(now.monotonic - begun.monotonic, now.wall - begun.wall);
}

function headOf(state: { readonly applied: number; readonly seq: number; readonly events: number } | null): Head {
  return { position: state?.applied ?? 0, seq: state?.seq ?? 0, events: state?.events ?? 0 };
}
