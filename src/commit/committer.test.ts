import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { IdMaker } from '../core/id.ts';
import { silentObserver } from '../core/observer.ts';
import { HoldfastError } from '../errors.ts';
import { memoryStore } from '../store/memory.ts';
import {
  type Append,
  type ClaimRef,
  type CommitAnswers,
  type CommitBatch,
  type Settlement,
  StoreError,
  type WorkStore,
} from '../store/store.ts';
import { TestClock } from '../testing/clock.ts';
import { Committer, type CommitterState } from './committer.ts';
import { Lease } from './lease.ts';

/** What the store does with the next commits; after that it behaves. */
type Fault = 'unavailable' | 'unknown-written' | 'unknown-not-written' | 'fatal' | 'held';

const LEASE_MS = 300_000;

class Rig {
  readonly clock = new TestClock();
  readonly ids = new IdMaker({ now: () => this.clock.now(), fill: (bytes) => void crypto.getRandomValues(bytes) });
  readonly store = memoryStore({ clock: this.clock, ids: this.ids, rowBytesMax: 3 * 1024 * 1024 });
  readonly batches: CommitBatch[] = [];
  /** How often something was. */
  setAside = 0;
  readonly states: CommitterState[] = [];
  /** Why, beside each of `states`. */
  readonly whys: string[] = [];
  readonly faults: Fault[] = [];
  /** What the store takes in no batch. */
  refuses: (settlement: Settlement) => boolean = () => false;
  refusesToken = '';
  /** What began since the last commit. */
  readonly begun: ClaimRef[] = [];
  readonly committer: Committer;
  letGo: () => void = () => undefined;

  constructor() {
    this.committer = new Committer({
      store: this.#faulty(),
      clock: this.clock,
      ids: this.ids,
      observer: {
        ...silentObserver,
        commitFailed: (_failure, text) => void (text.includes('set aside') && this.setAside++),
      },
      lease: new Lease(this.clock, LEASE_MS),
      starts: () => this.begun.splice(0),
      committed: () => undefined,
      changed: (state, why) => {
        this.states.push(state);
        this.whys.push(String(why));
      },
    });
  }

  #faulty(): WorkStore {
    const { work } = this.store;
    const commit = async (batch: CommitBatch): Promise<CommitAnswers> => {
      this.batches.push(batch);
      const fault = this.faults.shift();
      if (batch.token === this.refusesToken || batch.settlements.some((one) => this.refuses(one)))
        throw new StoreError('unavailable', 'no such row');
      if (fault === 'unavailable' || fault === 'fatal') throw new StoreError(fault, 'as asked');
      if (fault === 'unknown-not-written') throw new StoreError('unknown', 'as asked');
      if (fault === 'held') await new Promise<void>((resolve) => (this.letGo = resolve));
      const answers = await work.commit(batch);
      if (fault === 'unknown-written') throw new StoreError('unknown', 'as asked');
      return answers;
    };
    return Object.assign(Object.create(work) as WorkStore, { commit });
  }

  append(dedupeKey: string | null = null, bytes = 2): Append {
    const event = {
      id: this.ids.make('evt'),
      source: 's',
      type: 't',
      tenant: null,
      dedupeKey,
      orderKey: null,
      receivedAt: this.clock.now(),
      method: 'POST',
      path: '/in/s',
      query: '',
      headers: [],
      body: new Uint8Array(bytes),
      correlationId: 'c',
      traceparent: null,
      unfit: null,
      duplicateOf: null,
    };
    const delivery = { destination: 'd', orderKey: null, dueAt: null, dead: null, handOff: 'claim' } as const;
    return { events: [{ event, dedupeWindowMs: 60_000, deliveries: [delivery] }] };
  }

  /** In steps: each lets the store answer, and what that sets off be scheduled. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 50) await this.clock.advanceSlowly(50);
  }

  async open(): Promise<void> {
    await this.store.work.open();
  }

  async claimed(): Promise<Parameters<Committer['settle']>[0]['claim']> {
    const answer = await this.committer.append(this.append());
    assert.equal(answer.status, 'committed');
    const claim =
      answer.status === 'committed' && answer.events[0]?.status === 'committed' ? answer.events[0].claims[0] : null;
    assert.ok(claim);
    return claim;
  }
}

const attempt = {
  number: 1,
  startedAt: 0,
  durationMs: 1,
  outcome: 'succeeded',
  status: null,
  error: null,
  worker: 'w',
  exchange: null,
} as const;

const succeeded = { kind: 'succeeded', attempt } as const;

async function rig(...faults: Fault[]): Promise<Rig> {
  const made = new Rig();
  await made.open();
  made.faults.push(...faults);
  return made;
}

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof HoldfastError ? error.code : String(error)),
  );
}

describe('the committer', () => {
  test('commits what arrived while a commit was in flight as one batch', async () => {
    const made = await rig('held');
    const first = made.committer.append(made.append());
    await turn();
    const others = [1, 2, 3].map(() => made.committer.append(made.append()));
    await turn();
    assert.equal(made.batches.length, 1);
    made.letGo();
    await Promise.all([first, ...others]);
    assert.deepEqual(
      made.batches.map((batch) => batch.appends.length),
      [1, 3],
    );
  });

  test('answers nobody before the commit of their row has ended', async () => {
    const made = await rig('held');
    let answered = false;
    const append = made.committer.append(made.append()).then(() => (answered = true));
    await turn();
    assert.equal(answered, false);
    made.letGo();
    await append;
    assert.equal(answered, true);
  });

  test('gives a refused row its answer and commits the others', async () => {
    const made = await rig();
    const [large, small] = await Promise.all([
      made.committer.append(made.append(null, 4 * 1024 * 1024)),
      made.committer.append(made.append()),
    ]);
    assert.deepEqual(large, { status: 'refused', reason: 'too_large' });
    assert.equal(small.status, 'committed');
  });

  test('unavailable: refuses appends with 503 at once, and takes them again when the store is back', async () => {
    const made = await rig('unavailable', 'unavailable');
    assert.equal(await codeOf(made.committer.append(made.append())), 'store_unavailable');
    assert.equal(await codeOf(made.committer.append(made.append())), 'store_unavailable');
    await made.clock.advanceSlowly(5000);
    assert.equal(made.committer.state, 'open');
    assert.equal((await made.committer.append(made.append())).status, 'committed');
    assert.deepEqual(made.states, ['unavailable', 'open']);
  });

  test('unavailable: keeps outcomes and commits them when the store is back', async () => {
    const made = await rig();
    const claim = await made.claimed();
    made.faults.push('unavailable', 'unavailable');
    const settled = made.committer.settle({ claim, outcome: { kind: 'succeeded', attempt }, emits: [], answer: null });
    await turn();
    assert.equal(made.committer.state, 'unavailable');
    await made.clock.advanceSlowly(5000);
    assert.equal((await settled).status, 'committed');
  });

  test('refused: one outcome that the store never takes is set aside, and all others are committed', async () => {
    const made = await rig();
    const claims = [];
    for (let count = 0; count < 20; count++) claims.push(await made.claimed());
    const bad = claims[13];
    made.refuses = ({ claim }) => claim === bad;
    const statuses = new Map<unknown, string>();
    const settlements = claims.map(async (claim) => {
      const { status } = await made.committer.settle({ claim, outcome: succeeded, emits: [], answer: null });
      statuses.set(claim, status);
    });
    await turn();
    assert.equal(made.committer.state, 'unavailable');
    await made.pass(10_000);
    assert.deepEqual([made.committer.state, statuses.size, made.setAside], ['open', 19, 1]);
    assert.equal((await made.committer.append(made.append())).status, 'committed', 'it takes what comes');
    await made.pass(120_000);
    assert.equal(made.committer.state, 'open');
    made.refuses = () => false;
    await made.pass(20_000);
    await Promise.all(settlements);
    assert.equal(statuses.get(bad), 'committed', 'it is tried again');
  });

  test('refused: who waits for all that was given does not wait for what is set aside', async () => {
    const made = await rig();
    const claim = await made.claimed();
    made.refuses = () => true;
    const settled = codeOf(made.committer.settle({ claim, outcome: succeeded, emits: [], answer: null }));
    const caughtUp = made.committer.caughtUp();
    await made.pass(10_000);
    await caughtUp;
    await made.committer.close();
    assert.equal(await settled, 'stopping');
    assert.equal(made.clock.pending, 0);
  });

  test('refused: what is set aside is given up when its claim has ended', async () => {
    const made = await rig();
    const claim = await made.claimed();
    made.refuses = () => true;
    const settled = codeOf(made.committer.settle({ claim, outcome: succeeded, emits: [], answer: null }));
    await made.pass(LEASE_MS + 30_000);
    assert.equal(await settled, 'store_unavailable');
    assert.equal(made.clock.pending, 0);
  });

  // At either end of an outage it may be the commit of nothing that finds the store back.
  for (const faults of [24, 25]) {
    test(`unavailable: an outage of ${faults} commits sets nothing aside`, async () => {
      const made = await rig();
      const claim = await made.claimed();
      made.faults.push(...Array.from({ length: faults }, () => 'unavailable' as const));
      const settled = made.committer.settle({ claim, outcome: succeeded, emits: [], answer: null });
      await made.pass(60_000);
      assert.equal((await settled).status, 'committed');
      assert.deepEqual([made.committer.state, made.setAside], ['open', 0]);
    });
  }

  for (const fault of ['unknown-written', 'unknown-not-written'] as const) {
    test(`${fault}: resolves the commit by its token and appends nothing twice`, async () => {
      const made = await rig(fault);
      const append = made.committer.append(made.append());
      await turn();
      assert.equal(await codeOf(made.committer.append(made.append())), 'store_unavailable');
      await made.clock.advanceSlowly(1000);
      assert.equal((await append).status, 'committed');
      assert.equal(made.batches[0]?.token, made.batches[1]?.token);
      assert.equal((await made.store.history.events({}, { limit: 10 })).rows.length, 1);
    });
  }

  test('unknown for too long: answers 503 and still learns what became of it', async () => {
    const made = await rig(...Array.from({ length: 20 }, () => 'unknown-not-written' as const));
    const append = codeOf(made.committer.append(made.append()));
    await turn();
    await made.clock.advanceSlowly(60_000);
    assert.equal(await append, 'commit_unknown');
    assert.equal(made.committer.state, 'open');
    assert.equal((await made.store.history.events({}, { limit: 10 })).rows.length, 1);
  });

  test('unknown, and then refused for longer than a lease: what is kept is tried under other tokens', async () => {
    const made = await rig();
    const claim = await made.claimed();
    made.faults.push('unknown-not-written');
    const settled = made.committer.settle({ claim, outcome: succeeded, emits: [], answer: null });
    await turn();
    const [token] = made.batches.slice(-1).map((batch) => batch.token);
    made.refusesToken = token ?? '';
    await made.pass(LEASE_MS - 10_000);
    assert.equal(made.committer.state, 'unavailable');
    await made.pass(20_000);
    assert.equal(made.committer.state, 'open');
    assert.equal((await settled).status, 'refused', 'its claim has ended, too');
  });

  test('has caught up with what was given until then, however much more is given', async () => {
    const made = await rig();
    const over = new AbortController();
    const goOn = async (): Promise<void> => {
      while (!over.signal.aborted) await made.committer.append(made.append());
    };
    const senders = [goOn(), goOn()];
    await turn();
    const claim = await made.claimed();
    let settled = false;
    void made.committer
      .settle({ claim, outcome: { kind: 'succeeded', attempt }, emits: [], answer: null })
      .then(() => (settled = true));
    await made.committer.caughtUp();
    assert.ok(settled);
    over.abort();
    await Promise.all(senders);
    await made.committer.caughtUp();
  });

  test('has not caught up while an outcome waits for the store to be back', async () => {
    const made = await rig();
    const claim = await made.claimed();
    made.faults.push('unavailable', 'unavailable');
    const settled = made.committer.settle({ claim, outcome: { kind: 'succeeded', attempt }, emits: [], answer: null });
    let caughtUp = false;
    const waited = made.committer.caughtUp().then(() => (caughtUp = true));
    await turn();
    assert.equal(made.committer.state, 'unavailable');
    assert.equal(caughtUp, false);
    await made.clock.advanceSlowly(5000);
    assert.equal((await settled).status, 'committed');
    await waited;
  });

  test('closes although the store goes away in the middle of it, and gives up what waits', async () => {
    const made = await rig('held', 'unavailable');
    const claim = await (async () => {
      const first = made.claimed();
      await turn();
      made.letGo();
      return first;
    })();
    const released = codeOf(made.committer.release({ claim, delayMs: 0 }));
    await turn();
    await made.committer.close();
    assert.equal(await released, 'stopping');
    assert.equal(made.committer.state, 'closed');
  });

  test('takes nothing new while it closes', async () => {
    const made = await rig('held');
    const first = made.committer.append(made.append());
    await turn();
    const closing = made.committer.close();
    assert.equal(await codeOf(made.committer.append(made.append())), 'stopping');
    made.letGo();
    assert.equal((await first).status, 'committed');
    await closing;
  });

  for (const fault of ['unavailable', 'unknown-not-written'] as const) {
    test(`${fault}: asks nothing of the store once it is closed, and stays closed`, async () => {
      const made = await rig(fault);
      const append = codeOf(made.committer.append(made.append()));
      await turn();
      made.faults.push('held');
      await made.clock.advanceSlowly(1000);
      await made.committer.close();
      made.letGo();
      const before = made.batches.length;
      await made.clock.advanceSlowly(60_000);
      assert.deepEqual([made.committer.state, made.batches.length], ['closed', before]);
      assert.notEqual(await append, 'no error');
    });
  }

  test('unavailable: marks after the outage what began before it', async () => {
    const made = await rig();
    const claim = await made.claimed();
    made.begun.push(claim);
    made.faults.push('unavailable');
    assert.equal(await codeOf(made.committer.append(made.append())), 'store_unavailable');
    await made.clock.advanceSlowly(5000);
    assert.deepEqual(
      made.batches.at(-1)?.starts.map(({ deliveryId }) => deliveryId),
      [claim.deliveryId],
    );
  });

  test('fatal: refuses everything from then on and never commits again', async () => {
    const made = await rig('fatal');
    const [first, second] = [
      codeOf(made.committer.append(made.append())),
      codeOf(made.committer.append(made.append())),
    ];
    assert.deepEqual(await Promise.all([first, second]), ['store_unavailable', 'store_unavailable']);
    assert.equal(await codeOf(made.committer.append(made.append())), 'store_unavailable');
    await made.clock.advanceSlowly(60_000);
    assert.equal(made.batches.length, 1);
    assert.deepEqual(made.states, ['fatal']);
    assert.match(made.whys.join(), /^StoreError: .*as asked/, 'the log can say why');
  });

  test('close commits what waits, then refuses; it is safe twice', async () => {
    const made = await rig();
    const append = made.committer.append(made.append());
    await made.committer.close();
    assert.equal((await append).status, 'committed');
    assert.equal(await codeOf(made.committer.append(made.append())), 'stopping');
    await made.committer.close();
  });

  test('cuts a commit by the bytes of its bodies, and commits one large request alone', async () => {
    const made = await rig();
    await Promise.all([1, 2, 3].map(() => made.committer.append(made.append(null, 2 * 1024 * 1024))));
    assert.deepEqual(
      made.batches.map((batch) => batch.appends.length),
      [2, 1],
    );
  });
});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
