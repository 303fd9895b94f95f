/** Changes that are too large for one document, in parts. The order within each list stays. */
import { BSON } from 'mongodb';
import type { Changes } from './documents.ts';

type Item = readonly [list: keyof Changes, item: unknown];
type Lists = Record<keyof Changes, unknown[]>;

/** Parts of about this many bytes at most each; one item is never split. */
export function splitChanges(changes: Changes, bytesMax: number): readonly Changes[] {
  const parts: Lists[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const [list, item] of itemsOf(changes)) {
    const size = BSON.calculateObjectSize({ item });
    if (bytes + size > bytesMax) {
      parts.push(noChanges());
      bytes = 0;
    }
    parts.at(-1)?.[list].push(item);
    bytes += size;
  }
  return parts as unknown as readonly Changes[];
}

/** The changes whose parts these are. */
export function joinChanges(parts: readonly Changes[]): Changes {
  const lists = noChanges();
  for (const part of parts) for (const [list, item] of itemsOf(part)) lists[list].push(item);
  return lists as unknown as Changes;
}

function* itemsOf(changes: Changes): Generator<Item> {
  for (const [list, items] of Object.entries(changes) as [keyof Changes, readonly unknown[]][]) {
    for (const item of items) yield [list, item];
  }
}

function noChanges(): Lists {
  const lists = { events: [], deliveries: [], attempts: [], puts: [], sets: [], renames: [] };
  return { ...lists, goneEvents: [], goneAttempts: [], oldAttempts: [] };
}
