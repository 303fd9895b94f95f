/** Which lanes an event is for, remembered per source and type. */
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

  lanesFor(source: string, type: string): readonly Lane[] {
    return this.#remembered.get(source)?.get(type) ?? this.#find(source, type);
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
