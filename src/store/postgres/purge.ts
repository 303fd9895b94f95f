/**
 * Retention, step by step. Held deliveries first; then a sweep over the days that are old enough, one after the other and
 * each in the order of positions, as far as a step may go; at its end the rest: days that are over go whole, totals are added
 * up, epochs of dedupe keys turn. A day with much in it goes whole, when all of it may go; before that it is swept once for
 * each clock (bodies, unmatched events, dead letters), when all of it is old enough for that.
 */
import { type PurgeAnswer, type PurgeRequest, type Retention, StoreError } from '../store.ts';
import type { Committing } from './commit.ts';
import type { Row, Statement } from './connection.ts';
import { isTransient } from './failure.ts';
import { numberIn, numberOrNull } from './rows.ts';
import { BUCKET_MS } from './tables.ts';
import { storedText } from './text.ts';

/** A day with more bytes than this is not swept again and again. */
export const SWEPT_BYTES_MAX = 64 * 1024 * 1024;

/** Events that are looked at in one call, and of a day that goes whole. */
const STEP_EVENTS_MAX = 1000;
/** A step through what is large may take longer than a commit; what looks through a whole day or epoch, longer still. */
const STEP_MS = 60_000;
const WHOLE_MS = 1_200_000;
const TRIES_MAX = 4;

type Sums = { -readonly [Name in Exclude<keyof PurgeAnswer, 'more'>]: number };

export interface PurgeOptions {
  /** See {@link SWEPT_BYTES_MAX}. */
  readonly sweptBytesMax: number;
}

/** Where a sweep is; one per store. */
export class Purge {
  readonly #to: Committing;
  readonly #options: PurgeOptions;
  /** Days to look through yet; `null`: none is under way. */
  #left: readonly number[] | null = null;
  /** Where in the first of them. */
  #after = 0;
  /** Those with much in them, and since when they are looked through. */
  #large: readonly number[] = [];
  #begunAt = 0;

  constructor(to: Committing, options: PurgeOptions) {
    this.#to = to;
    this.#options = options;
  }

  async step(request: PurgeRequest): Promise<PurgeAnswer> {
    const sums: Sums = { bodies: 0, events: 0, deadLetters: 0, dedupeKeys: 0, held: 0 };
    const limit = Math.max(1, Math.floor(request.limit));
    for (const { destination, before } of request.heldBefore) {
      sums.held += await this.#buryHeld(destination, before, limit - sums.held);
      if (sums.held >= limit) return { ...sums, more: true };
    }
    this.#left ??= await this.#begin(request.retention);
    for (let looked = 0; this.#left.length > 0;) {
      if (looked >= limit) return { ...sums, more: true };
      looked += await this.#sweep(request.retention, limit - looked, sums);
    }
    this.#left = null;
    if (this.#large.length > 0) await this.#call('note_swept_1($1, $2)', [this.#large, this.#begunAt]);
    this.#large = [];
    await this.#dropDays(request.retention, sums);
    sums.dedupeKeys += await this.#housekeep();
    return { ...sums, more: false };
  }

  async #buryHeld(destination: string, before: number, limit: number): Promise<number> {
    if (limit <= 0) return 0;
    const values = [storedText(destination), Math.ceil(before), limit];
    return numberIn(await this.#call('bury_held_1($1, $2, $3) AS buried', values), 'buried');
  }

  /** Which days to look at. */
  async #begin(retention: Retention): Promise<readonly number[]> {
    const soonest = Math.min(...clocksOf(retention).map((clock) => clock ?? Number.POSITIVE_INFINITY));
    if (soonest === Number.POSITIVE_INFINITY) return [];
    const { now, days } = await this.#days();
    // A day later than the horizon: the time in an id need not be the time of receipt.
    const last = Math.floor((now - soonest) / BUCKET_MS) + 1;
    const isLarge = ({ bucket, bytes }: Day): boolean => bucket !== 0 && bytes > this.#options.sweptBytesMax;
    const within = days.filter((day) => day.bucket <= last && (!isLarge(day) || hasComeOfAge(day, retention, now)));
    this.#large = within.filter(isLarge).map(({ bucket }) => bucket);
    this.#begunAt = now;
    this.#after = 0;
    return within.map(({ bucket }) => bucket);
  }

  /** Goes on in the first of the days that are left; answers at how many events it looked. */
  async #sweep(retention: Retention, limit: number, sums: Sums): Promise<number> {
    const [bucket, ...others] = this.#left ?? [];
    const values = [clocksText(retention), bucket, this.#after, Math.min(limit, STEP_EVENTS_MAX)];
    const row = await this.#call('* FROM SCHEMA.sweep_1($1, $2, $3, $4)', values);
    sums.events += numberIn(row, 'o_events');
    sums.bodies += numberIn(row, 'o_bodies');
    sums.deadLetters += numberIn(row, 'o_dead');
    const after = numberOrNull(row, 'o_after');
    this.#after = after ?? 0;
    if (after === null) this.#left = others;
    return numberIn(row, 'o_looked');
  }

  /** Days of which everything may go. What outlives them is moved first. */
  async #dropDays(retention: Retention, sums: Sums): Promise<void> {
    if (retention.eventsMs === null) return;
    const { now, days } = await this.#days();
    const horizon = now - retention.eventsMs;
    for (const { bucket } of days) {
      if (bucket === 0 || (bucket + 1) * BUCKET_MS > horizon) continue;
      await this.#keepWhatStays(retention, bucket);
      const row = await this.#call('drop_bucket_1($1, $2) AS events', [bucket, horizon], WHOLE_MS);
      sums.events += numberOrNull(row, 'events') ?? 0;
    }
  }

  async #keepWhatStays(retention: Retention, bucket: number): Promise<void> {
    for (let after: number | null = 0; after !== null;) {
      const values = [clocksText(retention), bucket, after, STEP_EVENTS_MAX];
      after = numberOrNull(await this.#call('* FROM SCHEMA.keep_1($1, $2, $3, $4)', values), 'o_after');
    }
  }

  /** Answers how many dedupe keys were forgotten. */
  async #housekeep(): Promise<number> {
    const { now } = await this.#days();
    const tomorrow = Math.floor(now / BUCKET_MS) + 1;
    await this.#run([
      { text: `SET LOCAL search_path = ${this.#to.schema}, pg_temp` },
      { text: `SELECT make_bucket($1)`, values: [tomorrow] },
    ]);
    await this.#call('fold_totals_1()', []);
    return numberIn(await this.#call('turn_epochs_1() AS forgotten', [], WHOLE_MS), 'forgotten');
  }

  async #days(): Promise<{ readonly now: number; readonly days: readonly Day[] }> {
    const { connections, schema } = this.#to;
    const [rows, [clock]] = await Promise.all([
      connections.read(`SELECT bucket, bytes, swept_at FROM ${schema}.days_1()`),
      connections.read(`SELECT ${schema}.now_ms() AS now`),
    ]);
    const days = rows.map((row) => ({
      bucket: numberIn(row, 'bucket'),
      bytes: numberIn(row, 'bytes'),
      sweptAt: numberIn(row, 'swept_at'),
    }));
    return { now: Number(clock?.['now']), days };
  }

  async #call(call: string, values: readonly unknown[], statementMs = STEP_MS): Promise<Row> {
    const { schema } = this.#to;
    const what = call.startsWith('*') ? call.replace('SCHEMA', schema) : `${schema}.${call}`;
    const [row] = await this.#run([{ text: `SELECT ${what}`, values }], statementMs);
    return row ?? {};
  }

  /** Again where it failed by what others did at the same time. */
  async #run(statements: readonly Statement[], statementMs = STEP_MS): Promise<readonly Row[]> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#to.connections.run(statements, { statementMs });
      } catch (error) {
        if (tries === TRIES_MAX || !(error instanceof StoreError) || !isTransient(error.cause)) throw error;
      }
    }
  }
}

interface Day {
  readonly bucket: number;
  readonly bytes: number;
  /** By the store's clock; 0: never. */
  readonly sweptAt: number;
}

/** Whether all of a day has become old enough for a clock since it was last swept, and it does not go whole soon. */
function hasComeOfAge({ bucket, sweptAt }: Day, retention: Retention, now: number): boolean {
  const end = (bucket + 1) * BUCKET_MS;
  if (retention.eventsMs !== null && end + retention.eventsMs <= now + BUCKET_MS) return false;
  return clocksOf(retention).some((clock) => clock !== null && end + clock > sweptAt && end + clock <= now);
}

function clocksOf({ bodiesMs, eventsMs, unmatchedMs, deadLettersMs }: Retention): readonly (number | null)[] {
  return [bodiesMs, eventsMs, unmatchedMs, deadLettersMs];
}

function clocksText(retention: Retention): string {
  const [bodies, events, unmatched, deadLetters] = clocksOf(retention).map((clock) => clock && Math.ceil(clock));
  return JSON.stringify({ bodies, events, unmatched, deadLetters });
}
