/** Errors as they are answered: problem+json (RFC 9457) with the code of errors.ts. */
import { EmitUnfit } from '../deliver/event-types.ts';
import { HoldfastError, type ErrorCode, errorCodes } from '../errors.ts';
import { StoreError, type StoreFailure } from '../store/store.ts';

/** One value of the input that does not fit. */
export interface InputIssue {
  /** Where it was: `query`, `path`, `body`. */
  readonly in: string;
  /** Its name, with dots and indexes below it; '' for the whole. */
  readonly name: string;
  readonly message: string;
}

/** `invalid_input` with what is wrong, value by value. */
export class InputError extends HoldfastError {
  readonly issues: readonly InputIssue[];

  constructor(issues: readonly InputIssue[]) {
    super('invalid_input', {
      detail: issues
        .map(({ in: where, name, message }) => `${where}${name === '' ? '' : ` ${name}`}: ${message}`)
        .join('; '),
    });
    this.issues = issues;
  }
}

/** A single value that does not fit. */
export function inputError(where: string, name: string, message: string): InputError {
  return new InputError([{ in: where, name, message }]);
}

const STORE_CODES: Readonly<Record<StoreFailure, ErrorCode>> = {
  unavailable: 'store_unavailable',
  unknown: 'commit_unknown',
  fatal: 'store_fatal',
};

/** The error of the table that anything thrown is. What is not ours is `internal`, and its text stays inside. */
export function asHoldfastError(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  if (error instanceof StoreError)
    return new HoldfastError(STORE_CODES[error.failure], { retryAfterS: 5, cause: error });
  return new HoldfastError('internal', { cause: error });
}

/** What a problem says. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail?: string;
  readonly action: string;
  readonly retryable: boolean;
  readonly issues?: readonly InputIssue[];
}

function issuesOf(error: HoldfastError): { readonly issues?: readonly InputIssue[] } {
  if (error instanceof InputError) return { issues: error.issues };
  if (!(error instanceof EmitUnfit)) return {};
  const named = error.issues.map(({ index, path, message }) => {
    return {
      in: 'body',
      name: [index, 'data', path].filter((part) => part !== null && part !== '').join('.'),
      message,
    };
  });
  return { issues: named };
}

/** The answer to anything thrown. */
export function problemOf(thrown: unknown): { readonly body: ProblemBody; readonly headers: Record<string, string> } {
  const error = asHoldfastError(thrown);
  const { status, message, action, retryable } = errorCodes[error.code];
  const body = {
    type: `urn:holdfast:error:${error.code}`,
    title: message,
    status,
    code: error.code,
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    action,
    retryable,
    ...issuesOf(error),
  };
  const retryAfterS = error.retryAfterS ?? (status === 503 ? 5 : undefined);
  return {
    body,
    headers: {
      'content-type': 'application/problem+json',
      ...(retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) }),
      ...(status === 401 ? { 'www-authenticate': 'Bearer realm="holdfast"' } : {}),
    },
  };
}

/** The same as a Response. */
export function problemResponse(thrown: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  const problem = problemOf(thrown);
  return new Response(JSON.stringify(problem.body), {
    status: problem.body.status,
    headers: { ...problem.headers, ...headers },
  });
}
