/** What waits for the next commit, and how a commit is cut from it. */
import { HoldfastError } from '../errors.ts';
import type {
  Action,
  ActionAnswer,
  Append,
  AppendAnswer,
  ClaimRef,
  CommitAnswers,
  CommitBatch,
  DocumentAnswer,
  DocumentWrite,
  Release,
  ReplayAnswer,
  ReplayRow,
  RowAnswer,
  SettleAnswer,
  Settlement,
} from '../store/store.ts';

/** A row and who waits for its answer. */
export interface Waiting<Row, Answer> {
  readonly row: Row;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
  /** It is not answered with the others: who waits for them all need not wait for it. */
  readonly passed?: () => void;
}

/** Row and answer of each kind. */
interface Kinds {
  appends: { row: Append; answer: AppendAnswer };
  starts: { row: ClaimRef; answer: RowAnswer };
  settlements: { row: Settlement; answer: SettleAnswer };
  releases: { row: Release; answer: RowAnswer };
  replays: { row: ReplayRow; answer: ReplayAnswer };
  actions: { row: Action; answer: ActionAnswer };
  documents: { row: DocumentWrite; answer: DocumentAnswer };
}

export type Kind = keyof Kinds;
export type RowOf<K extends Kind> = Kinds[K]['row'];
export type AnswerOf<K extends Kind> = Kinds[K]['answer'];
export type Rows = { readonly [K in Kind]: Waiting<RowOf<K>, AnswerOf<K>>[] };

/** What became of replay rows, and of the documents committed with them. */
export interface ReplayAnswers {
  readonly replays: readonly ReplayAnswer[];
  readonly documents: readonly DocumentAnswer[];
}

export function emptyBatch(): Rows {
  return { appends: [], starts: [], settlements: [], releases: [], replays: [], actions: [], documents: [] };
}

/**
 * Takes what waits, up to a number of rows of each kind and of body bytes. Outcomes first would not be fairer: each
 * kind has its own bound, so none waits behind another.
 */
export function take(rows: Rows, rowsMax: number, bytesMax: number): Rows {
  return {
    appends: rows.appends.splice(0, appendsWithin(rows.appends, rowsMax, bytesMax)),
    starts: rows.starts.splice(0, rowsMax),
    settlements: rows.settlements.splice(0, rowsMax),
    releases: rows.releases.splice(0, rowsMax),
    replays: rows.replays.splice(0),
    actions: rows.actions.splice(0),
    documents: rows.documents.splice(0),
  };
}

/** Everybody who waits for an answer. */
export function waitingIn(rows: Rows): Waiting<unknown, never>[] {
  return Object.values(rows).flat();
}

/**
 * Resolves when the last of those that wait has its answer, and so all of them but what was set aside: they are answered in
 * their order.
 */
export function lastAnswered(list: Waiting<unknown, never>[]): Promise<void> {
  const last = list.at(-1);
  if (last === undefined) return Promise.resolve();
  const { row, resolve, reject, passed } = last;
  return new Promise((done) => {
    list[list.length - 1] = {
      row,
      resolve: (answer) => (resolve(answer), done()),
      reject: (error) => (reject(error), done()),
      passed: () => (passed?.(), done()),
    };
  });
}

/** How many appends fit; at least one, so that one large request is committed alone. */
function appendsWithin(appends: readonly Waiting<Append, AppendAnswer>[], rowsMax: number, bytesMax: number): number {
  let events = 0;
  let bytes = 0;
  for (let index = 0; index < appends.length; index++) {
    for (const { event } of appends[index]?.row.events ?? []) {
      events++;
      bytes += event.body?.length ?? 0;
    }
    if (events > rowsMax || bytes > bytesMax) return Math.max(1, index);
  }
  return appends.length;
}

/** The batch a store is given. Starts that were asked for come first, then those that were collected. */
export function batchOf(
  rows: Rows,
  head: Pick<CommitBatch, 'token' | 'now' | 'leaseMs'> & { readonly starts: readonly ClaimRef[] },
): CommitBatch {
  return {
    token: head.token,
    now: head.now,
    leaseMs: head.leaseMs,
    appends: rows.appends.map(rowOf),
    starts: [...rows.starts.map(rowOf), ...head.starts],
    settlements: rows.settlements.map(rowOf),
    releases: rows.releases.map(rowOf),
    replays: rows.replays.map(rowOf),
    actions: rows.actions.map(rowOf),
    documents: rows.documents.map(rowOf),
  };
}

function rowOf<Row>(waiting: Waiting<Row, never>): Row {
  return waiting.row;
}

/** Gives each row its answer. Those of a batch that were collected for it come after those that were asked for. */
export function answerAll(rows: Rows, answers: CommitAnswers): void {
  resolveAll(rows.appends, answers.appends);
  resolveAll(rows.starts, answers.starts);
  resolveAll(rows.settlements, answers.settlements);
  resolveAll(rows.releases, answers.releases);
  resolveAll(rows.replays, answers.replays);
  resolveAll(rows.actions, answers.actions);
  resolveAll(rows.documents, answers.documents);
}

function resolveAll<Answer>(rows: readonly Waiting<unknown, Answer>[], answers: readonly Answer[]): void {
  for (let index = 0; index < rows.length; index++) {
    const answer = answers[index];
    if (answer === undefined)
      rows[index]?.reject(new HoldfastError('internal', { detail: 'The store gave no answer for a row.' }));
    else rows[index]?.resolve(answer);
  }
}

/** How many rows there are of the kind of which there are most, of those that are kept over an outage. */
export function mostKept({ settlements, releases, starts }: Rows): number {
  return Math.max(settlements.length, releases.length, starts.length);
}

/** Rows whose sender can try again are told so; what only this process knows is kept. */
export function rejectNew(rows: Rows, error: HoldfastError): void {
  for (const list of [rows.appends, rows.replays, rows.actions, rows.documents]) {
    for (const waiting of list.splice(0)) waiting.reject(error);
  }
}
