/**
 * What is shared by all who send: the memory for bodies that are not verified yet, and connections. Each address has a
 * share that it cannot exceed, so that one of them, or a few, cannot shut out the others: where the memory is full, what
 * arrives makes room at the expense of whoever holds most of it with bodies that have not arrived whole.
 */
import type { Clock, Timer } from '../core/clock.ts';
import type { IngestLimits } from './ports.ts';

/** Why a body is not waited for any longer. */
export type Excess = 'overloaded' | 'address_overloaded' | 'body_too_slow';

/** A body that has not arrived whole. */
export interface Holder {
  readonly share: Share;
  /** On the monotonic clock. */
  readonly startedAt: number;
  /** Bytes that have arrived. */
  readonly arrived: number;
  /** Answers it, and gives back what it holds. */
  giveUp(excess: Excess): void;
}

/** What one address has: an IPv4 address, or the /64 of an IPv6 one. */
export class Share {
  readonly key: string;
  bytes = 0;
  /** Connections; behind a trusted proxy requests. */
  open = 0;

  constructor(key: string) {
    this.key = key;
  }
}

/** A body may take this long before its rate counts. */
const SLOW_START_MS = 5_000;
const LOOK_MS = 1_000;

type Limits = Pick<
  IngestLimits,
  'bodyBytesMax' | 'unverifiedBytesMax' | 'addressUnverifiedBytesMax' | 'addressConnectionsMax' | 'bodyBytesPerSMin'
>;

export class Shares {
  /** Bytes of bodies held for requests that are not answered yet, by all. */
  heldBytes = 0;
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #shares = new Map<string, Share>();
  /** Oldest first. */
  readonly #incomplete = new Set<Holder>();
  #timer: Timer | null = null;

  constructor(limits: Limits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Addresses that hold something now. */
  get size(): number {
    return this.#shares.size;
  }

  /** The share of an address. '' where nobody knows it: then only what is for all of them counts. */
  of(address: string): Share {
    const key = networkOf(address);
    let share = this.#shares.get(key);
    if (share === undefined) this.#shares.set(key, (share = new Share(key)));
    return share;
  }

  /** One more connection or request; `false`: the address has as many as it may, and nothing was counted. */
  enter(share: Share): boolean {
    if (share.key !== '' && share.open >= this.#limits.addressConnectionsMax) return false;
    share.open++;
    // It may have been forgotten since it was looked up.
    this.#shares.set(share.key, share);
    return true;
  }

  leave(share: Share): void {
    share.open--;
    this.#forget(share);
  }

  /** Counts `bytes` more, or fewer. */
  hold(share: Share, bytes: number): void {
    this.heldBytes += bytes;
    share.bytes += bytes;
    if (bytes < 0) this.#forget(share);
  }

  /** Whether a share may hold what it holds now. Makes room where another's turn it is to go. */
  excess(share: Share): Excess | null {
    const { unverifiedBytesMax, addressUnverifiedBytesMax, bodyBytesMax } = this.#limits;
    // One body is never too much for its sender.
    const most = Math.max(addressUnverifiedBytesMax, bodyBytesMax);
    if (share.key !== '' && share.bytes > most) return 'address_overloaded';
    while (this.heldBytes > unverifiedBytesMax) {
      const last = this.#oldestOfLargest(share);
      if (last === null) return 'overloaded';
      last.giveUp('overloaded');
    }
    return null;
  }

  /** A body of which the rest is still to come. Safe twice. */
  wait(holder: Holder): void {
    this.#incomplete.add(holder);
    if (this.#limits.bodyBytesPerSMin > 0) this.#timer ??= this.#clock.schedule(LOOK_MS, () => this.#look());
  }

  /** It has arrived, or will not. Safe twice. */
  done(holder: Holder): void {
    if (!this.#incomplete.delete(holder) || this.#incomplete.size > 0) return;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #look(): void {
    this.#timer = null;
    const now = this.#clock.monotonic();
    for (const holder of this.#incomplete) {
      const elapsedMs = now - holder.startedAt - SLOW_START_MS;
      if (holder.arrived * 1000 < elapsedMs * this.#limits.bodyBytesPerSMin) holder.giveUp('body_too_slow');
    }
    if (this.#incomplete.size > 0) this.#timer ??= this.#clock.schedule(LOOK_MS, () => this.#look());
  }

  /**
   * The first body of the share that has most, when that is more than the share has that asks for room. Where nobody
   * knows whose a body is, it may be anybody's: it neither makes room nor is it made room for.
   */
  #oldestOfLargest(asking: Share): Holder | null {
    let found: Holder | null = null;
    if (asking.key === '') return null;
    for (const holder of this.#incomplete) {
      if (holder.share.key !== '' && holder.share.bytes > (found?.share.bytes ?? asking.bytes)) found = holder;
    }
    return found;
  }

  #forget(share: Share): void {
    if (share.open === 0 && share.bytes === 0 && this.#shares.get(share.key) === share) this.#shares.delete(share.key);
  }
}

/** The address itself, or the first 64 bits of an IPv6 one: whoever has one of those has all of them. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.toLowerCase().split('::', 2);
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length;
  const groups = [...first, ...Array.from({ length: Math.max(0, zeros) }, () => '0'), ...last];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
