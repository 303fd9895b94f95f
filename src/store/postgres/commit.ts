/** Commits, in one call each. What a caller's own transaction takes goes the same way, without the token. */
import type { CommitAnswers, CommitBatch, StoredAnswer } from '../store.ts';
import { answersOf, type Told } from './batch-answers.ts';
import { batchRows, type BatchRows, turnsOf, type Verdicts, verdictsOf } from './batch-rows.ts';
import type { Connections, Row, Statement } from './connection.ts';
import { bucketOf } from './delivery-id.ts';
import { isTransient, lacksPartition, repeatsEventId } from './failure.ts';
import { answerOf, numberIn } from './rows.ts';
import { storedText } from './text.ts';
import { StoreError } from '../store.ts';

/** Where commits go, and in whose name. */
export interface Committing {
  readonly connections: Connections;
  /** The schema, quoted. */
  readonly schema: string;
  /** The schema, as it is. */
  readonly name: string;
  /** The number of this process. */
  readonly owner: number;
  /** Ids of events that a commit has left out since they were there, by its token: it is answered for the others only. */
  readonly leftOut: Map<string, ReadonlySet<string>>;
}

/** Reads that belong to a commit: after it, or in the caller's transaction. */
export type Reading = (text: string, values: readonly unknown[]) => Promise<readonly Row[]>;

/** A rename goes through the whole history of a destination. */
const RENAME_MS = 600_000;
/** An event that is owed to many is a row for each: beyond so many, time is given by their number, far more than they take. */
const USUAL_DELIVERIES = 20_000;
const DELIVERY_MS = 0.5;
/** How often a commit that the server refused is tried in another way, or again. */
const TRIES_MAX = 4;

/**
 * Commits a batch under its token. `number` counts the commits of this process.
 * @throws StoreError unavailable, unknown
 */
export async function commit(to: Committing, batch: CommitBatch, number: number): Promise<CommitAnswers> {
  const { connections, leftOut } = to;
  // What a token has already been answered with has rows for the others only.
  let taken = leftOut.get(batch.token) ?? NONE_TAKEN;
  for (let tries = 1; ; tries++) {
    const prepared = prepare(batch, taken);
    const text = `SELECT ${to.schema}.commit_1($1, $2, $3, $4, $5, $6, $7, $8, $9) AS told`;
    const values = [to.owner, number, batch.token, ...argumentsOf(batch, prepared.rows)];
    try {
      const rows = await connections.run([{ text, values }], { commits: true, ...patience(batch) });
      return await tell(to, { batch, prepared, rows }, (sql, given) => readAfter(connections, sql, given));
    } catch (error) {
      const cause = error instanceof StoreError ? error.cause : null;
      if (tries === TRIES_MAX) throw error;
      if (lacksPartition(cause)) await makeBuckets(to, batch);
      else if (repeatsEventId(cause)) taken = remembered(leftOut, batch.token, await takenIds(to, batch));
      else if (!isTransient(cause)) throw error;
    }
  }
}

const NONE_TAKEN: ReadonlySet<string> = new Set();
/** Tokens of which that is remembered: only the newest are ever asked for again. */
const TOKENS_KEPT = 8;

function remembered(
  leftOut: Map<string, ReadonlySet<string>>,
  token: string,
  taken: ReadonlySet<string>,
): ReadonlySet<string> {
  leftOut.set(token, taken);
  const [oldest] = leftOut.keys();
  if (leftOut.size > TOKENS_KEPT && oldest !== undefined) leftOut.delete(oldest);
  return taken;
}

/** How long the server may take, where that is longer than usual. */
function patience({ actions, appends, settlements }: CommitBatch): { readonly statementMs?: number } {
  if (actions.some(({ kind }) => kind === 'rename')) return { statementMs: RENAME_MS };
  let deliveries = 0;
  for (const { events } of appends) for (const event of events) deliveries += event.deliveries.length;
  for (const { emits } of settlements) for (const event of emits) deliveries += event.deliveries.length;
  return deliveries <= USUAL_DELIVERIES ? {} : { statementMs: deliveries * DELIVERY_MS };
}

/** What a commit that is done answers with. Without it the answer is not known, and the token gives it later. */
async function readAfter(connections: Connections, text: string, values: readonly unknown[]): Promise<readonly Row[]> {
  try {
    return await connections.read(text, values);
  } catch (error) {
    throw new StoreError('unknown', 'The commit is done, but its answers could not be read.', error);
  }
}

/** A batch with what the driver itself makes of it. */
interface Prepared {
  readonly verdicts: Verdicts;
  readonly turns: ReturnType<typeof turnsOf>;
  readonly rows: BatchRows;
}

export function prepare(batch: CommitBatch, taken: ReadonlySet<string>): Prepared {
  const verdicts = verdictsOf(batch, taken);
  const turns = turnsOf(batch, verdicts);
  return { verdicts, turns, rows: batchRows(batch, verdicts, turns) };
}

/** The arguments that both functions take after their own. */
export function argumentsOf(batch: CommitBatch, { json, bytes, seqs, claims, starts }: BatchRows): readonly unknown[] {
  return [Math.ceil(batch.leaseMs), json, bytes, seqs, claims, starts];
}

/** The answers of a batch, from the row that the function gave. */
export async function tell(
  { schema }: Committing,
  given: { readonly batch: CommitBatch; readonly prepared: Prepared; readonly rows: readonly Row[] },
  read: Reading,
): Promise<CommitAnswers> {
  const { batch, prepared, rows } = given;
  const told = rows[0]?.['told'] as Told;
  const places = (told.repeats ?? []).flatMap(([, , , at]) => (at === null ? [] : [at]));
  const answers = new Map<number, StoredAnswer>();
  if (places.length > 0) {
    const text = `SELECT event_seq, status, headers AS answer_headers, body AS answer_body FROM ${schema}.answer
      WHERE event_seq = ANY ($1) AND bucket = ANY ($2)`;
    const found = await read(text, [places.map(([seq]) => seq), [...new Set([0, ...places.map(([, at]) => at)])]]);
    for (const row of found) {
      const answer = answerOf(row);
      if (answer !== null) answers.set(numberIn(row, 'event_seq'), answer);
    }
  }
  return answersOf({ batch, verdicts: prepared.verdicts, turns: prepared.turns, told, answers });
}

/** Partitions for the days of the events of a batch. */
export async function makeBuckets({ connections, schema }: Committing, batch: CommitBatch): Promise<void> {
  const buckets = [...new Set(eventIds(batch).map(bucketOf))].toSorted((a, b) => a - b);
  const make = (bucket: number): Statement => ({ text: `SELECT ${schema}.make_bucket($1)`, values: [bucket] });
  await connections.run([{ text: `SET LOCAL search_path = ${schema}, pg_temp` }, ...buckets.map(make)]);
}

async function takenIds({ connections, schema }: Committing, batch: CommitBatch): Promise<ReadonlySet<string>> {
  const ids = eventIds(batch);
  const buckets = [...new Set([0, ...ids.map(bucketOf)])];
  const text = `SELECT id FROM ${schema}.event WHERE id = ANY ($1) AND bucket = ANY ($2)`;
  const rows = await connections.read(text, [ids.map((id) => storedText(id)), buckets]);
  return new Set(rows.map((row) => String(row['id'])));
}

function eventIds({ appends, settlements }: CommitBatch): string[] {
  const events = [...appends.flatMap((row) => row.events), ...settlements.flatMap((row) => row.emits)];
  return events.map(({ event }) => event.id);
}
