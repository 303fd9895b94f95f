/**
 * The live stream: what happens, told to whoever watches at this moment. Nothing is kept, and while nobody watches
 * nothing is built. A watcher that throws is let go.
 */
import type { Clock } from '../core/clock.ts';
import type { StoredEvent } from '../core/event.ts';
import type { PartialObserver } from './combine.ts';

/** Something that happened, as it is told live. */
export interface StreamOccurrence {
  readonly kind: 'accepted' | 'duplicate' | 'rejected' | 'attempt' | 'dead' | 'breaker' | 'note';
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly [field: string]: unknown;
}

/** Tells occurrences to watchers. */
export class StreamHub {
  readonly #clock: Clock;
  readonly #watchers = new Set<(occurrence: StreamOccurrence) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many watch now. */
  get watching(): number {
    return this.#watchers.size;
  }

  /** Calls `seen` for everything that happens until the returned function is called (safe twice). It must not wait. */
  watch(seen: (occurrence: StreamOccurrence) => void): () => void {
    // A function of its own, so that one that watches twice is told twice and can be let go once.
    const watcher = (occurrence: StreamOccurrence): void => seen(occurrence);
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  readonly observer: PartialObserver = {
    accepted: (event, owed) => {
      if (this.#watchers.size > 0) this.#tell('accepted', { ...about(event), owed });
    },
    duplicate: (source, eventId, differs) => {
      if (this.#watchers.size > 0) this.#tell('duplicate', { source, eventId, differs });
    },
    rejected: (source, step, reason) => {
      if (this.#watchers.size > 0) this.#tell('rejected', { source, step, reason });
    },
    // oxlint-disable-next-line max-params -- the port's own; a rest parameter makes an array for every event
    attemptEnded: (destination, event, attempt, lagMs) => {
      if (this.#watchers.size === 0) return;
      const { number, outcome, durationMs, error } = attempt;
      this.#tell('attempt', { ...about(event), destination, number, outcome, durationMs, lagMs, error });
    },
    died: (...[destination, event, reason, note]) => {
      if (this.#watchers.size === 0) return;
      this.#tell('dead', { ...(event === null ? {} : about(event)), destination, reason, note });
    },
    breaker: (destination, state, reason) => {
      if (this.#watchers.size > 0) this.#tell('breaker', { destination, state, reason });
    },
    note: (level, message) => {
      if (this.#watchers.size > 0) this.#tell('note', { level, message });
    },
  };

  #tell(kind: StreamOccurrence['kind'], fields: Readonly<Record<string, unknown>>): void {
    const occurrence = { kind, at: this.#clock.now(), ...fields };
    for (const watcher of this.#watchers) {
      try {
        watcher(occurrence);
      } catch {
        this.#watchers.delete(watcher);
      }
    }
  }
}

function about(event: StoredEvent): Readonly<Record<string, unknown>> {
  const { id: eventId, source, type, tenant, correlationId } = event;
  return { eventId, source, type, tenant, correlationId };
}
