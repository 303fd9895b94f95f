/**
 * The way out, in one table: what opens connections to elsewhere, and which files may. Everything else asks
 * `src/deliver/egress`, where the guard stands: a second way out would be one without it.
 */

/** What of a module leads outwards: these of its names, or all of it. */
const outward: Readonly<Record<string, readonly string[] | 'all'>> = {
  http: ['request', 'get', 'Agent', 'globalAgent', 'ClientRequest', 'default'],
  https: ['request', 'get', 'Agent', 'globalAgent', 'default'],
  http2: ['connect', 'default'],
  net: ['connect', 'createConnection', 'Socket', 'default'],
  tls: ['connect', 'TLSSocket', 'default'],
  dgram: 'all',
  dns: 'all',
  'dns/promises': 'all',
  undici: 'all',
};

/** Files below src/ that may, with the reason. A pattern ending in `/` is a folder. */
const waysOut: readonly { readonly file: string; readonly why: string }[] = [
  { file: 'deliver/egress/', why: 'it is the guard' },
  { file: 'cli/', why: 'it talks to a gateway whose address the person at the terminal gives' },
  {
    file: 'verify/fetch.ts',
    why: 'holdfast/verify works without a gateway; in one, the fetch of the egress takes its place',
  },
];

/**
 * Why a file may not import these names of a module, or null when it may.
 *
 * @param names as they are called in the module; `*` for all of it
 */
export function refuseWayOut(from: string, module: string, names: readonly string[]): string | null {
  if (waysOut.some(({ file }) => (file.endsWith('/') ? from.startsWith(file) : from === file))) return null;
  const found = outward[module.replace(/^node:/, '')];
  if (found === undefined) return null;
  const out = names.find((name) => found === 'all' || name === '*' || found.includes(name));
  if (out === undefined) return null;
  return `One way out: ${out === '*' ? module : `${out} of ${module}`} is for src/deliver/egress alone. Ask an Egress instead.`;
}
