/** An open store: one writer at a time in this process, and the log against all others. */
import type { Db } from 'mongodb';
import type { Clock } from '../../core/clock.ts';
import type { IdMaker } from '../../core/id.ts';
import { type CommitAnswers, StoreError } from '../store.ts';
import { keptAnswers, wholeAnswers } from './answers.ts';
import { changesOf, isEmpty } from './changes.ts';
import { type Collections, collectionsOf } from './collections.ts';
import { asking } from './failure.ts';
import { type Head, Log, type Moment } from './log.ts';
import type { StoreTime } from './time.ts';
import { LOSSES_MAX } from './turns.ts';
import { WorkingSet } from './working.ts';

/** How often others may be first before it is given up. */
const TRIES_MAX = 500;
/** Answers of commits of this process that are remembered in memory. */
const ANSWERS_KEPT = 2;
/** Tokens in doubt that are remembered: some are given up, and never asked about again. */
const DOUBTS_KEPT = 100;

type Work<Answer> = (set: WorkingSet) => Promise<Answer>;

/** What a try to write came to; `lost`: another process was first. */
type Tried<Answer> = { readonly answer: Answer } | 'lost';

interface Committing {
  readonly token: string;
  readonly work: Work<CommitAnswers>;
  readonly begun: Moment;
  /** Whether it may have been committed before. */
  readonly isDoubtful: boolean;
}

export interface EngineParts {
  readonly db: Db;
  readonly clock: Clock;
  readonly time: StoreTime;
  readonly ids: IdMaker;
  readonly owner: string;
}

export class Engine {
  readonly db: Db;
  readonly collections: Collections;
  readonly log: Log;
  readonly #parts: EngineParts;
  readonly #answers = new Map<string, CommitAnswers>();
  #last: Promise<unknown> = Promise.resolve();
  /** Tokens that may have been committed without our knowing: those that failed, and the first, of a process before. */
  readonly #doubtful = new Set<string>();
  #hasCommitted = false;

  constructor(parts: EngineParts) {
    const { db, clock, time, owner } = parts;
    this.#parts = parts;
    this.db = db;
    this.collections = collectionsOf(db);
    this.log = new Log({ collections: this.collections, clock, time, owner });
  }

  get owner(): string {
    return this.#parts.owner;
  }

  /** By the database's clock. */
  now(): number {
    return this.#parts.time.now();
  }

  /** Reads something that sees every commit that was answered, of any process. */
  async read<Answer>(ask: (head: Head) => Promise<Answer>): Promise<Answer> {
    await asking(() => this.#parts.time.refresh(this.db));
    const head = await this.log.head();
    return asking(() => ask(head));
  }

  /** Works out changes and commits them in one entry of the log; none is written when nothing changes. */
  write<Answer>(work: Work<Answer>): Promise<Answer> {
    return this.#alone(() =>
      this.#untilFirst(async (head, begun) => {
        const set = this.#workingSet(head);
        const answer = await asking(() => work(set));
        const status = await this.#append(head, { set, begun, token: null, answers: null });
        return status === 'lost' ? 'lost' : { answer };
      }),
    );
  }

  /** Commits a batch under its token, or answers what was answered to it before. */
  commit(token: string, work: Work<CommitAnswers>): Promise<CommitAnswers> {
    return this.#alone(async () => {
      const known = this.#answers.get(token);
      if (known !== undefined) return known;
      const isDoubtful = !this.#hasCommitted || this.#doubtful.has(token);
      this.#doubt(token);
      const answers = await this.#untilFirst((head, begun) =>
        this.#tryCommit(head, { token, work, begun, isDoubtful }),
      );
      this.#doubtful.delete(token);
      this.#hasCommitted = true;
      this.#remember(token, answers);
      return answers;
    });
  }

  /** Waits until nothing goes on any more. */
  async settled(): Promise<void> {
    await this.#last.catch(() => undefined);
    await this.log.settled();
  }

  /** The token is looked for after the end of the log has been read: an entry that comes later takes our position. */
  async #tryCommit(head: Head, commit: Committing): Promise<Tried<CommitAnswers>> {
    const { token, work, begun, isDoubtful } = commit;
    const set = this.#workingSet(head);
    const kept = isDoubtful ? this.log.answersOf(token) : null;
    const [answer, text] = await asking(() => Promise.all([work(set), kept]));
    if (text !== null) return { answer: await asking(() => wholeAnswers(this.collections, text)) };
    const status = await this.#append(head, { set, begun, token, answers: keptAnswers(answer) });
    return status === 'lost' ? 'lost' : { answer };
  }

  async #append(
    head: Head,
    made: {
      readonly set: WorkingSet;
      readonly begun: Moment;
      readonly token: string | null;
      readonly answers: string | null;
    },
  ): Promise<'committed' | 'lost'> {
    const { set, begun, token, answers } = made;
    const changes = changesOf(set, head.position + 1);
    // That nothing is to be done must be true of all that was answered before.
    if (token === null && isEmpty(changes)) {
      return (await this.log.head()).position === head.position ? 'committed' : 'lost';
    }
    const { seq, events } = set;
    return this.log.append(head, { position: head.position + 1, seq, events, token, answers, changes, begun });
  }

  async #untilFirst<Answer>(attempt: (head: Head, begun: Moment) => Promise<Tried<Answer>>): Promise<Answer> {
    const { clock, time } = this.#parts;
    const { turns } = this.log;
    for (let losses = 0; losses < TRIES_MAX; losses++) {
      await asking(() => time.refresh(this.db));
      await (losses < LOSSES_MAX ? turns.letOthersFirst() : turns.take());
      const begun = { monotonic: clock.monotonic(), wall: clock.now() };
      const tried = await attempt(await this.log.likelyHead(), begun);
      if (tried === 'lost') continue;
      turns.end();
      return tried.answer;
    }
    throw new StoreError(
      'unavailable',
      'MongoDB: other processes were first too often. Too many of them commit at once.',
    );
  }

  #workingSet({ seq, events }: Head): WorkingSet {
    const { ids, owner } = this.#parts;
    return new WorkingSet({ collections: this.collections, ids, now: this.now(), owner, seq, events });
  }

  /** One after the other: what one process writes at the same time would only be in its own way. */
  async #alone<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    const before = this.#last.catch(() => undefined);
    const mine = before.then(work);
    this.#last = mine;
    try {
      return await mine;
    } catch (error) {
      this.log.forget();
      throw error;
    }
  }

  #doubt(token: string): void {
    this.#doubtful.add(token);
    const [oldest] = this.#doubtful;
    if (this.#doubtful.size > DOUBTS_KEPT && oldest !== undefined) this.#doubtful.delete(oldest);
  }

  #remember(token: string, answers: CommitAnswers): void {
    this.#answers.set(token, answers);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > ANSWERS_KEPT && oldest !== undefined) this.#answers.delete(oldest);
  }
}
