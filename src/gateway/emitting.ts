/** Events of the application's own: checked, routed, and committed by the gateway or in a transaction of the application. */
import type { EmitAnswer, EmitRequest } from '../api/port.ts';
import type { EventTypes } from '../deliver/event-types.ts';
import type { Emitted } from '../deliver/runner.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import { HoldfastError } from '../errors.ts';
import type { Spooling } from './spooling.ts';
import type { AppendAnswer, EventAnswer, NewEvent, Store } from '../store/store.ts';

export interface EmittingParts {
  readonly store: Store;
  readonly dispatcher: Dispatcher;
  /** The catalogue; `null`: anything may be emitted. */
  readonly types: EventTypes | null;
  readonly diskLow: () => boolean;
  /** Takes what the store cannot, except in transactions of the application; `null`: nothing does. */
  readonly spooling: Pick<Spooling, 'emit'> | null;
}

export class Emitting {
  readonly #parts: EmittingParts;

  constructor(parts: EmittingParts) {
    this.#parts = parts;
  }

  /**
   * Commits them, all or none.
   * @param tx a transaction of the application's own to write them in; the store says which it takes
   * @throws HoldfastError emit_unfit, event_type_unknown, store_unavailable, backlog_full, invalid_input,
   *   transaction_unsupported
   */
  async emit(emitted: readonly Emitted[], tx?: unknown): Promise<readonly EventAnswer[]> {
    const { types, diskLow } = this.#parts;
    await types?.check(emitted);
    if (diskLow()) throw new HoldfastError('disk_reserve', { retryAfterS: 30 });
    const answer = await (tx === undefined ? this.#append(emitted) : this.#appendIn(tx, emitted));
    if (answer.status === 'refused') throw new HoldfastError('invalid_input', { detail: answer.reason });
    return answer.events;
  }

  /** As the API asks for them. @throws as {@link Emitting.emit} */
  async requested(requests: readonly EmitRequest[]): Promise<EmitAnswer[]> {
    const answers = await this.emit(requests);
    return answers.map((answer) => {
      const duplicate = answer.status === 'duplicate';
      return { eventId: answer.eventId, duplicate, differs: duplicate && answer.differs };
    });
  }

  #append(emitted: readonly Emitted[]): Promise<AppendAnswer> {
    const { dispatcher, spooling } = this.#parts;
    const routed = (): NewEvent[] => this.#routed(emitted);
    return spooling?.emit(emitted, routed) ?? dispatcher.append({ events: routed() });
  }

  async #appendIn(tx: unknown, emitted: readonly Emitted[]): Promise<AppendAnswer> {
    const { store, dispatcher } = this.#parts;
    if (store.appendIn === undefined) {
      const detail = 'emit: tx: this store cannot write in a transaction of yours.';
      throw new HoldfastError('transaction_unsupported', { detail });
    }
    return store.appendIn(tx, { events: dispatcher.emittedElsewhere(emitted) });
  }

  /** All of them with what they owe, or none: what was reserved for the first is given back when a later one is refused. */
  #routed(emitted: readonly Emitted[]): NewEvent[] {
    const { dispatcher } = this.#parts;
    const events: NewEvent[] = [];
    try {
      for (const one of emitted) events.push(dispatcher.emitted(one, null));
    } catch (error) {
      dispatcher.withdraw(events);
      throw error;
    }
    return events;
  }
}
