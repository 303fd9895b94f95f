/** Which lanes of the config an event is for, remembered per source and type. */
import type { StoredEvent } from '../core/event.ts';
import { takes } from './destination.ts';
import type { Lane } from './lane.ts';

/** Types come from outside: what is remembered is bounded. */
const REMEMBERED_MAX = 10_000;

export class Routing {
  readonly #lanes: readonly Lane[];
  readonly #remembered = new Map<string, Map<string, readonly Lane[]>>();
  #size = 0;

  constructor(lanes: readonly Lane[]) {
    this.#lanes = lanes;
  }

  lanesFor(event: StoredEvent): readonly Lane[] {
    const lanes = this.#remembered.get(event.source)?.get(event.type) ?? this.#find(event.source, event.type);
    if (!lanes.some(({ destination }) => destination.accepts !== null)) return lanes;
    return lanes.filter(({ destination }) => destination.accepts?.(event) ?? true);
  }

  #find(source: string, type: string): readonly Lane[] {
    const found = this.#lanes.filter((lane) => takes(lane.destination, source, type));
    if (this.#size >= REMEMBERED_MAX) {
      this.#remembered.clear();
      this.#size = 0;
    }
    const types = this.#remembered.get(source) ?? new Map<string, readonly Lane[]>();
    this.#remembered.set(source, types.set(type, found));
    this.#size++;
    return found;
  }
}
