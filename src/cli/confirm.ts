/** Asks before something that is not easily undone. */
import { HoldfastError } from '../errors.ts';
import type { Surroundings } from './command.ts';
import { UsageError } from './exit.ts';

/** An invocation of a command that asks. */
export interface Confirming extends Surroundings {
  readonly options: { readonly yes: boolean };
}

/**
 * Returns when the person agreed or `--yes` was given.
 * @throws UsageError when there is nobody to ask
 * @throws HoldfastError invalid_input when the person said no
 */
export async function confirm({ options, ask }: Confirming, question: string): Promise<void> {
  if (options.yes) return;
  const answer = await ask(`${question} [y/N] `);
  if (answer === null) throw new UsageError('There is nobody to ask here: pass --yes.');
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new HoldfastError('invalid_input', { detail: 'Nothing was done: the answer was no.' });
}
