/** One timeline per event: accepted, duplicates, routing, each attempt, how it ended, and what comes next and why. */
import { z } from '@hono/zod-openapi';
import { type AttemptRecord, deadReasons } from '../core/delivery.ts';
import { formatDuration } from '../core/duration.ts';
import type { DeliveryRecord, EventRecord } from '../store/store.ts';
import type { DestinationLive } from './port.ts';
import { isoTime, isoTimeOrNull, time } from './schema.ts';
import { type deliveryDetailShape, type nextShape, showAttempt, showDelivery } from './shapes.ts';

const kinds = [
  'accepted',
  'duplicate',
  'routed',
  'replayed',
  'attempt',
  'succeeded',
  'skipped',
  'dead',
  'cancelled',
  'resolved',
  'next',
] as const;

export const timelineShape = z
  .object({
    at: time.nullable().openapi({ description: 'null: when what it waits for has ended.' }),
    kind: z.enum(kinds),
    text: z.string(),
    destination: z.string().nullable(),
    deliveryId: z.string().nullable(),
  })
  .openapi('TimelineEntry');

interface Entry {
  readonly at: number | null;
  readonly kind: (typeof kinds)[number];
  readonly text: string;
  readonly delivery?: DeliveryRecord;
}

/** A destination as it is in this process; `null`: it is not here. */
export type LiveOf = (destination: string) => DestinationLive | null;

/** A delivery with its kept attempts. */
export interface Attempted {
  readonly delivery: DeliveryRecord;
  readonly attempts: readonly AttemptRecord[];
}

/** Everything that happened to an event, oldest first; what is to come stands at the end. */
export function timelineOf(
  record: EventRecord,
  attempted: readonly Attempted[],
  live: LiveOf,
): z.output<typeof timelineShape>[] {
  const entries = [
    ...eventEntries(record),
    ...attempted.flatMap((one) => deliveryEntries(one)),
    ...attempted.flatMap(({ delivery }): Entry[] => {
      const next = nextOf(delivery, live);
      return next === null ? [] : [{ ...next, kind: 'next', text: next.why, delivery }];
    }),
  ];
  const order = (entry: Entry): number => (entry.kind === 'next' ? Infinity : (entry.at ?? 0));
  return entries.toSorted((a, b) => (order(a) === order(b) ? 0 : order(a) - order(b))).map(showEntry);
}

/** Of an event that is in no store yet. */
export function spooledTimeline({ event }: EventRecord): z.output<typeof timelineShape>[] {
  const text = 'in the spool of this gateway: gets into the store, and to its destinations, when the store is back';
  return [acceptedEntry(event), { at: null, kind: 'next', text } as const].map(showEntry);
}

function acceptedEntry(event: EventRecord['event']): Entry {
  const text = `${event.method} ${event.path} accepted from ${event.source}`;
  return { at: event.receivedAt, kind: 'accepted', text };
}

function showEntry({ at, kind, text, delivery }: Entry): z.output<typeof timelineShape> {
  const of = { destination: delivery?.destination ?? null, deliveryId: delivery?.id ?? null };
  return { at: isoTimeOrNull(at), kind, text, ...of };
}

function eventEntries({ event, owed, duplicates }: EventRecord): Entry[] {
  return [
    acceptedEntry(event),
    { at: event.receivedAt, kind: 'routed', text: routingText(owed, event) },
    ...duplicates.newest.map(({ receivedAt, differs }): Entry => ({
      at: receivedAt,
      kind: 'duplicate',
      text: differs ? 'a repeat with another body was received' : 'a repeat was received',
    })),
  ];
}

function routingText(owed: number, event: EventRecord['event']): string {
  if (event.duplicateOf !== null) return `kept as a repeat of ${event.duplicateOf} with another body; owed to nobody`;
  if (event.unfit !== null) return `the body does not fit its schema: ${event.unfit}; owed to ${owed}`;
  if (owed === 0) return 'stored, no destination matched';
  return `owed to ${owed} destination${owed === 1 ? '' : 's'}`;
}

function deliveryEntries({ delivery, attempts }: Attempted): Entry[] {
  const entries: Entry[] = [];
  const { destination, replayOf, resolved } = delivery;
  if (replayOf !== null) {
    entries.push({ at: delivery.committedAt, kind: 'replayed', text: `replayed to ${destination}`, delivery });
  }
  for (const attempt of attempts) {
    entries.push({
      at: endOf(attempt),
      kind: 'attempt',
      text: attemptText(attempt, destination),
      delivery,
    });
  }
  const ended = endText(delivery);
  // Start and duration of an attempt are rounded apart: what it ended never ends before it.
  const endedAt = Math.max(delivery.endedAt ?? 0, ...attempts.map(endOf));
  if (ended !== null) entries.push({ at: endedAt, ...ended, delivery });
  if (resolved !== null) {
    entries.push({ at: resolved.at, kind: 'resolved', text: `resolved by ${resolved.by}: ${resolved.note}`, delivery });
  }
  return entries;
}

function endOf({ startedAt, durationMs }: AttemptRecord): number {
  return startedAt + durationMs;
}

function attemptText({ number, outcome, durationMs, error, status }: AttemptRecord, destination: string): string {
  const answered = status === null ? '' : ` with ${status}`;
  const why = error === null ? '' : `: ${error}`;
  return `attempt ${number} at ${destination} ${outcome}${answered} after ${formatDuration(durationMs)}${why}`;
}

function endText({ state, destination, reason, note }: DeliveryRecord): Pick<Entry, 'kind' | 'text'> | null {
  const noted = note === null ? '' : `: ${note}`;
  if (state === 'succeeded' || state === 'skipped' || state === 'cancelled') {
    return { kind: state, text: `${state} at ${destination}${noted}` };
  }
  if (state !== 'dead') return null;
  return {
    kind: 'dead',
    text: `dead letter at ${destination}: ${reason === null ? 'unknown' : deadReasons[reason]}${noted}`,
  };
}

/** When an open delivery is attempted next, and why not now; `null` when it has ended. */
function nextOf(delivery: DeliveryRecord, liveOf: LiveOf): { readonly at: number | null; readonly why: string } | null {
  const { state, dueAt, attempts } = delivery;
  if (
    delivery.endedAt !== null ||
    state === 'succeeded' ||
    state === 'skipped' ||
    state === 'dead' ||
    state === 'cancelled'
  ) {
    return null;
  }
  if (state === 'claimed') return { at: null, why: 'being attempted now' };
  const live = liveOf(delivery.destination);
  const held = heldWhy(live);
  if (held !== null) return { at: null, why: held };
  if (state === 'blocked')
    return { at: null, why: `an earlier delivery of order key '${delivery.orderKey ?? ''}' is open` };
  if (state === 'due')
    return { at: dueAt, why: attempts === 0 ? 'delayed until then' : `waits after attempt ${attempts}` };
  if (live?.breaker === 'open') return { at: null, why: 'the circuit breaker is open' };
  return { at: null, why: 'ready: waits for a free slot' };
}

function heldWhy(live: DestinationLive | null): string | null {
  if (live === null || live.state === 'absent') return 'held: no process has this destination';
  if (live.state === 'paused') return `held: paused by ${live.pausedBy ?? 'somebody'}`;
  if (live.state === 'disabled') return `held: disabled, ${live.disabledReason ?? 'nobody said why'}`;
  return live.state === 'stopped' ? 'held: the destination is stopped' : null;
}

/** A delivery as it is answered, with attempts and what comes next. */
export function showAttempted({ delivery, attempts }: Attempted, live: LiveOf): z.output<typeof deliveryDetailShape> {
  const next = nextOf(delivery, live);
  return {
    ...showDelivery(delivery),
    attemptList: attempts.map(showAttempt),
    next: next === null ? null : showNext(next),
  };
}

function showNext({ at, why }: { readonly at: number | null; readonly why: string }): z.output<typeof nextShape> {
  return { at: at === null ? null : isoTime(at), why };
}
