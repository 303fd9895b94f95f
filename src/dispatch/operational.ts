/**
 * What Holdfast itself reports, as ordinary events: they are routed like any other, to handlers and endpoints that take
 * from the source `holdfast`, and are not stored while nobody does.
 */
import type { Clock } from '../core/clock.ts';
import { OPERATIONAL, type StoredEvent } from '../core/event.ts';
import type { IdMaker } from '../core/id.ts';
import { makeEmitted } from '../deliver/emitted.ts';
import { emittedEvent, type Origin } from './emitted.ts';

/** Every type there is, and when it is reported. */
export const operationalTypes = {
  'delivery.dead': 'a delivery became a dead letter',
  'breaker.opened': 'the circuit breaker of a destination opened',
  'breaker.closed': 'it closed again',
  'endpoint.disabled': 'an endpoint takes nothing more, since it answered 410 or a person said so',
  'endpoint.test': 'somebody asked for a test of an endpoint; for that endpoint only',
  'backlog.high': 'a destination has more open deliveries than the setting alertBacklog',
  'backlog.normal': 'it has less than half of that again',
  'lag.high': 'the oldest ready delivery of a destination has waited longer than the setting alertLag',
  'lag.normal': 'it waits less than half of that again',
  'disk.low': 'free disk is below twice the reserve: at the reserve new events are refused',
} as const;

export type OperationalType = keyof typeof operationalTypes;

/** What an event is made of. */
export interface Report {
  readonly type: OperationalType;
  readonly body: Readonly<Record<string, string | number | null>>;
  /** The event it is about: its tenant and correlation id go along. */
  readonly about: Origin | null;
}

export function operationalEvent(
  { type, body, about }: Report,
  make: { readonly ids: IdMaker; readonly clock: Clock },
): StoredEvent {
  return { ...emittedEvent(makeEmitted(type, body, {}), about, make), source: OPERATIONAL };
}
