/** What `emit` takes, on the gateway and in a handler's context. */

export interface EmitOptions {
  readonly tenant?: string;
  /** A repeat within the window is recognised and changes nothing. */
  readonly dedupeKey?: string;
  readonly orderKey?: string;
  /** Not delivered before this time; it can be cancelled until then. */
  readonly at?: Date | number;
  /** Default: that of the event being handled, else a new one. */
  readonly correlationId?: string;
}

/**
 * A transaction on the database of a PostgreSQL store: a client of the package `pg` on which you began one, or anything
 * whose `query` runs one statement in it (`$1`, `$2`… in the text, a value for each) and resolves with its rows. It must
 * be READ COMMITTED, PostgreSQL's default.
 */
export interface SqlTransaction {
  query(text: string, values: unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
}

/** Whose events `gateway.emit` commits. */
export interface TransactionOption {
  /**
   * A transaction of your own on the store's database: the event and all that it owes are committed with what you write
   * there, or not at all. `emit` then resolves before the commit, which is yours, and nothing is delivered before it.
   * Default: a commit of the gateway's own.
   */
  readonly tx?: SqlTransaction | undefined;
}
