/**
 * Moves rows of the spool into the store, each event once: what may have got there before is looked for by its id. Routing
 * happens here. A row is done when everything it was acknowledged for is in the store under the id it was acknowledged by.
 */
import type { StoredEvent } from '../../core/event.ts';
import { HoldfastError } from '../../errors.ts';
import type { SpooledEvent, SpooledRow } from '../../store/spool.ts';
import type { Append, AppendAnswer, NewEvent } from '../../store/store.ts';

/** The store of a running gateway, as a spool needs it. */
export interface SpoolTarget {
  /** Whether it takes commits now. */
  isOpen(): boolean;
  /** What an event owes, for a sender that still waits. @throws HoldfastError backlog_full */
  route(item: SpooledEvent): NewEvent;
  /** What an event owes that was acknowledged: no destination can refuse it any more. */
  routeLate(item: SpooledEvent): NewEvent;
  /** @throws HoldfastError store_unavailable, commit_unknown, stopping */
  append(append: Append): Promise<AppendAnswer>;
  /** Whether an event with this id is in the store. */
  isStored(eventId: string): Promise<boolean>;
}

/** A row with what of it is not in the store. */
export interface Offer {
  readonly row: SpooledRow;
  readonly events: readonly SpooledEvent[];
}

export interface Drained {
  readonly done: readonly SpooledRow[];
  /** Rows that the store refuses, and why. */
  readonly refused: readonly { readonly row: SpooledRow; readonly reason: string }[];
  /** Rows to be offered again. */
  readonly left: readonly SpooledRow[];
  /** Why the first of them was left; `null`: none was. */
  readonly problem: string | null;
  readonly aliases: number;
  readonly differing: number;
}

/** Ids that are looked for at the same time. */
const LOOKS_MAX = 8;

/** Finds out which events of doubtful rows are in the store. @throws when the store cannot be asked */
export async function prepareOffers(target: SpoolTarget, rows: readonly SpooledRow[]): Promise<Offer[]> {
  const offers: Offer[] = [];
  for (let at = 0; at < rows.length; at += LOOKS_MAX) {
    const looking = rows.slice(at, at + LOOKS_MAX).map(async (row): Promise<Offer> => {
      if (!row.doubtful) return { row, events: row.events };
      const stored = await Promise.all(row.events.map(({ event }) => target.isStored(event.id)));
      return { row, events: row.events.filter((_, index) => stored[index] === false) };
    });
    offers.push(...(await Promise.all(looking)));
  }
  return offers;
}

/** Hands every offer to the store before it first waits, in their order; resolves when all are answered. */
export async function sendOffers(target: SpoolTarget, offers: readonly Offer[]): Promise<Drained> {
  const sent = await Promise.allSettled(offers.map((offer) => send(target, offer)));
  const drained = { done: [], refused: [], left: [], problem: null, aliases: 0, differing: 0 } as {
    -readonly [Name in keyof Drained]: Drained[Name] extends readonly (infer Item)[] ? Item[] : Drained[Name];
  };
  for (const [index, one] of sent.entries()) {
    const row = offers[index]?.row;
    if (row === undefined) break;
    if (one.status === 'rejected') {
      drained.left.push(row);
      drained.problem ??= one.reason instanceof Error ? one.reason.message : String(one.reason);
    } else if (one.value.refused !== null) {
      drained.refused.push({ row, reason: one.value.refused });
    } else {
      drained.done.push(row);
      drained.aliases += one.value.aliases;
      drained.differing += one.value.differing;
    }
  }
  return drained;
}

interface Sent {
  readonly refused: string | null;
  readonly aliases: number;
  readonly differing: number;
}

async function send(target: SpoolTarget, { events }: Offer): Promise<Sent> {
  if (events.length === 0) return { refused: null, aliases: 0, differing: 0 };
  const answer = await target.append({ events: events.map((item) => target.routeLate(item)) });
  if (answer.status === 'refused') {
    // Somebody's commit with the same ids ended after they were looked for: a process before this one's.
    if (answer.reason === 'conflict') throw new HoldfastError('commit_unknown', { detail: 'It is there by now.' });
    return { refused: answer.reason, aliases: 0, differing: 0 };
  }
  const aliases: NewEvent[] = [];
  let differing = 0;
  for (const [index, one] of answer.events.entries()) {
    const event = events[index]?.event;
    if (event === undefined || one.status !== 'duplicate' || one.eventId === event.id) continue;
    if (one.differs) differing++;
    else aliases.push({ event: aliasOf(event, one.eventId), dedupeWindowMs: 0, deliveries: [] });
  }
  if (aliases.length > 0) await target.append({ events: aliases });
  return { refused: null, aliases: aliases.length, differing };
}

/**
 * What is kept of an event whose dedupe key somebody else committed first: the id it was acknowledged by, pointing to the
 * first. It owes nothing, has no body (the first one's is the same), and goes when its time to be kept is over.
 */
function aliasOf(event: StoredEvent, first: string): StoredEvent {
  return { ...event, body: null, duplicateOf: first };
}
