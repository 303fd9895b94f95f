/**
 * The layers of src/, in one table: what a part is, and what it may import besides itself. Imports point down only, so
 * that a part can be read, tested and replaced knowing nothing of what stands above it.
 */
export interface Part {
  readonly name: string;
  /** Paths below src/. A pattern ending in `/` is a folder. */
  readonly files: readonly string[];
  /** The parts it may import. */
  readonly imports: readonly string[];
  /** The parts of which it may import types only: nothing of them runs. */
  readonly types?: readonly string[];
  /** The parts it may import with `import()` only, so that their clients load when they are needed. */
  readonly lazy?: readonly string[];
  /** The packages it may import; all, where none are named. */
  readonly packages?: readonly string[];
}

const ports = ['store port', 'queue port', 'verifier port'];
const drivers = ['store driver', 'queue driver'];
const base = ['core', 'errors'];
const middle = ['deliver', 'commit', 'observe', 'keys', ...ports, ...base];
const upper = ['api', 'dashboard', 'ingest', 'endpoints', 'dispatch', 'config', 'verify', ...middle];

/** The first part whose files match owns a file. Drivers are told apart by their own folder or file: see {@link unitOf}. */
export const parts: readonly Part[] = [
  { name: 'errors', files: ['errors.ts', 'error-codes.ts'], imports: [] },
  { name: 'core', files: ['core/'], imports: ['errors'], packages: ['node:buffer', 'node:crypto', 'node:util'] },
  { name: 'verifier port', files: ['verify/verifier.ts'], imports: base },
  {
    name: 'store port',
    files: [
      'store/store.ts',
      'store/batch.ts',
      'store/records.ts',
      'store/fitness.ts',
      'store/spool.ts',
      'store/transfer.ts',
    ],
    imports: base,
  },
  {
    name: 'queue port',
    files: ['queue/queue.ts', 'queue/hints.ts', 'queue/bell.ts', 'queue/intake.ts', 'queue/client.ts'],
    imports: base,
  },
  // What signs is what verifies, turned round: the sender of webhooks and the verifiers share keys and encodings.
  {
    name: 'keys',
    files: [
      'verify/compare.ts',
      'verify/ed25519.ts',
      'verify/encoding.ts',
      'verify/keys.ts',
      'verify/one-shot.ts',
      'verify/prepared-hmac.ts',
      'verify/standard-keys.ts',
      'verify/verdict.ts',
    ],
    imports: ['verifier port', ...base],
    packages: ['node:buffer', 'node:crypto'],
  },
  // It runs on any runtime that has the first two; node:https is loaded only where a certificate is fetched.
  {
    name: 'verify',
    files: ['verify/'],
    imports: ['keys', 'verifier port', ...base],
    packages: ['node:buffer', 'node:crypto', 'node:https'],
  },
  { name: 'store driver', files: ['store/'], imports: ['store port', ...base] },
  { name: 'queue driver', files: ['queue/'], imports: ['queue port', ...base] },
  {
    name: 'config',
    files: ['config.ts', 'settings.ts'],
    imports: ['ingest', 'deliver', 'verifier port', ...base],
    types: ports,
  },
  { name: 'observe', files: ['observe/'], imports: [...ports, ...base], types: ['config'] },
  { name: 'commit', files: ['commit/'], imports: [...ports, ...base], types: ['config'] },
  { name: 'deliver', files: ['deliver/'], imports: ['keys', ...ports, ...base], types: ['config'] },
  { name: 'dispatch', files: ['dispatch/'], imports: middle, types: ['config'] },
  { name: 'endpoints', files: ['endpoints/'], imports: ['dispatch', ...middle], types: ['config'] },
  { name: 'ingest', files: ['ingest/'], imports: middle },
  { name: 'api', files: ['api/'], imports: middle, types: ['config', 'ingest', 'dispatch', 'endpoints'] },
  { name: 'dashboard', files: ['dashboard/'], imports: [] },
  { name: 'gateway', files: ['gateway.ts', 'gateway/'], imports: upper, types: drivers, lazy: drivers },
  { name: 'cli', files: ['cli/'], imports: ['gateway', ...upper] },
  {
    name: 'index',
    files: ['index.ts'],
    imports: ['gateway', 'config', 'deliver', 'verify', ...base],
    types: [...ports, ...middle, 'ingest'],
  },
  {
    name: 'testing',
    files: ['testing/'],
    imports: ['index', 'gateway', 'cli', ...upper, ...drivers],
  },
];

/** How a file imports another: its value at load, its types, or its value when it is needed. */
export type ImportKind = 'value' | 'type' | 'lazy';

/** The part a path below src/ belongs to. */
function partOf(path: string): Part | undefined {
  return parts.find((part) => part.files.some((file) => (file.endsWith('/') ? path.startsWith(file) : path === file)));
}

/** A driver is one file or one folder, and no driver may import another: `store/sqlite/schema.ts` is of `store/sqlite`. */
function unitOf(part: Part, path: string): string {
  return drivers.includes(part.name) ? path.split('/').slice(0, 2).join('/').replace(/\.ts$/, '') : part.name;
}

/** Why `from` may not import `to` (both paths below src/), or null when it may. */
export function refuseImport(from: string, to: string, kind: ImportKind): string | null {
  const source = partOf(from);
  const target = partOf(to);
  if (source === undefined) return `src/${from} belongs to no part: add it to scripts/lint/layers.ts.`;
  if (target === undefined) return `src/${to} belongs to no part: add it to scripts/lint/layers.ts.`;
  if (unitOf(source, from) === unitOf(target, to)) return null;
  if (source.imports.includes(target.name)) return null;
  if (kind === 'type' && source.types?.includes(target.name)) return null;
  if (kind === 'lazy' && source.lazy?.includes(target.name)) return null;
  const allowed = [
    ...source.imports,
    ...(source.types ?? []).map((name) => `${name} (types)`),
    ...(source.lazy ?? []).map((name) => `${name} (lazily)`),
  ];
  return `Imports point down: ${source.name} may not import ${target.name}. It may import ${allowed.join(', ') || 'nothing'}.`;
}

/** Why `from` may not import the package `name`, or null when it may. */
export function refusePackage(from: string, name: string): string | null {
  const source = partOf(from);
  if (name === 'holdfast' || name.startsWith('holdfast/')) return 'src/ imports itself by relative paths.';
  if (source?.packages === undefined || source.packages.includes(name)) return null;
  return `${source.name} stays pure: it may import ${source.packages.join(', ')}, not ${name}.`;
}
