/** The most open deliveries ever seen, kept over restarts in one document. */
import type { Committer } from '../commit/committer.ts';
import type { RegistryStore } from '../store/store.ts';

const KIND = 'figures';
const KEY = 'peaks';

export async function peaksOf(registry: RegistryStore): Promise<Readonly<Record<string, number>>> {
  const document = await registry.get(KIND, KEY);
  return (document?.value ?? {}) as Readonly<Record<string, number>>;
}

export async function savePeaks(committer: Committer, peaks: Readonly<Record<string, number>>): Promise<void> {
  await committer.write({ kind: KIND, key: KEY, value: peaks, ifVersion: null });
}
