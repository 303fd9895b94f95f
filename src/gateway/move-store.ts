/**
 * Moves everything from one store into another: events and deliveries batch by batch in the order of commits, then
 * documents, then what is added up; and then reads both again and compares. How far it is stands in the target, in the
 * transaction that brought it there, so that whoever ends it can start it again and nothing is there twice.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { HoldfastError } from '../errors.ts';
import type { JsonValue, Store, StoreCounts, StoreReport } from '../store/store.ts';
import {
  TRANSFER_DOCUMENT,
  type TransferredDocument,
  type TransferSource,
  type TransferTarget,
  type TransferTotals,
} from '../store/transfer.ts';

const STEP_ROWS = 500;
const BYTES = 8 * 1024 * 1024;
const DOCUMENTS = 500;

/** Of processes that are gone; of the move itself; and where a fan-out is, which is named by ids of the old store. */
const LEFT: ReadonlySet<string> = new Set(['process', 'breaker', 'fan-out', TRANSFER_DOCUMENT.kind]);

/** How far it is. `checking`: both are read again and compared. */
export interface MoveProgress {
  readonly phase: 'moving' | 'checking';
  readonly events: number;
  /** Of `events`, as many as there are. */
  readonly eventsTotal: number;
  readonly deliveries: number;
}

export interface MoveReport {
  readonly events: number;
  readonly deliveries: number;
  readonly documents: number;
  /** Dedupe keys that are remembered in the target, and those that are not: their events have been purged. */
  readonly dedupeKeys: { readonly moved: number; readonly left: number };
  /** Dedupe keys of events whose body has been purged: a repeat of one counts as one with another body. */
  readonly bodiless: number;
  /** SHA-256 over all events, and over all deliveries, the same of both stores. */
  readonly digests: { readonly events: string; readonly deliveries: string };
}

export interface Move {
  /** Open; nobody else works on it. Nothing is written to it. */
  readonly source: Store;
  /** Open; nobody else works on it. Empty, or as an earlier call with the same source left it. */
  readonly target: Store;
  readonly clock: Clock;
  readonly progressed: (progress: MoveProgress) => void;
  /** About so many events and deliveries are one step. Default 500. */
  readonly stepRows?: number;
}

/** What stands in the target. */
interface Standing {
  /** What the source was when the move began. */
  readonly source: string;
  readonly phase: 'moving' | 'moved' | 'done';
  readonly after: number | null;
  readonly events: number;
  readonly deliveries: number;
}

/**
 * @throws HoldfastError move_unsupported, move_refused when the target is not empty or holds the move of another source,
 *   move_differs when what is read again is not the same; StoreError
 */
export async function moveStore(move: Move): Promise<MoveReport> {
  const from = (await move.source.transfer?.())?.source;
  const there = await move.target.transfer?.();
  const to = there?.target ?? null;
  if (from === undefined) throw unsupported('The store to move from cannot be moved.');
  if (there === undefined || to === null) throw unsupported('Nothing can be moved into the store to move to.');
  const counts = await move.source.history.counts();
  const standing = await begin(move, to, counts);
  const eventsTotal = counts.events;
  if (standing.phase === 'moving') {
    const moved = await moveRows(move, { from, to, standing, eventsTotal });
    const documents = movable(await from.documents());
    for (let at = 0; at < documents.length; at += DOCUMENTS) {
      await to.writeDocuments(documents.slice(at, at + DOCUMENTS));
    }
    await to.finish(totalsOf(counts), stateOf({ ...moved, phase: 'moved' }));
  }
  const report = await check(move, { from, other: there.source, eventsTotal }).catch((error: unknown) => {
    if (standing.phase !== 'done' || !(error instanceof HoldfastError)) throw error;
    const detail = 'This store was moved into it to the end, and it has been worked on since.';
    throw new HoldfastError('move_refused', { detail, cause: error });
  });
  await move.target.registry.put({
    ...TRANSFER_DOCUMENT,
    value: stateOf({ ...standing, phase: 'done' }),
    ifVersion: null,
  });
  return report;
}

/**
 * Opens a store for a gateway, which is kept away from one that is not whole yet.
 * @throws HoldfastError move_unfinished, and as the store's `open`
 */
export async function openWhole({ work, registry }: Pick<Store, 'work' | 'registry'>): Promise<StoreReport> {
  const report = await work.open();
  try {
    const standing = await standingIn(registry);
    if (standing !== null && standing.phase !== 'done') throw new HoldfastError('move_unfinished');
    return report;
  } catch (error) {
    await work.close();
    throw error;
  }
}

async function standingIn(registry: Store['registry']): Promise<Standing | null> {
  const document = await registry.get(TRANSFER_DOCUMENT.kind, TRANSFER_DOCUMENT.key);
  return document === null ? null : (document.value as unknown as Standing);
}

function stateOf(standing: Standing): JsonValue {
  return { ...standing };
}

function unsupported(detail: string): HoldfastError {
  const can = 'From sqlite:PATH and postgres://…, into postgres://….';
  return new HoldfastError('move_unsupported', { detail: `${detail} ${can}` });
}

async function begin({ target }: Move, to: TransferTarget, counts: StoreCounts): Promise<Standing> {
  const source = markOf(counts);
  const standing = await standingIn(target.registry);
  if (standing === null) {
    if (!(await to.isEmpty())) throw new HoldfastError('move_refused', { detail: 'There is something in it already.' });
    return { source, phase: 'moving', after: null, events: 0, deliveries: 0 };
  }
  if (standing.source !== source) {
    const detail = 'It holds the move of another store, or this one has changed since the move began.';
    throw new HoldfastError('move_refused', { detail });
  }
  return standing;
}

/** What tells a source from others, and from itself after it has worked on. */
function markOf(counts: StoreCounts): string {
  return createHash('sha256')
    .update(canonical({ ...totalsOf(counts), events: counts.events }))
    .digest('hex');
}

function totalsOf({ destinations, sources }: StoreCounts): TransferTotals {
  return { destinations: destinations.map(({ destination, totals }) => ({ destination, ...totals })), sources };
}

interface Rows {
  readonly from: TransferSource;
  readonly to: TransferTarget;
  readonly standing: Standing;
  readonly eventsTotal: number;
}

async function moveRows(
  { progressed, stepRows = STEP_ROWS }: Move,
  { from, to, standing, eventsTotal }: Rows,
): Promise<Standing> {
  let at = standing;
  // Where what it wrote last ends nobody wrote down when that was all there is; then there is nothing behind it.
  for (let more = true; more;) {
    const batch = await from.read({ after: at.after, rowsMax: stepRows, bytesMax: BYTES });
    const last = Math.max(
      at.after ?? -1,
      batch.cursor ?? -1,
      batch.events.at(-1)?.lastPosition ?? -1,
      batch.deliveries.at(-1)?.position ?? -1,
    );
    at = {
      ...at,
      after: last < 0 ? null : last,
      events: at.events + batch.events.length,
      deliveries: at.deliveries + batch.deliveries.length,
    };
    await to.write(batch, stateOf(at));
    progressed({ phase: 'moving', events: at.events, eventsTotal, deliveries: at.deliveries });
    more = batch.cursor !== null;
  }
  return at;
}

/** A running replay begins its list again: its cursor is of the old store, and it makes none twice. */
function movable(documents: readonly TransferredDocument[]): readonly TransferredDocument[] {
  return documents
    .filter(({ kind }) => !LEFT.has(kind))
    .map((document) => {
      if (document.kind !== 'replay' || document.value === null) return document;
      return { ...document, value: { ...(document.value as Readonly<Record<string, JsonValue>>), cursor: null } };
    });
}

/** What was read of one side, as far as it is compared. */
interface Side {
  readonly events: number;
  readonly deliveries: number;
  readonly dedupeKeys: number;
  readonly bodiless: number;
  readonly digests: MoveReport['digests'];
}

interface Both {
  readonly from: TransferSource;
  readonly other: TransferSource;
  readonly eventsTotal: number;
}

async function check(
  { source, target, clock, progressed }: Move,
  { from, other, eventsTotal }: Both,
): Promise<MoveReport> {
  const now = clock.now();
  const ours = await sideOf(from, now, ({ events, deliveries }) =>
    progressed({ phase: 'checking', events, eventsTotal, deliveries }),
  );
  const theirs = await sideOf(other, now, () => undefined);
  const documents = movable(await from.documents());
  const moved = movable(await other.documents());
  const before = await source.history.counts();
  const after = await target.history.counts();
  const pairs = {
    events: [ours.events, theirs.events],
    deliveries: [ours.deliveries, theirs.deliveries],
    'dedupe keys': [ours.dedupeKeys, theirs.dedupeKeys],
    'hash of events': [ours.digests.events, theirs.digests.events],
    'hash of deliveries': [ours.digests.deliveries, theirs.digests.deliveries],
    documents: [canonical(sorted(documents)), canonical(sorted(moved))],
    totals: [markOf(before), markOf(after)],
    'open deliveries and dead letters': [canonical(openIn(before)), canonical(openIn(after))],
  };
  const different = Object.entries(pairs).flatMap(([name, [one, two]]) => (one === two ? [] : [name]));
  if (different.length > 0) {
    throw new HoldfastError('move_differs', { detail: `Not the same in both: ${different.join(', ')}.` });
  }
  const { events, deliveries, bodiless, digests, dedupeKeys } = ours;
  const left = Math.max(0, (await from.dedupeKeys(now)) - dedupeKeys);
  return {
    events,
    deliveries,
    documents: documents.length,
    dedupeKeys: { moved: dedupeKeys, left },
    bodiless,
    digests,
  };
}

/** By destination: how many are open, however they wait, and how many dead letters nobody has resolved. */
function openIn({ destinations }: StoreCounts): readonly (readonly [string, number, number])[] {
  return destinations.map(({ destination, blocked, due, ready, claimed, dead }) => {
    return [destination, blocked + due + ready + claimed, dead];
  });
}

function sorted(documents: readonly TransferredDocument[]): readonly TransferredDocument[] {
  const nameOf = ({ kind, key }: TransferredDocument): string => JSON.stringify([kind, key]);
  return documents.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

async function sideOf(
  source: TransferSource,
  now: number,
  read: (so: Pick<Side, 'events' | 'deliveries'>) => void,
): Promise<Side> {
  const hashes = { events: createHash('sha256'), deliveries: createHash('sha256') };
  const so = { events: 0, deliveries: 0, dedupeKeys: 0, bodiless: 0 };
  for (let after: number | null = null, more = true; more;) {
    const batch = await source.read({ after, rowsMax: STEP_ROWS, bytesMax: BYTES });
    for (const event of batch.events) {
      hashes.events.update(canonical(event));
      if ((event.dedupeUntil ?? 0) <= now) continue;
      so.dedupeKeys++;
      if (event.event.body === null && event.bodyBytes > 0) so.bodiless++;
    }
    for (const delivery of batch.deliveries) hashes.deliveries.update(canonical(delivery));
    so.events += batch.events.length;
    so.deliveries += batch.deliveries.length;
    read(so);
    after = batch.cursor;
    more = after !== null;
  }
  return { ...so, digests: { events: hashes.events.digest('hex'), deliveries: hashes.deliveries.digest('hex') } };
}

/** The same text for the same value, whatever the order of its names; bytes as their hash. */
function canonical(value: unknown): string {
  if (value instanceof Uint8Array) return `#${createHash('sha256').update(value).digest('hex')}`;
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? '-';
  const fields = Object.entries(value).filter(([, item]) => item !== undefined);
  const named = fields.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${named.map(([name, item]) => `${JSON.stringify(name)}:${canonical(item)}`).join()}}`;
}
