/** What the programs are told by their environment. */

/** @throws Error naming the variable that is missing */
export function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`Set ${name}.`);
  return value;
}

/** `sync` (default): webhooks are processed in their request. `queue`: acknowledged, then processed by the worker. */
export function processing(): 'sync' | 'queue' {
  const value = process.env['PROCESSING'] ?? 'sync';
  if (value !== 'sync' && value !== 'queue') throw new Error(`PROCESSING: expected sync or queue, got '${value}'.`);
  return value;
}
