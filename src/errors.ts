/** The one class of errors that Holdfast raises; what its codes mean is the table in error-codes.ts. */
import { errorCodes } from './error-codes.ts';

export { type ErrorEntry, errorCodes } from './error-codes.ts';

/** A code from the table. */
export type ErrorCode = keyof typeof errorCodes;

/** Options of {@link HoldfastError}. */
export interface ErrorOptions {
  /** What exactly was wrong here: the option, what was expected, what was got. Never a secret. */
  readonly detail?: string;
  /** Seconds after which the same request may succeed; sent as `Retry-After`. */
  readonly retryAfterS?: number;
  readonly cause?: unknown;
}

/** The one error class. Tell errors apart by `code`, never by message. */
export class HoldfastError extends Error {
  override readonly name = 'HoldfastError';
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly retryAfterS: number | undefined;

  constructor(code: ErrorCode, options: ErrorOptions = {}) {
    const { message } = errorCodes[code];
    super(options.detail === undefined ? message : `${message} ${options.detail}`, { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
    this.retryAfterS = options.retryAfterS;
  }

  get status(): number {
    return errorCodes[this.code].status;
  }

  get retryable(): boolean {
    return errorCodes[this.code].retryable;
  }

  get action(): string {
    return errorCodes[this.code].action;
  }
}
