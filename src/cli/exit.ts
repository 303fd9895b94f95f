/** What the program's exit code means, in one table, and the errors that lead to each. */
import { type ErrorCode, HoldfastError } from '../errors.ts';

export const exitCodes = {
  ok: { code: 0, about: 'Done. Of `start`: stopped gracefully.' },
  failed: { code: 1, about: 'It did not work; standard error says why and what to do.' },
  usage: { code: 2, about: 'The command line is wrong: no such command, option or value.' },
  unreachable: { code: 3, about: 'No gateway answers, and the command needs one.' },
  unauthorized: { code: 4, about: 'The gateway did not take the token, or the token may not do that.' },
  lost: { code: 70, about: 'Of `start`: the store was lost to an I/O error; start again, and it recovers.' },
  interrupted: { code: 130, about: 'Interrupted by Ctrl-C (SIGINT); of `start`: by a second one.' },
  terminated: { code: 143, about: 'Ended by SIGTERM; of `start`: by a second one.' },
} as const;

/** A command line that cannot be understood. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const byErrorCode: Partial<Record<ErrorCode, number>> = {
  gateway_unreachable: exitCodes.unreachable.code,
  unauthorized: exitCodes.unauthorized.code,
  token_expired: exitCodes.unauthorized.code,
  forbidden: exitCodes.unauthorized.code,
};

/** The exit code of a failed command. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return exitCodes.usage.code;
  if (error instanceof HoldfastError) return byErrorCode[error.code] ?? exitCodes.failed.code;
  return exitCodes.failed.code;
}
