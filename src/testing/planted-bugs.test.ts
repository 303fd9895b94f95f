/**
 * Stores with a bug, for testing the tests: the conformance suite and the random histories must each find every one.
 * A bug is a way to change what goes into a memory store, or what comes out of it.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type {
  Claim,
  ClaimRef,
  CommitAnswers,
  CommitBatch,
  NewDelivery,
  NewEvent,
  Settlement,
  Store,
  WorkStore,
} from '../store/store.ts';
import { poisoned, runCase, type StoreHarness, storeConformance } from './conformance/index.ts';
import { compareHistories, HistoryDifference, historyCommands, historyDraws } from './histories.ts';
import { memoryHarness } from './memory-harness.ts';

/** One bug: what it does wrong, and how. */
interface PlantedBug {
  readonly name: string;
  readonly plant: (work: WorkStore) => Partial<WorkStore>;
}

/** Changes the batch before it is committed. */
function batches(change: (batch: CommitBatch) => Partial<CommitBatch>): PlantedBug['plant'] {
  return (work) => ({ commit: (batch) => work.commit({ ...batch, ...change(batch) }) });
}

function answers(change: (answers: CommitAnswers) => Partial<CommitAnswers>): PlantedBug['plant'] {
  return (work) => ({
    commit: async (batch) => {
      const given = await work.commit(batch);
      return { ...given, ...change(given) };
    },
  });
}

function settlements(change: (item: Settlement) => Partial<Settlement>): PlantedBug['plant'] {
  return batches((batch) => ({ settlements: batch.settlements.map((item) => ({ ...item, ...change(item) })) }));
}

function events(change: (item: NewEvent) => Partial<NewEvent>): PlantedBug['plant'] {
  const all = (items: readonly NewEvent[]): NewEvent[] => items.map((item) => ({ ...item, ...change(item) }));
  return batches((batch) => ({ appends: batch.appends.map((append) => ({ events: all(append.events) })) }));
}

function deliveries(change: (item: NewDelivery) => Partial<NewDelivery>): PlantedBug['plant'] {
  return events((item) => ({ deliveries: item.deliveries.map((one) => ({ ...one, ...change(one) })) }));
}

/** Shows the newest claim of a delivery whenever an older one is shown. */
function withoutFence(work: WorkStore): Partial<WorkStore> {
  const newest = new Map<string, ClaimRef>();
  const learn = (claims: readonly (Claim | null)[]): void => {
    for (const claim of claims) if (claim !== null) newest.set(claim.deliveryId, claim);
  };
  const current = (claim: ClaimRef): ClaimRef => newest.get(claim.deliveryId) ?? claim;
  return {
    commit: async (batch) => {
      const items = batch.settlements.map((item) => ({ ...item, claim: current(item.claim) }));
      const given = await work.commit({ ...batch, settlements: items });
      for (const row of given.appends) {
        if ('events' in row) learn(row.events.flatMap((answer) => ('claims' in answer ? answer.claims : [])));
      }
      return given;
    },
    claim: async (request) => {
      const given = await work.claim(request);
      learn(given.claims);
      return given;
    },
  };
}

/** Commits the events of a batch before it fails with the rest. */
function halfCommits(work: WorkStore): Partial<WorkStore> {
  return {
    commit: async (batch) => {
      try {
        return await work.commit(batch);
      } catch (error) {
        const { token, appends } = batch;
        const none = { starts: [], settlements: [], releases: [], replays: [], actions: [], documents: [] };
        await work.commit({ ...batch, ...none, token: `half ${token}`, appends });
        throw error;
      }
    },
  };
}

let unused = 0;

/** Every bug there is. */
const plantedBugs: readonly PlantedBug[] = [
  { name: 'the fence is dropped', plant: withoutFence },
  { name: 'a commit that fails leaves its events behind', plant: halfCommits },
  { name: 'tokens are forgotten', plant: batches(({ token }) => ({ token: `${token} ${unused++}` })) },
  { name: 'starts are not marked', plant: batches(() => ({ starts: [] })) },
  { name: 'dedupe keys are not remembered', plant: events(() => ({ dedupeWindowMs: 0 })) },
  {
    name: 'dedupe windows are a millisecond short',
    plant: events(({ dedupeWindowMs: ms }) => ({ dedupeWindowMs: ms - 1 })),
  },
  {
    name: 'bodies are read as text',
    plant: events(({ event }) => ({ event: { ...event, body: asText(event.body) } })),
  },
  { name: 'order keys are ignored', plant: deliveries(() => ({ orderKey: null })) },
  { name: 'due times are ignored', plant: deliveries(() => ({ dueAt: null })) },
  { name: 'emits are lost', plant: settlements(() => ({ emits: [] })) },
  { name: 'answers are lost', plant: settlements(() => ({ answer: null })) },
  {
    name: 'keys are not held',
    plant: settlements(({ outcome }) => ({ outcome: { ...outcome, ...('holdKey' in outcome && { holdKey: false }) } })),
  },
  {
    name: 'every retry spends an attempt',
    plant: settlements(({ outcome }) => ({ outcome: { ...outcome, ...('spends' in outcome && { spends: true }) } })),
  },
  {
    name: 'delays of releases are ignored',
    plant: batches((batch) => ({ releases: batch.releases.map((item) => ({ ...item, delayMs: 0 })) })),
  },
  {
    name: 'replays are never ordered',
    plant: batches((batch) => ({ replays: batch.replays.map((row) => ({ ...row, ordered: false })) })),
  },
  {
    name: 'replays forget what they repeat',
    plant: batches((batch) => ({ replays: batch.replays.map((row) => ({ ...row, of: null })) })),
  },
  {
    name: 'versions of documents are ignored',
    plant: batches((batch) => ({ documents: batch.documents.map((item) => ({ ...item, ifVersion: null })) })),
  },
  {
    name: 'cancellations are ignored',
    plant: batches((batch) => ({ actions: batch.actions.filter((item) => item.kind !== 'cancel') })),
  },
  { name: 'nobody is told what became ready', plant: answers(() => ({ ready: [] })) },
  {
    name: 'leases are twice as long',
    plant: (work) => ({ claim: (request) => work.claim({ ...request, leaseMs: 2 * request.leaseMs }) }),
  },
  {
    name: 'bodies have no limit in a claim',
    plant: (work) => ({
      claim: (request) => work.claim({ ...request, wants: request.wants.map((want) => ({ ...want, bytesMax: 1e9 })) }),
    }),
  },
  {
    name: 'renewals are ignored',
    plant: (work) => ({ renew: async (claims) => (await work.renew(claims, 1)).slice(0, 0) }),
  },
  {
    name: 'unresolved dead letters go with what ended well',
    plant: (work) => ({
      purge: (request) =>
        work.purge({ ...request, retention: { ...request.retention, deadLettersMs: request.retention.eventsMs } }),
    }),
  },
  {
    name: 'wake-ups never name a time',
    plant: (work) => ({ wakeUps: async (names, now) => ({ ...(await work.wakeUps(names, now)), nextAt: null }) }),
  },
];

function asText(body: Uint8Array | null): Uint8Array | null {
  return body && new TextEncoder().encode(new TextDecoder().decode(body));
}

/** A memory store with this bug. */
async function plantedHarness({ plant }: PlantedBug): Promise<StoreHarness> {
  const harness = await memoryHarness();
  let work: WorkStore | null = null;
  const planted = (store: Store): Store => {
    work = { ...store.work, ...plant(store.work) };
    return { ...store, work };
  };
  return {
    ...harness,
    open: async () => planted(await harness.open()),
    reopen: async (how) => planted(await harness.reopen(how)),
    interrupt: async (batch) => {
      await assert.rejects(async () => work?.commit(poisoned(batch)));
    },
  };
}

/** Histories that are tried on each bug at most. */
const HISTORIES = 60;

async function firstFailing(bug: PlantedBug): Promise<string | null> {
  for (const item of storeConformance) {
    const failed = await runCase(item, () => plantedHarness(bug)).then(
      () => false,
      () => true,
    );
    if (failed) return item.name;
  }
  return null;
}

async function firstDifference(bug: PlantedBug): Promise<HistoryDifference | null> {
  for (let seed = 1; seed <= HISTORIES; seed++) {
    try {
      await compareHistories(historyCommands(historyDraws(seed, 60)), memoryHarness, () => plantedHarness(bug));
    } catch (error) {
      assert.ok(error instanceof HistoryDifference, String(error));
      return error;
    }
  }
  return null;
}

describe('a planted bug', () => {
  for (const bug of plantedBugs) {
    it(`is found by a case: ${bug.name}`, async () => {
      assert.notEqual(await firstFailing(bug), null);
    });
    it(`is found by a history: ${bug.name}`, async () => {
      assert.notEqual(await firstDifference(bug), null);
    });
  }
});
