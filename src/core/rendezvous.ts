/**
 * Rendezvous hashing: everybody ranks the same members in the same order for a name, without asking each other. When a
 * member comes or goes, the order of the others stays.
 *
 * Thaler, D. and Ravishankar, C.: Using name-based mappings to increase hit rates. IEEE/ACM Transactions on Networking
 * 6(1), 1998.
 */

/** How many of `members` stand before `member` for this name: 0 for the first. */
export function placeOf(name: string, member: string, members: readonly string[]): number {
  const own = weightOf(name, member);
  let before = 0;
  for (const other of members) {
    if (other === member) continue;
    const weight = weightOf(name, other);
    if (weight > own || (weight === own && other < member)) before++;
  }
  return before;
}

/** FNV-1a, with the last steps of MurmurHash3, so that names which differ in one letter differ in every bit. */
function weightOf(name: string, member: string): number {
  let hash = 0x811c9dc5;
  for (const text of [name, '\0', member]) {
    for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
