/**
 * The answers of the newest commits, by token, for a repeat. In memory: only the process that made a commit can repeat
 * it, and after a crash whoever waited for its answer is gone too.
 */
import type { CommitAnswers, EventAnswer } from '../store.ts';

/** A repeat follows at once, before anything else is committed; more are kept only as long as they are small. */
const COMMITS_MAX = 2000;
const COMMITS_MIN = 32;
const ROWS_MAX = 16 * 1024;
/** Claims hold whole events. They are kept for the newest commits only: nobody else can still need them. */
const WITH_CLAIMS = 4;

interface Kept {
  answers: CommitAnswers;
  readonly rows: number;
}

export class Answers {
  readonly #kept = new Map<string, Kept>();
  readonly #newest: Kept[] = [];
  #rows = 0;

  get(token: string): CommitAnswers | undefined {
    return this.#kept.get(token)?.answers;
  }

  keep(token: string, answers: CommitAnswers): void {
    const rows = 1 + answers.appends.length + answers.settlements.length + answers.starts.length;
    const kept = { answers, rows };
    this.#kept.set(token, kept);
    this.#rows += rows;
    this.#newest.push(kept);
    const older = this.#newest.length > WITH_CLAIMS ? this.#newest.shift() : undefined;
    if (older !== undefined) older.answers = withoutClaims(older.answers);
    for (const [oldest, { rows }] of this.#kept) {
      const { size } = this.#kept;
      if (size <= COMMITS_MIN || (size <= COMMITS_MAX && this.#rows <= ROWS_MAX)) break;
      this.#kept.delete(oldest);
      this.#rows -= rows;
    }
  }

  clear(): void {
    this.#kept.clear();
    this.#newest.length = 0;
    this.#rows = 0;
  }
}

function withoutClaims(answers: CommitAnswers): CommitAnswers {
  return {
    ...answers,
    appends: answers.appends.map((row) => ('events' in row ? { ...row, events: row.events.map(unclaimed) } : row)),
    settlements: answers.settlements.map((row) => ('emits' in row ? { ...row, emits: row.emits.map(unclaimed) } : row)),
  };
}

function unclaimed(answer: EventAnswer): EventAnswer {
  return 'claims' in answer ? { ...answer, claims: answer.claims.map(() => null) } : answer;
}
