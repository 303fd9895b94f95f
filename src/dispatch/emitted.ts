/** From what the application emits to an event as it is committed. */
import type { Clock } from '../core/clock.ts';
import { EMITTED, type StoredEvent } from '../core/event.ts';
import type { IdMaker } from '../core/id.ts';
import { bounded } from '../core/key.ts';
import type { Emitted } from '../deliver/runner.ts';

/** A repeat of an emitted event's dedupe key is recognised for seven days. */
export const EMIT_WINDOW_MS = 7 * 86_400_000;

/** What an emitted event takes over from the event whose handler emitted it. */
export type Origin = Pick<StoredEvent, 'correlationId' | 'tenant' | 'traceparent'>;

export function emittedEvent(
  emitted: Emitted,
  origin: Origin | null,
  make: { ids: IdMaker; clock: Clock },
): StoredEvent {
  const id = make.ids.make('evt');
  const { options } = emitted;
  return {
    id,
    source: EMITTED,
    type: emitted.type,
    tenant: options.tenant ?? origin?.tenant ?? null,
    dedupeKey: boundedOrNull(options.dedupeKey),
    orderKey: boundedOrNull(options.orderKey),
    receivedAt: make.clock.now(),
    method: 'EMIT',
    path: '',
    query: '',
    headers: ['content-type', emitted.contentType],
    body: emitted.body,
    correlationId: options.correlationId ?? origin?.correlationId ?? id,
    traceparent: origin?.traceparent ?? null,
    unfit: null,
    duplicateOf: null,
  };
}

function boundedOrNull(key: string | undefined): string | null {
  return key === undefined ? null : bounded(key);
}

/** When the deliveries of an emitted event fall due; `null`: at once. */
export function dueAt(emitted: Emitted): number | null {
  const { at } = emitted.options;
  if (at === undefined) return null;
  return typeof at === 'number' ? at : at.getTime();
}
