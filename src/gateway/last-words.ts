/** What a process notes in the store when it stops. */
import type { Committer } from '../commit/committer.ts';
import type { Holds } from '../dispatch/holds.ts';
import type { Observing } from './observing.ts';
import { savePeaks } from './peaks.ts';

/** Where the store is away, or goes away at that very moment, nothing is noted: the process has to end. Never fails. */
export async function lastWords(holds: Holds, committer: Committer, { observer, stats }: Observing): Promise<void> {
  if (committer.state !== 'open') return;
  try {
    await holds.seen();
    await savePeaks(committer, stats.peaks());
  } catch (error) {
    observer.note('warn', 'the store was away at the stop', { error: String(error) });
  }
}
