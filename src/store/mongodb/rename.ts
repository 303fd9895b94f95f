/** Renaming a destination: all that is in the database by one change, what has been read row by row. */
import type { Filter } from 'mongodb';
import { type DeliveryRow, isQueued } from './delivery.ts';
import type { DeliveryDocument, LaneCounts } from './documents.ts';
import type { WorkingSet } from './working.ts';

/** All that belongs to `from` belongs to `to` from now on; answers whether anything did. */
export async function rename(set: WorkingSet, from: string, to: string): Promise<number> {
  await set.destinations.load([from, to]);
  const old = set.destinations.peek(from);
  if (old === null || old.gone || from === to) return 0;
  const shared = await sharedLines(set, from, to);
  addUp(set, from, to);
  const moved = [...set.deliveries.values()].filter(({ now }) => now.destination === from);
  for (const row of moved) {
    row.now = { ...row.now, destination: to };
    set.offered.add(row);
  }
  set.renames.push({ from, to });
  set.queues.merge([from, to]);
  await refreshLines(set, { to, lines: shared, moved });
  return 1;
}

/** Totals and lanes of `from` are added to those of `to`; `from` has nothing any more. */
function addUp(set: WorkingSet, from: string, to: string): void {
  const moved = set.destination(from);
  const { received, succeeded, skipped, failed, dead } = moved;
  set.count(to, { received, succeeded, skipped, failed, dead });
  const target = set.destination(to);
  const lanes = { ...target.lanes };
  for (const name of Object.keys(lanes) as (keyof LaneCounts)[])
    Object.assign(lanes, { [name]: lanes[name] + moved.lanes[name] });
  set.destinations.set(to, { ...target, lanes });
  set.destinations.set(from, { ...moved, gone: true });
}

/** Lines in which both destinations have something: their queues become one. */
async function sharedLines(set: WorkingSet, from: string, to: string): Promise<ReadonlySet<string>> {
  const stored = { $in: [...set.storedNames(from)] };
  const front = await set.collections.deliveries
    .find({ destination: stored, front: true })
    .project<{ queue: string }>({ _id: 0, queue: 1 })
    .toArray();
  const lines = new Set([...front.map(({ queue }) => queue), ...set.queues.linesOf(from)]);
  await set.queues.load([...lines].flatMap((line) => [[from, line] as const, [to, line] as const]));
  const rows = [...set.deliveries.values()].filter(({ now }) => isQueued(now));
  const linesAt = (name: string): Set<string | null> =>
    new Set(rows.filter(({ now }) => now.destination === name).map(({ now }) => now.line));
  const there = linesAt(to);
  return new Set([...linesAt(from)].flatMap((line) => (line !== null && there.has(line) ? [line] : [])));
}

/** Finds anew who may run in these queues and in those of what has been moved, and offers it. */
async function refreshLines(
  set: WorkingSet,
  {
    to,
    lines,
    moved,
  }: { readonly to: string; readonly lines: ReadonlySet<string>; readonly moved: readonly DeliveryRow[] },
): Promise<void> {
  const rows = [...set.deliveries.values()].filter(({ now }) => now.destination === to);
  const touched = new Set([...lines, ...moved.filter(({ now }) => isQueued(now)).map(({ now }) => now.line)]);
  for (const line of touched) {
    const row = rows.find(({ now }) => line !== null && now.line === line);
    if (row !== undefined) await set.queues.refresh(row);
  }
}

/** Destinations to which a renaming brought something that is ready and that nothing else of the batch has read. */
export async function readyByRename(set: WorkingSet): Promise<readonly string[]> {
  const ready: string[] = [];
  for (const from of new Set(set.renames.map((renamed) => renamed.from))) {
    if (set.currentName(from) !== from && (await hasUnreadReady(set, from))) ready.push(set.currentName(from));
  }
  return ready;
}

async function hasUnreadReady({ collections, deliveries, now }: WorkingSet, slot: string): Promise<boolean> {
  const isReady = [
    { lane: 'ready' as const },
    { lane: { $in: ['due', 'claimed'] as const }, at: { $lte: now }, free: true },
  ];
  const filter = { slot, _id: { $nin: [...deliveries.keys()] }, $or: isReady } as Filter<DeliveryDocument>;
  return (await collections.deliveries.findOne(filter, { projection: { _id: 1 } })) !== null;
}
