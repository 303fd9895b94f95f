/**
 * The endpoints that are managed through the API, where they have a name together: paused, cleared and replayed as one,
 * while each keeps a lane of its own.
 */
import { isManaged } from '../observe/destination-label.ts';
import type { HistoryStore } from '../store/store.ts';

export class Group {
  /** `null`: they have none, and each is its own. */
  readonly name: string | null;

  constructor(name: string | null) {
    this.name = name;
  }

  /** Whether this name stands for all of them. */
  is(destination: string): boolean {
    return this.name !== null && destination === this.name;
  }

  /** Whether this destination is one of them. */
  has(destination: string): boolean {
    return this.name !== null && isManaged(destination);
  }
}

/** The history, in which the deliveries of the group are found under its name. A page may have fewer rows than fit. */
export function groupedHistory(history: HistoryStore, group: Group): HistoryStore {
  return {
    event: (id) => history.event(id),
    events: (filter, page) => history.events(filter, page),
    delivery: (id) => history.delivery(id),
    attempts: (id) => history.attempts(id),
    counts: () => history.counts(),
    deliveries: async (filter, page) => {
      const { destination, ...rest } = filter;
      if (destination === undefined || !group.is(destination)) return history.deliveries(filter, page);
      const { rows, cursor } = await history.deliveries(rest, page);
      return { rows: rows.filter((row) => group.has(row.destination)), cursor };
    },
  };
}
