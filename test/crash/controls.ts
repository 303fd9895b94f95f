/**
 * Gateways that are wrong on purpose, made of wrappers around the right one. Each breaks one promise; a checker that
 * finds nothing wrong with them would prove nothing of the others.
 */
import type { Claim, ClaimAnswer, CommitAnswers, CommitBatch, Store } from '../../src/store/store.ts';
import { withWork } from './failpoints.ts';
import type { Control } from './wire.ts';

/** How long after its acknowledgement a commit begins: the process is killed before, however slow the machine is. */
const COMMIT_LATE_MS = 60_000;
/** A lease that ends while the handler of the plan `overtaken` still runs. */
const SHORT_LEASE_MS = 150;

export function storeWithControls(store: Store, controls: readonly Control[]): Store {
  let made = store;
  if (controls.includes('short-lease')) made = shortLease(made);
  if (controls.includes('no-fence')) made = noFence(made);
  if (controls.includes('dedupe-off')) made = dedupeOff(made);
  if (controls.includes('settle-before-send')) made = settleBeforeSend(made);
  if (controls.includes('ack-before-commit')) made = ackBeforeCommit(made);
  return made;
}

/** Says that new events are committed, and commits them later. */
function ackBeforeCommit(store: Store): Store {
  let last: Promise<unknown> = Promise.resolve();
  const later = async (batch: CommitBatch): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, COMMIT_LATE_MS));
    await store.work.commit(batch);
  };
  return withWork(store, {
    commit: async (batch) => {
      const before = last;
      if (batch.settlements.length + batch.starts.length + batch.documents.length > 0) {
        last = before.then(() => store.work.commit(batch));
        return last as Promise<CommitAnswers>;
      }
      last = before.then(() => later(batch));
      return promised(batch);
    },
    claim: async (request) => {
      await last;
      return store.work.claim(request);
    },
  });
}

function promised(batch: CommitBatch): CommitAnswers {
  const committed = { status: 'committed' } as const;
  return {
    appends: batch.appends.map(({ events }) => ({
      ...committed,
      events: events.map(({ event, deliveries }) => ({
        ...committed,
        eventId: event.id,
        claims: deliveries.map(() => null),
      })),
    })),
    starts: [],
    settlements: [],
    releases: batch.releases.map(() => committed),
    replays: [],
    actions: [],
    documents: [],
    ready: [],
  };
}

/** Every claim made in a commit ends while its handler still runs, as when a process stood still for too long. */
function shortLease(store: Store): Store {
  return withWork(store, {
    commit: (batch) => store.work.commit({ ...batch, leaseMs: SHORT_LEASE_MS }),
    renew: async () => [],
  });
}

/** Whatever claim an outcome shows, it is taken for the current one. */
function noFence(store: Store): Store {
  const newest = new Map<string, Claim>();
  const note = (claims: readonly (Claim | null)[]): void => {
    for (const claim of claims) if (claim !== null) newest.set(claim.deliveryId, claim);
  };
  return withWork(store, {
    commit: async (batch) => {
      const settlements = batch.settlements.map((row) => ({
        ...row,
        claim: newest.get(row.claim.deliveryId) ?? row.claim,
      }));
      const answers = await store.work.commit({ ...batch, settlements });
      for (const append of answers.appends) {
        if (append.status !== 'committed') continue;
        for (const event of append.events) if (event.status === 'committed') note(event.claims);
      }
      return answers;
    },
    claim: async (request): Promise<ClaimAnswer> => {
      const answer = await store.work.claim(request);
      note(answer.claims);
      return answer;
    },
  });
}

/** Every repeat is a new event. */
function dedupeOff(store: Store): Store {
  return withWork(store, {
    commit: (batch) =>
      store.work.commit({
        ...batch,
        appends: batch.appends.map(({ events }) => ({
          events: events.map((event) => ({ ...event, dedupeWindowMs: 0 })),
        })),
      }),
  });
}

/** Whatever is claimed for an endpoint has succeeded as soon as it is claimed. */
function settleBeforeSend(store: Store): Store {
  const settle = async (batch: Pick<CommitBatch, 'token' | 'now' | 'leaseMs'>, claims: readonly Claim[]) => {
    const attempt = { number: 1, startedAt: batch.now, durationMs: 0, outcome: 'succeeded' as const, status: 200 };
    const outcome = {
      kind: 'succeeded' as const,
      attempt: { ...attempt, error: null, worker: 'nobody', exchange: null },
    };
    const settlements = claims.map((claim) => ({ claim, outcome, emits: [], answer: null }));
    const none = { appends: [], starts: [], releases: [], replays: [], actions: [], documents: [] };
    if (claims.length > 0) await store.work.commit({ ...batch, ...none, token: `${batch.token}x`, settlements });
  };
  return withWork(store, {
    commit: async (batch) => {
      const answers = await store.work.commit(batch);
      const events = answers.appends.flatMap((append) => (append.status === 'committed' ? append.events : []));
      const claims = events.flatMap((event) => (event.status === 'committed' ? event.claims : []));
      await settle(
        batch,
        claims.filter((claim) => claim !== null),
      );
      return answers;
    },
  });
}
