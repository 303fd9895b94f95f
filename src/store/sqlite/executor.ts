/** Runs scripts on the connection that writes. The same class serves on the event loop and in a thread. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { StoreError } from '../store.ts';
import { sqliteCode, toStoreError } from './failure.ts';
import type { Row, Script, ScriptFailure, ScriptResult, Step, Unsealed } from './script.ts';
import { isUnsealed } from './script.ts';
import { seal } from './sealed.ts';
import { statements } from './statements.ts';

interface Prepared {
  readonly statement: StatementSync;
  readonly returnsRows: boolean;
}

const RETURNS_ROWS = /^\s*(SELECT|PRAGMA)|\bRETURNING\b/;
/** Rare statements are kept prepared too, but not without a limit. */
const TEXTS_MAX = 64;

/** Thrown by {@link Executor.run}: a failure that is data, so that it can cross a thread. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError';
  readonly failure: ScriptFailure;

  constructor(failure: ScriptFailure, cause?: unknown) {
    super(failure.message, { cause });
    this.failure = failure;
  }
}

/** The error that a failed script means, from its code alone. */
export function storeErrorOf(error: ScriptError): Error {
  const { code, message, rolledBack } = error.failure;
  if (code === null) return error.cause instanceof Error ? error.cause : new StoreError('fatal', message, error);
  return toStoreError(Object.assign(new Error(message, { cause: error }), { errcode: code }), rolledBack);
}

export class Executor {
  readonly #database: DatabaseSync;
  readonly #arena: Uint8Array;
  readonly #prepared = new Map<string, Prepared>();
  readonly #texts = new Map<string, Prepared>();

  /** @param arena Where blobs lie that were not sent along. */
  constructor(database: DatabaseSync, arena: Uint8Array = new Uint8Array()) {
    this.#database = database;
    this.#arena = arena;
  }

  /** @throws ScriptError after rolling back */
  run(script: Script): ScriptResult {
    if (!script.begin && script.commit && !this.#database.isTransaction) {
      // Its statements would each be a transaction of their own: half of what belongs together would be durable.
      throw new ScriptError({ code: null, message: 'There is no transaction to commit.', rolledBack: true });
    }
    try {
      if (script.begin) this.#named('begin', 'BEGIN IMMEDIATE').statement.run();
      const rows = script.steps.map((step) => this.#step(step));
      if (script.commit) this.#named('commit', 'COMMIT').statement.run();
      return { rows };
    } catch (error) {
      throw new ScriptError(this.#rollBack(error), error);
    }
  }

  rollBack(): void {
    if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #rollBack(error: unknown): ScriptFailure {
    let rolledBack = true;
    try {
      this.rollBack();
      rolledBack = !this.#database.isTransaction;
    } catch {
      rolledBack = false;
    }
    const message = error instanceof Error ? error.message : String(error);
    return { code: sqliteCode(error), message, rolledBack };
  }

  #step({ statement, params }: Step): readonly Row[] {
    const prepared =
      typeof statement === 'string' ? this.#named(statement, statements[statement]) : this.#text(statement.sql);
    const bound = params.map((param) => (isUnsealed(param) ? seal(param.kind, param.key, this.#bytes(param)) : param));
    if (prepared.returnsRows) return prepared.statement.all(...bound) as unknown as readonly Row[];
    prepared.statement.run(...bound);
    return [];
  }

  #bytes({ raw }: Unsealed): Uint8Array {
    return raw instanceof Uint8Array ? raw : this.#arena.subarray(raw.at, raw.at + raw.length);
  }

  #named(name: string, sql: string): Prepared {
    let prepared = this.#prepared.get(name);
    if (prepared === undefined) {
      prepared = this.#prepare(sql);
      this.#prepared.set(name, prepared);
    }
    return prepared;
  }

  #text(sql: string): Prepared {
    let prepared = this.#texts.get(sql);
    if (prepared === undefined) {
      if (this.#texts.size >= TEXTS_MAX) this.#texts.clear();
      prepared = this.#prepare(sql);
      this.#texts.set(sql, prepared);
    }
    return prepared;
  }

  #prepare(sql: string): Prepared {
    return { statement: this.#database.prepare(sql), returnsRows: RETURNS_ROWS.test(sql) };
  }
}
