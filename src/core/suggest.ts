/** What somebody probably meant who wrote a name that does not exist. */

/** Differences beyond this are no slip of the pen. */
const DISTANCE_MAX = 4;

/**
 * The known name nearest to `name`; `null` when none is within `differencesMax`. Names longer than 64 characters are not
 * compared.
 */
export function nearestName(name: string, known: Iterable<string>, differencesMax = DISTANCE_MAX): string | null {
  if (name.length > 64) return null;
  let nearest: string | null = null;
  let distance = Math.min(differencesMax, Math.max(1, Math.ceil(name.length / 2))) + 1;
  for (const other of known) {
    const found = editDistance(name.toLowerCase(), other.toLowerCase());
    if (found < distance) {
      nearest = other;
      distance = found;
    }
  }
  return nearest;
}

/** ` Did you mean 'x'?`, or nothing. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const nearest = nearestName(name, known);
  return nearest === null ? '' : ` Did you mean '${nearest}'?`;
}

/** Letters to insert, remove or exchange to get from one name to the other. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const swap = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
