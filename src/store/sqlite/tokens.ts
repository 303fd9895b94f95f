/**
 * The answers of the newest commits, by token, for a repeat. A caller has one commit in flight, so only the newest can be
 * repeated; keeping more would keep whole events alive. In memory: only the process that made a commit can repeat it,
 * and after a crash whoever waited for its answer is gone too.
 */
import type { CommitAnswers } from '../store.ts';

const COMMITS_MAX = 2;

export class Answers {
  #kept: { readonly token: string; readonly answers: CommitAnswers }[] = [];

  get(token: string): CommitAnswers | undefined {
    return this.#kept.find((one) => one.token === token)?.answers;
  }

  keep(token: string, answers: CommitAnswers): void {
    this.#kept.push({ token, answers });
    if (this.#kept.length > COMMITS_MAX) this.#kept.shift();
  }

  clear(): void {
    this.#kept = [];
  }
}
