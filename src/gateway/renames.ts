/** Earlier names of destinations: what they are owed becomes theirs, which is on record. */
import type { AuditRecord } from '../api/port.ts';
import type { Committer } from '../commit/committer.ts';
import type { Destination } from '../dispatch/destination.ts';
import type { Member } from '../dispatch/members.ts';
import type { StoreCounts } from '../store/store.ts';
import type { AuditLog } from './audit.ts';

export interface RenamesOptions {
  readonly destinations: () => readonly Destination[];
  readonly committer: Pick<Committer, 'act'>;
  readonly audit: Pick<AuditLog, 'append'>;
  /** The processes of the store. */
  readonly members: () => readonly Pick<Member, 'self' | 'runs'>[];
}

export class Renames {
  readonly #options: RenamesOptions;

  constructor(options: RenamesOptions) {
    this.#options = options;
  }

  /** Before anything is attempted. @throws HoldfastError store_unavailable, commit_unknown */
  start(): Promise<void> {
    return this.#rename(() => true);
  }

  /**
   * A process whose code has the earlier name yet goes on owing to it after another one has renamed it, as in every rolling
   * restart. When the last such process has gone, what it left is renamed, too. Fails never: the next count comes.
   */
  async counted({ destinations }: Pick<StoreCounts, 'destinations'>): Promise<void> {
    const others = this.#options.members().filter(({ self }) => !self);
    const left = new Set(destinations.map(({ destination }) => destination));
    const isLeft = (from: string): boolean => left.has(from) && !others.some(({ runs }) => runs.includes(from));
    await this.#rename(isLeft).catch(() => undefined);
  }

  async #rename(isMeant: (from: string) => boolean): Promise<void> {
    const { destinations, committer, audit } = this.#options;
    for (const { name, formerly } of destinations()) {
      for (const from of formerly.filter(isMeant)) {
        const answer = await committer.act({ kind: 'rename', from, to: name });
        if (answer.status === 'committed' && answer.affected > 0) await audit.append(renamed(from, name));
      }
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
