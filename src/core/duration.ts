/** Durations and sizes as people write them: `'5s'`, `'1.5h'`, `'7d'`, `250` (milliseconds); `'1MiB'`, `'64kb'`. */

/** Milliseconds, or a number with `ms`, `s`, `m`, `h` or `d`. */
export type Duration = number | string;

const DURATION = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A thousand years: what is added to a time must be a time. */
const DURATION_MS_MAX = 365_250 * 86_400_000;

/** Milliseconds of a duration; `null` when it is not one. Never negative, never beyond a thousand years. */
export function parseDuration(value: Duration): number | null {
  if (typeof value === 'number') return value >= 0 && value <= DURATION_MS_MAX ? Math.round(value) : null;
  const match = DURATION.exec(value.trim());
  if (match === null) return null;
  const ms = Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? Number.NaN);
  return ms <= DURATION_MS_MAX ? Math.round(ms) : null;
}

/** Milliseconds of a duration. @throws TypeError naming the option when it is not one */
export function durationMs(value: Duration, option: string): number {
  const ms = parseDuration(value);
  if (ms === null)
    throw new TypeError(`${option}: expected a duration such as '5s', '10m' or '7d', got ${String(value)}`);
  return ms;
}

/** A duration for people: `1.5 s`, `3 min`, `2 d`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${trim(ms / 1000)} s`;
  if (ms < 3_600_000) return `${trim(ms / 60_000)} min`;
  if (ms < 86_400_000) return `${trim(ms / 3_600_000)} h`;
  return `${trim(ms / 86_400_000)} d`;
}

const BYTES = /^(\d+(?:\.\d+)?)\s*(b|kb|kib|mb|mib|gb|gib)?$/i;
const UNIT_BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1000,
  kib: 1024,
  mb: 1_000_000,
  mib: 1_048_576,
  gb: 1_000_000_000,
  gib: 1_073_741_824,
};

/** Bytes of a size such as `1MiB`; `null` when it is not one. */
export function parseBytes(value: number | string): number | null {
  const match = BYTES.exec(String(value).trim());
  if (match === null) return null;
  const bytes = Math.round(Number(match[1]) * (UNIT_BYTES[(match[2] ?? 'b').toLowerCase()] ?? Number.NaN));
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** A size for people: `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1_048_576) return `${trim(bytes / 1024)} KiB`;
  if (bytes < 1_073_741_824) return `${trim(bytes / 1_048_576)} MiB`;
  return `${trim(bytes / 1_073_741_824)} GiB`;
}

function trim(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '');
}
