/** This process among those of its store: who they are, and what they share of endpoints and breakers. */
import { hostname } from 'node:os';
import type { Committer } from '../commit/committer.ts';
import type { Clock } from '../core/clock.ts';
import type { IdMaker } from '../core/id.ts';
import type { Observer } from '../core/observer.ts';
import type { Destination } from '../dispatch/destination.ts';
import type { Lanes } from '../dispatch/lanes.ts';
import { type Member, Members } from '../dispatch/members.ts';
import type { Shared } from '../dispatch/shared.ts';
import { SharedBreakers } from '../dispatch/shared-breakers.ts';
import type { Settings } from '../settings.ts';
import type { RegistryStore } from '../store/store.ts';
import { RELEASE } from './release.ts';

export interface ProcessesOptions {
  readonly registry: RegistryStore;
  readonly clock: Clock;
  readonly ids: IdMaker;
  readonly config: { readonly settings: Pick<Settings, 'role'> };
  /** Of its own code and config. */
  readonly registrations: readonly { readonly name: string }[];
  /** What works with it; asked when there is work, not before. */
  readonly dispatcher: () => { readonly lanes: Lanes; readonly committer: Pick<Committer, 'write'> };
}

export class Processes {
  readonly #members: Members;
  readonly #breakers: SharedBreakers;
  /** As lanes see it. */
  readonly shared: Shared;

  constructor({ registry, clock, ids, dispatcher, config, registrations }: ProcessesOptions) {
    const { role } = config.settings;
    const own = { role, attempts: role !== 'gateway', runs: registrations.map(({ name }) => name) };
    const self = { host: hostname(), pid: process.pid, release: RELEASE, startedAt: clock.now(), ...own };
    const members = new Members({
      registry,
      clock,
      self,
      makeId: () => ids.make('prc'),
      changed: () => dispatcher().lanes.reconsider(),
      settled: () => dispatcher().lanes.settled,
    });
    const breakers = new SharedBreakers({
      registry,
      clock,
      lanes: () => dispatcher().lanes,
      committer: () => dispatcher().committer,
    });
    this.#members = members;
    this.#breakers = breakers;
    this.shared = {
      alone: members.alone,
      get company() {
        return members.company;
      },
      part: (destination: Destination) => members.part(destination),
      get lapsed() {
        return members.lapsed;
      },
      get since() {
        return members.since;
      },
      openMs: (destination) => breakers.openMs(destination),
    };
  }

  /** Told by the breakers of this process. */
  get observer(): Pick<Observer, 'breaker'> {
    return this.#breakers.observer;
  }

  /** Before anything is attempted. */
  async start(): Promise<void> {
    await this.#breakers.start();
    await this.#members.start();
  }

  /** After the last attempt has ended, and before the store closes. Safe twice and unstarted. */
  async stop(): Promise<void> {
    await this.#breakers.stop();
    await this.#members.stop();
  }

  /** Whether this is the process that speaks for all: the oldest. While it is not known who is there, it does. */
  get speaks(): boolean {
    const [first] = this.#members.list();
    return first === undefined || first.self;
  }

  /** All processes of the store, the oldest first. */
  list(): readonly Member[] {
    return this.#members.list();
  }
}

/** An observer, and others that are told of breakers as well. */
export function tellingBreakers(observer: Observer, ...others: readonly Pick<Observer, 'breaker'>[]): Observer {
  return {
    ...observer,
    breaker: (...told) => {
      for (const { breaker } of [observer, ...others]) breaker(...told);
    },
  };
}
