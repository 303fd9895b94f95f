/** What code registers on a gateway before it starts. */
import { EMITTED } from '../core/event.ts';
import { CheckedRunner } from '../deliver/checked.ts';
import type { EventTypes } from '../deliver/event-types.ts';
import type { Destination } from '../dispatch/destination.ts';
import { HoldfastError } from '../errors.ts';
import { destinationOf, type Registration } from './destinations.ts';
import { endpointDestination, type EndpointKnown, type EndpointRegistration } from './endpoints.ts';
import type { EndpointsRegistration } from './endpoints-queue.ts';
import type { ScheduleRegistration } from './schedules.ts';

export class Registrations {
  readonly destinations: (Registration | EndpointRegistration)[] = [];
  readonly schedules: ScheduleRegistration[] = [];
  /** Of endpoints that are managed; `null`: nothing was said of them. */
  endpoints: EndpointsRegistration | null = null;
  #sealed = false;
  #loaded = false;

  /**
   * Has a module register what it has, once: a gateway that is started again knows it. What it registered before it failed
   * is forgotten.
   */
  async load(register: () => Promise<void>): Promise<void> {
    if (this.#loaded) return;
    const { destinations, schedules, endpoints } = this;
    const [known, timed] = [destinations.length, schedules.length];
    try {
      await register();
    } catch (error) {
      destinations.length = known;
      schedules.length = timed;
      this.endpoints = endpoints;
      throw error;
    }
    this.#loaded = true;
  }

  /** Nothing more is taken. */
  seal(): void {
    this.#sealed = true;
  }

  /** A handler, or an endpoint in code. @throws HoldfastError config_invalid, destination_duplicate */
  destination(registration: Registration | EndpointRegistration): void {
    this.#check(registration.name);
    this.destinations.push(registration);
  }

  /** What all managed endpoints have in common. @throws HoldfastError config_invalid, destination_duplicate */
  managed(registration: EndpointsRegistration): void {
    this.#check(registration.name);
    if (this.endpoints !== null) {
      const detail = `Managed endpoints are one queue, and have the name '${this.endpoints.name}'.`;
      throw new HoldfastError('config_invalid', { detail });
    }
    this.endpoints = registration;
  }

  /** @throws HoldfastError config_invalid */
  schedule(registration: ScheduleRegistration): void {
    this.#early(registration.name);
    if (this.schedules.some(({ name }) => name === registration.name)) {
      throw new HoldfastError('config_invalid', { detail: `There are two schedules '${registration.name}'.` });
    }
    this.schedules.push(registration);
  }

  #check(name: string): void {
    this.#early(name);
    if (this.endpoints?.name === name || this.destinations.some((one) => one.name === name)) {
      throw new HoldfastError('destination_duplicate', { detail: `'${name}'.` });
    }
  }

  #early(name: string): void {
    if (this.#sealed) throw new HoldfastError('config_invalid', { detail: `Register '${name}' before start().` });
  }
}

/** What was registered, as destinations. @throws HoldfastError config_invalid */
export function destinationsOf(
  registered: Registrations['destinations'],
  known: EndpointKnown,
  emits: EventTypes | null,
): readonly Destination[] {
  return registered.map((one) => {
    const made = 'endpoint' in one ? endpointDestination(one, known) : checked(destinationOf(one, known), emits);
    const problem = neverComes(made, emits);
    if (problem === null) return made;
    throw new HoldfastError('config_invalid', { detail: `Destination '${made.name}': types: ${problem}` });
  });
}

/** Whoever takes emitted events alone can only be given types of the catalogue: another is misspelt, and nobody would notice. */
function neverComes({ from, types }: Destination, emits: EventTypes | null): string | null {
  const emittedAlone = from.size === 1 && from.has(EMITTED);
  return emittedAlone && types !== null ? (emits?.problemOf(types) ?? null) : null;
}

/** A destination whose emitted events are held to the catalogue, where there is one. */
function checked(destination: Destination, types: EventTypes | null): Destination {
  return types === null ? destination : { ...destination, runner: new CheckedRunner(destination.runner, types) };
}
