/** Two stores that go through the same history: what one answers, the other must. Ids that a driver chooses are mapped. */
import assert from 'node:assert/strict';
import type {
  Action,
  Append,
  Claim,
  CommitAnswers,
  CommitBatch,
  DeliveryRecord,
  DocumentWrite,
  EventAnswer,
  NewEvent,
  ReplayRow,
  Settlement,
  Store,
} from '../../store/store.ts';
import { Builder } from '../conformance/build.ts';
import type { StoreHarness } from '../conformance/harness.ts';
import { plain } from '../conformance/plain.ts';

const ALL = { limit: 100_000, oldestFirst: true } as const;

/** Which of the two. */
export type Side = 'model' | 'other';

/** The same claim as each of the two gave it. */
export type ClaimPair = Readonly<Record<Side, Claim>>;

/** Rows of a batch before they are of one store: claims are pairs, ids of deliveries are the model's. */
export interface Rows {
  readonly appends: Append[];
  readonly starts: ClaimPair[];
  readonly settlements: (Omit<Settlement, 'claim'> & { readonly claim: ClaimPair })[];
  readonly releases: { readonly claim: ClaimPair; readonly delayMs: number }[];
  readonly replays: ReplayRow[];
  readonly actions: Action[];
  readonly documents: DocumentWrite[];
}

/** The pair, with what a history knows of it. */
export class Pair {
  readonly harness: Readonly<Record<Side, StoreHarness>>;
  readonly build: Builder;
  /** Claims that may be current still, and those that surely are stale; the newest last. */
  readonly claims = { current: new Set<ClaimPair>(), stale: new Set<ClaimPair>() };
  /** How often each answer was seen: a history in which nothing happens proves nothing. */
  readonly seen = new Map<string, number>();
  readonly #stores: Record<Side, Store>;
  /** The model's id of each id of the other's, and the other way round. */
  readonly #models = new Map<string, string>();
  readonly #others = new Map<string, string>();
  readonly #numbers = new Map<string, number>();

  private constructor(harness: Record<Side, StoreHarness>, stores: Record<Side, Store>) {
    this.harness = harness;
    this.#stores = stores;
    this.build = new Builder(harness.model.clock);
  }

  static async open(model: StoreHarness, other: StoreHarness): Promise<Pair> {
    return new Pair({ model, other }, { model: await model.open(), other: await other.open() });
  }

  get now(): number {
    return this.harness.model.clock.now();
  }

  get model(): Store {
    return this.#stores.model;
  }

  /** Does the same to both; answers what each answered. */
  async both<Answer>(ask: (store: Store, side: Side) => Promise<Answer>): Promise<Readonly<Record<Side, Answer>>> {
    return { model: await ask(this.#stores.model, 'model'), other: await ask(this.#stores.other, 'other') };
  }

  async reopen(how: 'crashed' | 'closed'): Promise<void> {
    const crash = how === 'crashed';
    // A process of a shared store that dies takes nothing with it.
    const endsClaims = !crash || this.harness.other.capabilities.embedded;
    this.#stores.model = await this.harness.model.reopen({ crash });
    this.#stores.other = await this.harness.other.reopen({ crash });
    if (endsClaims) for (const claim of this.claims.current) this.outlive(claim);
    this.note(`store ${how}`);
  }

  /** A claim that was settled, given back or ended with its process. */
  outlive(claim: ClaimPair): void {
    this.claims.current.delete(claim);
    this.claims.stale.add(claim);
  }

  /** Counts that something happened. */
  note(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  /** The id that a side has for the model's id of a delivery. */
  idOn(side: Side, id: string): string {
    return side === 'model' ? id : (this.#others.get(id) ?? id);
  }

  /** The rows as one side has them. */
  batchOn(side: Side, batch: CommitBatch, rows: Rows): CommitBatch {
    return {
      ...batch,
      appends: rows.appends,
      starts: rows.starts.map((claim) => claim[side]),
      settlements: rows.settlements.map((item) => ({ ...item, claim: item.claim[side] })),
      releases: rows.releases.map((item) => ({ ...item, claim: item.claim[side] })),
      replays: rows.replays.map((row) => ({ ...row, of: row.of && this.idOn(side, row.of) })),
      actions: rows.actions.map((action) =>
        action.kind === 'resolve'
          ? { ...action, deliveryIds: action.deliveryIds.map((id) => this.idOn(side, id)) }
          : action,
      ),
      documents: rows.documents,
    };
  }

  /** Compares what two commits of the same rows answered; claims what the other declined to hand off. */
  async compareAnswers(rows: Rows, leaseMs: number, answers: Readonly<Record<Side, CommitAnswers>>): Promise<void> {
    await this.learnIds();
    const { model, other } = answers;
    assert.deepEqual(this.#rowAnswers(other, 'other'), this.#rowAnswers(model, 'model'), 'the answers differ');
    const handedOff = [...pairHandOffs(rows, answers)];
    const declined = handedOff.filter((item) => item.model !== null && item.other === null);
    for (const { claim } of [...rows.settlements, ...rows.releases]) this.outlive(claim);
    this.#compareReady(answers, new Set(declined.map((item) => item.destination)));
    for (const item of handedOff) {
      if (item.model === null) assert.equal(item.other, null, 'it handed off what was not ready');
      else
        this.#addClaim({
          model: item.model,
          other: item.other ?? (await this.#claimDeclined(item.model, leaseMs, item.start)),
        });
    }
  }

  /** Compares two lists of claims, and remembers them as pairs. */
  addClaims(model: readonly Claim[], other: readonly Claim[]): void {
    assert.deepEqual(
      other.map((claim) => this.#shownClaim(claim)),
      model.map((claim) => this.#shownClaim(claim)),
      'the claims differ',
    );
    for (const [index, claim] of model.entries()) {
      const its = other[index];
      if (its !== undefined) this.#addClaim({ model: claim, other: its });
    }
  }

  /** Compares all that History, Registry and wake-ups tell; `deep`: every event and attempt too. */
  async compare(deep: boolean): Promise<void> {
    await this.learnIds();
    const { model, other } = await this.both((store) => this.#told(store, deep));
    assert.deepEqual(other, model, 'the histories differ');
  }

  /** The deliveries of the model, in the order of their commits. */
  async deliveries(): Promise<readonly DeliveryRecord[]> {
    return (await this.model.history.deliveries({}, ALL)).rows;
  }

  /** Pairs the ids of deliveries by their order in both. */
  async learnIds(): Promise<void> {
    const { model, other } = await this.both(async (store) => (await store.history.deliveries({}, ALL)).rows);
    const shown = (rows: readonly DeliveryRecord[]): unknown => rows.map((row) => [row.eventId, row.destination]);
    assert.deepEqual(shown(other), shown(model), 'the deliveries differ, or their order');
    for (const [index, { id }] of model.entries()) {
      const its = other[index]?.id ?? '';
      this.#others.set(id, its);
      this.#models.set(its, id);
    }
  }

  async #told(store: Store, deep: boolean): Promise<unknown> {
    const { rows: events } = await store.history.events({}, ALL);
    const { rows: deliveries } = await store.history.deliveries({}, ALL);
    const counts = await store.history.counts();
    const destinations = counts.destinations.map((row) => row.destination);
    const wakeUps = await store.work.wakeUps(destinations, this.now);
    return plain({
      events,
      deliveries: deliveries.map((row) => this.#mapped(row)),
      counts: { ...counts, bytesOnDisk: 0 },
      wakeUps: { ...wakeUps, ready: wakeUps.ready.toSorted() },
      documents: await store.registry.list('note'),
      ...(deep && {
        records: await Promise.all(events.map((row) => store.history.event(row.id))),
        attempts: await Promise.all(deliveries.map((row) => store.history.attempts(row.id))),
      }),
    });
  }

  #mapped(row: DeliveryRecord): DeliveryRecord {
    return { ...row, id: this.#modelId(row.id), replayOf: row.replayOf && this.#modelId(row.replayOf) };
  }

  #modelId(id: string): string {
    return this.#models.get(id) ?? id;
  }

  #addClaim(pair: ClaimPair): void {
    assert.deepEqual(this.#shownClaim(pair.other), this.#shownClaim(pair.model), 'the claims differ');
    for (const side of ['model', 'other'] as const) {
      const { deliveryId, claim } = pair[side];
      const name = `${side} ${deliveryId}`;
      assert.ok(claim > (this.#numbers.get(name) ?? 0), `the number of a claim did not rise (${side})`);
      this.#numbers.set(name, claim);
    }
    this.claims.current.add(pair);
    this.note(pair.model.crashes > 0 ? 'claimed suspect' : 'claimed');
  }

  async #claimDeclined(claim: Claim, leaseMs: number, start: boolean): Promise<Claim> {
    const { work } = this.#stores.other;
    const wants = [{ destination: claim.destination, slots: 1, bytesMax: Number.MAX_SAFE_INTEGER }];
    const ids = [this.idOn('other', claim.deliveryId)];
    const [made] = (await work.claim({ now: this.now, leaseMs, wants, ids })).claims;
    assert.ok(made !== undefined, 'what was handed off in the model cannot be claimed in the other');
    if (start) await work.commit(this.build.batch({ starts: [made] }));
    return made;
  }

  #compareReady({ model, other }: Readonly<Record<Side, CommitAnswers>>, declined: ReadonlySet<string>): void {
    const expected = new Set(model.ready);
    for (const name of expected) assert.ok(other.ready.includes(name), `${name} was made ready and not told`);
    for (const name of other.ready) {
      assert.ok(expected.has(name) || declined.has(name), `${name} was told ready and was not made so`);
    }
  }

  /** The answers per row without what a driver chooses. */
  #rowAnswers(answers: CommitAnswers, side: Side): unknown {
    const withoutClaims = (answer: EventAnswer): unknown => {
      if (side === 'model') this.note(answer.status === 'duplicate' ? `duplicate ${answer.differs}` : answer.status);
      return 'claims' in answer ? { ...answer, claims: null, offers: null } : answer;
    };
    const rows = {
      ...answers,
      ready: null,
      appends: answers.appends.map((row) => ('events' in row ? { events: row.events.map(withoutClaims) } : row)),
      settlements: answers.settlements.map((row) => ('emits' in row ? { emits: row.emits.map(withoutClaims) } : row)),
      replays: answers.replays.map((row) =>
        'deliveryId' in row ? { ...row, deliveryId: this.#modelId(row.deliveryId) } : row,
      ),
    };
    if (side === 'model') this.#noteRows(answers);
    return plain(rows);
  }

  #noteRows(answers: CommitAnswers): void {
    for (const name of ['starts', 'settlements', 'releases', 'replays', 'documents'] as const) {
      for (const row of answers[name]) this.note(`${name} ${'reason' in row ? row.reason : row.status}`);
    }
    for (const row of answers.actions)
      this.note(`action ${'affected' in row && row.affected > 0 ? 'done' : 'nothing'}`);
  }

  #shownClaim(claim: Claim): unknown {
    const { deliveryId, replayOf, claim: _number, ref: _ref, ...rest } = claim;
    return plain({ ...rest, deliveryId: this.#modelId(deliveryId), replayOf: replayOf && this.#modelId(replayOf) });
  }
}

interface HandOff extends Readonly<Record<Side, Claim | null>> {
  readonly destination: string;
  readonly start: boolean;
}

/** The hand-offs of a commit's new events, side by side. */
function* pairHandOffs(rows: Rows, answers: Readonly<Record<Side, CommitAnswers>>): Generator<HandOff> {
  const events: readonly NewEvent[] = [
    ...rows.settlements.flatMap((item, index) => (isCommitted(answers.model.settlements[index]) ? item.emits : [])),
    ...rows.appends.flatMap((item, index) => (isCommitted(answers.model.appends[index]) ? item.events : [])),
  ];
  const model = eventAnswers(answers.model);
  const other = eventAnswers(answers.other);
  for (const [index, { deliveries }] of events.entries()) {
    for (const [turn, { destination, handOff }] of deliveries.entries()) {
      const claims = { model: claimOf(model[index], turn), other: claimOf(other[index], turn) };
      yield { ...claims, destination, start: handOff === 'start' };
    }
  }
}

function isCommitted(answer: { readonly status: string } | undefined): boolean {
  return answer?.status === 'committed';
}

function eventAnswers(answers: CommitAnswers): readonly EventAnswer[] {
  return [
    ...answers.settlements.flatMap((row) => ('emits' in row ? row.emits : [])),
    ...answers.appends.flatMap((row) => ('events' in row ? row.events : [])),
  ];
}

function claimOf(answer: EventAnswer | undefined, turn: number): Claim | null {
  return answer?.status === 'committed' ? (answer.claims[turn] ?? null) : null;
}
