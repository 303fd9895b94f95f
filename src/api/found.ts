/**
 * Where an event is that was acknowledged: in the store, in the spool of this gateway, or, where it was spooled and repeats
 * one that was committed meanwhile, under the id of that one.
 */
import { HoldfastError } from '../errors.ts';
import type { EventRecord } from '../store/store.ts';
import type { AdminPort } from './port.ts';

export interface Found {
  readonly record: EventRecord;
  /** What was asked for, where the record is that of the first it repeats. */
  readonly alias: EventRecord['event'] | null;
  /** It is in no store yet. */
  readonly isSpooled: boolean;
}

/** @throws HoldfastError not_found; as the history, when the store cannot be asked */
export async function findEvent(port: Pick<AdminPort, 'history' | 'spool'>, id: string): Promise<Found> {
  try {
    const record = await port.history.event(id);
    if (record !== null) return await followed(port, record);
  } catch (error) {
    const spooled = await inSpool(port, id);
    if (spooled === null) throw error;
    return spooled;
  }
  const spooled = await inSpool(port, id);
  if (spooled === null) throw new HoldfastError('not_found');
  return spooled;
}

/** An alias has no body of its own. A repeat with another body has one, and is an event that can be looked at. */
async function followed({ history }: Pick<AdminPort, 'history'>, record: EventRecord): Promise<Found> {
  const { event, bodyBytes } = record;
  const isAlias = event.duplicateOf !== null && event.body === null && bodyBytes === 0;
  const first = isAlias ? await history.event(event.duplicateOf ?? '') : null;
  return first === null ? { record, alias: null, isSpooled: false } : { record: first, alias: event, isSpooled: false };
}

async function inSpool(port: Pick<AdminPort, 'spool'>, id: string): Promise<Found | null> {
  const event = (await port.spool()?.find(id)) ?? null;
  if (event === null) return null;
  const bodyBytes = event.body?.length ?? 0;
  const record = { event, bodyBytes, owed: 0, duplicates: { count: 0, newest: [] }, answer: null };
  return { record, alias: null, isSpooled: true };
}
