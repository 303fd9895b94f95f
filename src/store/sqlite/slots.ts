/**
 * Who holds what now. One process owns the file, so claims live in memory: claiming writes nothing, and a crash ends
 * every claim at once. Their numbers rise across restarts because each start counts up in the file.
 */
import type { Clock } from '../../core/clock.ts';
import type { StoredEvent } from '../../core/event.ts';
import { Turnover } from '../../core/turnover.ts';
import type { ClaimRef } from '../store.ts';
import type { DeliveryRow } from './rows.ts';

/** Claims a process can make before it has to be restarted: more than a hundred years of them. */
const CLAIMS_PER_BOOT = 2 ** 32;

/** A current claim. It is the `ref` of the claim as well. */
export interface Slot {
  readonly position: number;
  readonly claim: number;
  /** The number of the destination. */
  readonly destination: number;
  readonly event: StoredEvent;
  /** Where its entry is; `null` when it is a row. */
  readonly paged: { readonly seq: number; readonly index: number } | null;
  /** As it was claimed. */
  row: DeliveryRow | null;
  /** On the monotonic clock. */
  leaseEnd: number;
  /** A commit that is under way decides about it: its lease does not end meanwhile. */
  pinned: boolean;
}

export class Slots {
  readonly #clock: Clock;
  readonly #slots = new Turnover<Slot>();
  readonly #boot: number;
  #made = 0;
  #nextEnd = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, boot: number) {
    this.#clock = clock;
    this.#boot = boot;
  }

  get size(): number {
    return this.#slots.size;
  }

  has(position: number): boolean {
    return this.#slots.has(position);
  }

  get(position: number): Slot | undefined {
    return this.#slots.get(position);
  }

  all(): Iterable<Slot> {
    return this.#slots.values();
  }

  make(slot: Omit<Slot, 'claim' | 'leaseEnd' | 'pinned'>, leaseMs: number): Slot {
    const claim = this.#boot * CLAIMS_PER_BOOT + ++this.#made;
    const leaseEnd = this.#clock.monotonic() + leaseMs;
    const { position, destination, event, paged, row } = slot;
    const made: Slot = { position, claim, destination, event, paged, row, leaseEnd, pinned: false };
    this.#slots.set(slot.position, made);
    this.#nextEnd = Math.min(this.#nextEnd, leaseEnd);
    return made;
  }

  /** The slot this claim is the current one of; `null`: it is stale. */
  current(ref: ClaimRef): Slot | null {
    const slot = ref.ref as Slot | null | undefined;
    if (typeof slot !== 'object' || slot === null) return null;
    return this.#slots.get(slot.position) === slot && slot.claim === ref.claim ? slot : null;
  }

  end(slot: Slot): void {
    if (this.#slots.get(slot.position) === slot) this.#slots.delete(slot.position);
  }

  renew(slot: Slot, leaseMs: number): void {
    slot.leaseEnd = this.#clock.monotonic() + leaseMs;
    this.#nextEnd = Math.min(this.#nextEnd, slot.leaseEnd);
  }

  /** Ends the claims whose leases have ended. Looks at all of them, but only when one may have ended. */
  expire(ended: (slot: Slot) => void): void {
    const now = this.#clock.monotonic();
    if (now < this.#nextEnd) return;
    this.#nextEnd = Number.POSITIVE_INFINITY;
    for (const slot of this.#slots.values()) {
      if (slot.leaseEnd <= now && !slot.pinned) {
        this.#slots.delete(slot.position);
        ended(slot);
      } else {
        this.#nextEnd = Math.min(this.#nextEnd, slot.leaseEnd);
      }
    }
  }
}
