/**
 * Rows in a transaction of the caller's own: an application writes to its tables and emits an event, or a handler writes and
 * its delivery succeeds, and both happen or neither. The same statements as those of a commit, but it is the caller who
 * commits; nothing of it is claimed here, since nothing is there before that.
 */
import { HoldfastError } from '../../errors.ts';
import type { Append, AppendAnswer, CommitBatch, EventAnswer, NewEvent, Settlement, SettleAnswer } from '../store.ts';
import { argumentsOf, type Committing, makeBuckets, prepare, type Reading, tell } from './commit.ts';
import { type Row, within } from './connection.ts';
import { bucketOf } from './delivery-id.ts';
import { codeOf } from './failure.ts';
import { CALLERS } from './listener.ts';

/** A client of `pg`, or what wraps one, inside a transaction that the caller began and ends. */
interface CallersTransaction {
  query(text: string, values: unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
  /** Of clients of `pg`: `I` is outside of a transaction. */
  getTransactionStatus?(): string | null;
}

/** What settles a delivery in a handler's transaction is a statement like those of commits: it takes no longer. */
const SETTLE_MS = 15_000;

/** What the function says when the transaction sees the past only. */
const WRONG_ISOLATION = 'HF001';
/** SQLSTATEs of a server that has no such schema or function: it is not the store's. */
const ELSEWHERE = new Set(['3F000', '42883']);

/** @throws HoldfastError invalid_input when it is none, or when nothing has begun in it */
export function callersTransaction(tx: unknown): CallersTransaction {
  const given = tx as CallersTransaction | null;
  if (typeof given?.query !== 'function') {
    const detail =
      'tx: expected a client of the package pg, or an object whose query(text, values) resolves with rows.';
    throw new HoldfastError('invalid_input', { detail });
  }
  if (given.getTransactionStatus?.() === 'I') throw notBegun();
  return given;
}

function notBegun(): HoldfastError {
  const detail =
    'tx: it is not inside a transaction: BEGIN first, on a client and not on a pool, or what is written is committed at once.';
  return new HoldfastError('invalid_input', { detail });
}

/** The transaction of what does not say itself that it is in one (a pool never is): the next statement must be in the same. */
async function transactionOf(tx: CallersTransaction, read: Reading): Promise<readonly unknown[]> {
  if (tx.getTransactionStatus !== undefined) return [];
  const [row] = await read('SELECT pg_current_xact_id()::text AS id', []);
  return [row?.['id'] ?? null];
}

const NOTHING: Omit<CommitBatch, 'appends' | 'settlements'> = {
  token: '',
  now: 0,
  leaseMs: 0,
  starts: [],
  releases: [],
  replays: [],
  actions: [],
  documents: [],
};

/** Rows for transactions of callers; one per store. */
export class CallersRows {
  readonly #to: Committing;
  /** Days that have their partitions: a row without one would end the caller's transaction. */
  readonly #days = new Set<number>();

  constructor(to: Committing) {
    // Nobody's claims: what becomes ready is told to every process, this one too.
    this.#to = { ...to, owner: CALLERS };
  }

  async append(tx: CallersTransaction, append: Append): Promise<AppendAnswer> {
    const events = append.events.map(leftInStore);
    const { appends } = await this.#apply(tx, { ...NOTHING, appends: [{ events }], settlements: [] });
    const [answer] = appends;
    if (answer === undefined) throw new HoldfastError('internal', { detail: 'The store gave no answer for a row.' });
    return answer.status === 'committed' ? { ...answer, events: answer.events.map(withoutOffers) } : answer;
  }

  async settle(tx: CallersTransaction, settlements: readonly Settlement[]): Promise<readonly SettleAnswer[]> {
    const rows = settlements.map((row) => ({ ...row, emits: row.emits.map(leftInStore) }));
    const applied = this.#apply(tx, { ...NOTHING, appends: [], settlements: rows });
    return (await within(applied, SETTLE_MS)).settlements;
  }

  async #apply(tx: CallersTransaction, batch: CommitBatch): ReturnType<typeof tell> {
    await this.#makeDays(batch);
    const prepared = prepare(batch, new Set());
    const call = `${this.#to.schema}.apply_in_1($1, $2, $3, $4, $5, $6, $7)`;
    const read = async (sql: string, values: readonly unknown[]): Promise<readonly Row[]> =>
      (await tx.query(sql, [...values])).rows as readonly Row[];
    try {
      const inside = await transactionOf(tx, read);
      const text = inside.length === 0 ? call : `CASE WHEN pg_current_xact_id()::text = $8 THEN ${call} END`;
      const values = [this.#to.owner, ...argumentsOf(batch, prepared.rows), ...inside];
      const rows = await read(`SELECT ${text} AS told`, values);
      if (rows[0]?.['told'] === null) throw notBegun();
      return await tell(this.#to, { batch, prepared, rows }, read);
    } catch (error) {
      const detail = detailOf(codeOf(error), this.#to.name);
      throw detail === null ? error : new HoldfastError('invalid_input', { detail, cause: error });
    }
  }

  async #makeDays(batch: CommitBatch): Promise<void> {
    const events = [...batch.appends.flatMap((row) => row.events), ...batch.settlements.flatMap((row) => row.emits)];
    const days = events.map(({ event }) => bucketOf(event.id)).filter((day) => !this.#days.has(day));
    if (days.length === 0) return;
    await makeBuckets(this.#to, batch);
    for (const day of days) this.#days.add(day);
  }
}

/** Nothing of it is there before the caller commits, and nobody tells when that is: so nothing is handed off. */
function leftInStore(event: NewEvent): NewEvent {
  return { ...event, deliveries: event.deliveries.map((delivery) => ({ ...delivery, handOff: 'no' as const })) };
}

/** Nobody may claim it yet, and who asked for it is not told when somebody may. */
function withoutOffers(answer: EventAnswer): EventAnswer {
  if (answer.status !== 'committed') return answer;
  const { status, eventId, claims } = answer;
  return { status, eventId, claims };
}

/** What is wrong with the transaction itself; `null`: nothing, it is an error of the database. */
function detailOf(code: string, schema: string): string | null {
  if (code === WRONG_ISOLATION)
    return 'tx: the transaction must be READ COMMITTED, PostgreSQL’s default: BEGIN ISOLATION LEVEL READ COMMITTED.';
  if (ELSEWHERE.has(code))
    return `tx: the transaction is not on the store's database: there is no schema '${schema}' of this version.`;
  return null;
}
