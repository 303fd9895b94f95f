/** One line of the doctor's report. */
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ErrorCode, HoldfastError } from '../errors.ts';

export interface Finding {
  readonly check: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly text: string;
  /** What to do. */
  readonly action?: string;
}

/** What the table says of an error is for who sends a request; this for who is at the command line. */
const ACTIONS: Partial<Record<ErrorCode, string>> = {
  store_unavailable: 'Start its server, or correct the setting store (HOLDFAST_STORE).',
  unauthorized: '',
};

/** What to do about an error. */
export function actionOf({ code, action }: HoldfastError): string {
  return ACTIONS[code] ?? action;
}

/** There is no file to copy. */
export function notEmbedded(store: string): HoldfastError {
  const [scheme = ''] = store.split(':');
  const detail =
    scheme === 'memory'
      ? 'The store is in memory: nothing of it is on a disk.'
      : `The store is ${scheme}://…, and no file: copy it with the tools of its server.`;
  return new HoldfastError('invalid_input', { detail });
}

/** What an error says, as a finding. */
export function failed(check: string, error: unknown): Finding {
  if (error instanceof HoldfastError) {
    return { check, state: 'fail', text: `${error.message} [${error.code}]`, action: actionOf(error) };
  }
  return { check, state: 'fail', text: error instanceof Error ? error.message : String(error) };
}

/** The folder, or the nearest above it that exists. */
export function existing(folder: string): string {
  return existsSync(folder) || folder === dirname(folder) ? folder : existing(dirname(folder));
}

/** A file that is made at first start, if it can be. */
export function placeFinding(check: string, path: string): Finding {
  const folder = existing(dirname(path));
  try {
    accessSync(folder, constants.W_OK);
    return { check, state: 'ok', text: `${path} is made at first start` };
  } catch {
    const action = 'Give it a folder that the gateway may write in.';
    return { check, state: 'fail', text: `${folder} cannot be written.`, action };
  }
}
