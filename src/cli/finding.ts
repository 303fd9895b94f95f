/** One line of the doctor's report. */
import { HoldfastError } from '../errors.ts';

export interface Finding {
  readonly check: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly text: string;
  /** What to do. */
  readonly action?: string;
}

/** What an error says, as a finding. */
export function failed(check: string, error: unknown): Finding {
  if (error instanceof HoldfastError) {
    return { check, state: 'fail', text: `${error.message} [${error.code}]`, action: error.action };
  }
  return { check, state: 'fail', text: error instanceof Error ? error.message : String(error) };
}
