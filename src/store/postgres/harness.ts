/** The store on a harness of the conformance suite. For tests: one server a process, one schema, emptied for each world. */
import { Pool } from 'pg';
// oxlint-disable-next-line holdfast/layers -- a harness is for tests; nothing else imports it
import { TestClock } from '../../testing/clock.ts';
// oxlint-disable-next-line holdfast/layers -- a harness is for tests; nothing else imports it
import type { StoreHarness } from '../../testing/conformance/harness.ts';
import type { CommitBatch } from '../store.ts';
import { ROW_BYTES_MAX } from './batch-rows.ts';
import { makePool } from './connection.ts';
import { type PostgresOptions, type PostgresStore, postgresStore } from './index.ts';

const SCHEMA = 'holdfast_test';

/** Replaces the clock of the schema by a row, and lets a commit fail as its last act. */
const SEAMS = `
CREATE TABLE IF NOT EXISTS ${SCHEMA}.test_world (now bigint NOT NULL, fails boolean NOT NULL DEFAULT false);
CREATE OR REPLACE FUNCTION ${SCHEMA}.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT now FROM ${SCHEMA}.test_world';
CREATE OR REPLACE FUNCTION ${SCHEMA}.test_fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT fails FROM ${SCHEMA}.test_world) THEN RAISE EXCEPTION 'the test lets this commit fail'; END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER test_fail BEFORE INSERT ON ${SCHEMA}.token FOR EACH ROW EXECUTE FUNCTION ${SCHEMA}.test_fail();`;

const EMPTIED =
  'delivery ended event attempt answer dedupe dedupe_window token process destination_total source_total document test_world'.split(
    ' ',
  );

/** A connection of the test's own, and a schema whose time the test holds. */
export class PostgresWorlds {
  readonly #url: string;
  readonly #admin: Pool;
  /** Of all worlds that ask for nothing else: a connection plans every function once. */
  readonly #shared: Pool;

  private constructor(url: string, admin: Pool) {
    this.#url = url;
    this.#admin = admin;
    this.#shared = makePool(url, 8);
  }

  static async prepare(url: string): Promise<PostgresWorlds> {
    const first = postgresStore({ url, clock: new TestClock(), schema: SCHEMA, process: 'first', listenUrl: null });
    await first.work.open();
    await first.work.close();
    const admin = new Pool({ connectionString: url, max: 1, options: `-c search_path=${SCHEMA}` });
    admin.on('error', () => undefined);
    await admin.query(SEAMS);
    return new PostgresWorlds(url, admin);
  }

  async close(): Promise<void> {
    await this.#shared.end();
    await this.#admin.end();
  }

  /** A store of the schema, as another process would open it. */
  store(clock: TestClock, more: Partial<PostgresOptions> = {}): PostgresStore {
    const own = more.url !== undefined || more.connectionsMax !== undefined;
    const given = { url: this.#url, clock, schema: SCHEMA, process: 'test', listenUrl: null, ...more };
    return postgresStore(own ? given : { ...given, pool: this.#shared });
  }

  /** Anything, in the schema. */
  async query(text: string, values: readonly unknown[] = []): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return (await this.#admin.query<Record<string, unknown>>(text, [...values])).rows;
  }

  /** An empty store under a clock that stands still. */
  async harness(more: Partial<PostgresOptions> = {}): Promise<StoreHarness> {
    const clock = new TestClock();
    const stores: PostgresStore[] = [];
    const admin = this.#admin;
    const deletes = EMPTIED.map((table) => `DELETE FROM ${SCHEMA}.${table}`).join('; ');
    const epochs = `UPDATE ${SCHEMA}.dedupe_epoch SET opened_at = ${clock.now()}, forgotten_at = 0, generation = 0`;
    const world = `INSERT INTO ${SCHEMA}.test_world (now) VALUES (${clock.now()})`;
    await admin.query(`BEGIN; ${deletes}; ${epochs}; ${world}; COMMIT`);
    const open = async (): Promise<PostgresStore> => {
      const store = this.store(clock, more);
      stores.push(store);
      await store.work.open();
      return store;
    };
    return {
      clock,
      capabilities: {
        embedded: false,
        shared: true,
        durableTokens: true,
        offers: true,
        transactions: true,
        rowBytesMax: ROW_BYTES_MAX,
      },
      open,
      reopen: async ({ crash }) => {
        // One that died keeps its connections until the world ends: nobody closed them.
        if (!crash) await stores.at(-1)?.work.close();
        return open();
      },
      interrupt: (batch) => this.#interrupt(stores.at(-1), batch),
      advance: async (ms) => {
        await admin.query(`UPDATE ${SCHEMA}.test_world SET now = now + ${ms}`);
        await clock.advanceSlowly(ms);
        await stores.at(-1)?.quiet();
        await clock.advanceSlowly(0);
      },
      dispose: async () => {
        for (const store of stores) await store.work.close();
      },
    };
  }

  /** Lets everything of the commit happen, and then fail. */
  async #interrupt(store: PostgresStore | undefined, batch: CommitBatch): Promise<void> {
    await this.#admin.query(`UPDATE ${SCHEMA}.test_world SET fails = true`);
    const committed = await store?.work.commit(batch).then(
      () => true,
      () => false,
    );
    await this.#admin.query(`UPDATE ${SCHEMA}.test_world SET fails = false`);
    if (committed !== false) throw new Error('The commit that was to fail was committed.');
  }
}
