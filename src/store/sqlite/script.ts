/** What is asked of the writer: a list of statements, in or out of one transaction. Data only, so that it can travel. */
import type { SealKind } from './sealed.ts';
import type { StatementName } from './statements.ts';

/**
 * A blob that the writer has still to seal: compressing is its work, off the event loop when it has a thread. Its bytes
 * are `raw`, or lie in the arena that the thread shares.
 */
export interface Unsealed {
  readonly kind: SealKind;
  readonly key: number;
  readonly raw: Uint8Array | { readonly at: number; readonly length: number };
}

export type Param = null | number | string | Uint8Array | Unsealed;

/** One statement: a named one, or SQL text for what is rare. */
export interface Step {
  readonly statement: StatementName | { readonly sql: string };
  readonly params: readonly Param[];
}

export type Row = Readonly<Record<string, null | number | string | Uint8Array>>;

export interface Script {
  /** Begins a transaction first. */
  readonly begin: boolean;
  readonly steps: readonly Step[];
  /** Commits at the end, or leaves the transaction open for the next script. */
  readonly commit: boolean;
}

/** The rows each step returned, in order; none for those that return none. */
export interface ScriptResult {
  readonly rows: readonly (readonly Row[])[];
}

/** How a script failed. The transaction is rolled back, if that could be done. */
export interface ScriptFailure {
  readonly code: number | null;
  readonly message: string;
  readonly rolledBack: boolean;
}

export function isUnsealed(param: Param): param is Unsealed {
  return typeof param === 'object' && param !== null && !(param instanceof Uint8Array);
}
