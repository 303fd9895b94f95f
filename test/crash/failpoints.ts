/**
 * Labelled points at which the program kills itself. All of them are made outside the product: of its options, around
 * its store, in a verifier and in a handler.
 */
import type { Observer } from '../../src/core/observer.ts';
import type { CommitBatch, Store, WorkStore } from '../../src/store/store.ts';
import type { Verifier } from '../../src/verify/verifier.ts';
import type { Failpoint, Label } from './wire.ts';

export class Failpoints {
  #armed: Failpoint | null = null;
  #hits = 0;

  arm(failpoint: Failpoint | null): void {
    this.#armed = failpoint;
    this.#hits = 0;
  }

  hit(label: Label): void {
    if (this.#armed?.label !== label || ++this.#hits < this.#armed.hit) return;
    process.kill(process.pid, 'SIGKILL');
    // The signal is delivered when this thread next leaves the kernel: nothing may happen in between.
    for (;;);
  }
}

/** `after-verify`. */
export function verifierWithPoints(verifier: Verifier, points: Failpoints): Verifier {
  return {
    ...verifier,
    verify: async (request, now) => {
      const verdict = await verifier.verify(request, now);
      points.hit('after-verify');
      return verdict;
    },
    ...(verifier.bind !== undefined && {
      bind: (environment) => verifierWithPoints(verifier.bind?.(environment) ?? verifier, points),
    }),
  };
}

/** `before-commit`, `after-commit`, `before-settle` and `after-claim`. */
export function storeWithPoints(store: Store, points: Failpoints): Store {
  const { work } = store;
  return withWork(store, {
    commit: async (batch) => {
      if (batch.settlements.length > 0) points.hit('before-settle');
      if (batch.appends.length > 0) points.hit('before-commit');
      const answers = await work.commit(batch);
      if (batch.appends.length > 0) points.hit('after-commit');
      return answers;
    },
    claim: async (request) => {
      const answer = await work.claim(request);
      if (answer.claims.length > 0) points.hit('after-claim');
      return answer;
    },
  });
}

/** `before-ack`: the gateway knows that the commit has ended, and has answered nobody. */
export function observerWithPoints(points: Failpoints): Partial<Observer> {
  return { accepted: () => points.hit('before-ack') };
}

/** The store with some of its work done another way. */
export function withWork(store: Store, other: Partial<WorkStore>): Store {
  const { work } = store;
  return {
    history: store.history,
    registry: store.registry,
    work: {
      open: () => work.open(),
      commit: (batch: CommitBatch) => work.commit(batch),
      claim: (request) => work.claim(request),
      renew: (claims, leaseMs) => work.renew(claims, leaseMs),
      wakeUps: (destinations, now) => work.wakeUps(destinations, now),
      purge: (request) => work.purge(request),
      close: () => work.close(),
      ...other,
    },
  };
}
