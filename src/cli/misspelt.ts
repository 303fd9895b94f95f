/** Variables that were meant for settings and are none: nobody would notice that they are not read. */
import { nearestName } from '../core/suggest.ts';
import { settings } from '../settings.ts';
import { variables } from './help.ts';

/** Other programs have variables of their own: only what differs this little from one of ours was meant for it. */
const MISSPELT_BY = 2;

/** Those that are nothing here, and named nearly as one that is: each with that one. */
export function misspeltVariables(
  names: readonly string[],
): readonly { readonly name: string; readonly meant: string }[] {
  const known = new Set([...Object.values(settings).map(({ env }) => env), ...Object.keys(variables)]);
  const strange = names.filter((name) => name.startsWith('HOLDFAST_') && !known.has(name));
  return strange.flatMap((name) => {
    const meant = nearestName(name, known, MISSPELT_BY);
    return meant === null ? [] : [{ name, meant }];
  });
}
