/** Earlier names of destinations: what they are owed becomes theirs, which is on record. */
import type { AuditRecord } from '../api/port.ts';
import type { Committer } from '../commit/committer.ts';
import type { Destination } from '../dispatch/destination.ts';
import type { AuditLog } from './audit.ts';

export async function rename(
  destinations: readonly Destination[],
  committer: Committer,
  audit: AuditLog,
): Promise<void> {
  for (const { name, formerly } of destinations) {
    for (const from of formerly) {
      const answer = await committer.act({ kind: 'rename', from, to: name });
      if (answer.status === 'committed' && answer.affected > 0) await audit.append(renamed(from, name));
    }
  }
}

/** What the code of the application does by itself. */
function renamed(from: string, to: string): AuditRecord {
  const caller = { id: 'local', name: 'local' };
  return {
    caller,
    by: 'formerly',
    action: 'queue.rename',
    target: to,
    note: `was ${from}`,
    before: null,
    after: null,
    ip: '',
  };
}
