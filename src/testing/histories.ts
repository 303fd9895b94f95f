/**
 * Random histories: the same commands go to two stores, and after every one all that they answer and tell is compared.
 * One of the two is the memory store, which is the specification.
 *
 * A history is a list of lists of numbers, so that any property-testing library can make and shrink it:
 *
 * ```ts
 * const draws = fc.array(fc.array(fc.nat(), { maxLength: DRAWS_PER_COMMAND }), { maxLength: 60 });
 * await fc.assert(fc.asyncProperty(draws, (numbers) =>
 *   compareHistories(historyCommands(numbers), memoryHarness, myHarness)));
 * ```
 */
import assert from 'node:assert/strict';
import type { CommitAnswers, CommitBatch, PurgeRequest } from '../store/store.ts';
import { LEASE_MS } from './conformance/build.ts';
import type { StoreHarness } from './conformance/harness.ts';
import { plain } from './conformance/plain.ts';
import { type CommandName, Dice, type HistoryCommand } from './histories/command.ts';
import { Pair, type Rows, type Side } from './histories/pair.ts';
import { addRow, DESTINATIONS, noRows, pickClaim } from './histories/rows.ts';

export { DRAWS_PER_COMMAND, type HistoryCommand, historyCommands, historyDraws } from './histories/command.ts';

/** Makes a harness on fresh state. */
export type MakeHarness = () => Promise<StoreHarness>;

/** What happened in a history, and how often: `settlements stale_claim`, `duplicate true`, … */
export type HistoryTally = ReadonlyMap<string, number>;

/** The two stores did not do the same. The message names the step and what differed. */
export class HistoryDifference extends Error {
  override readonly name = 'HistoryDifference';
}

/**
 * Runs one history on two fresh stores. A store that declines to claim at birth is given the claim by its id.
 * @throws HistoryDifference at the first step after which the two differ.
 */
export async function compareHistories(
  commands: readonly HistoryCommand[],
  makeModel: MakeHarness,
  makeOther: MakeHarness,
): Promise<HistoryTally> {
  const harnesses = [await makeModel(), await makeOther()] as const;
  try {
    const run = new Run(await Pair.open(...harnesses));
    for (const [index, command] of commands.entries()) {
      await explain(`step ${index + 1} (${command.name})`, () => run.step(command));
    }
    await explain('the end', () => run.end());
    return run.tally;
  } finally {
    for (const harness of harnesses) await harness.dispose();
  }
}

async function explain(where: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new HistoryDifference(`At ${where}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

/** A commit that was made, for making it again. */
interface Made {
  readonly batches: Readonly<Record<Side, CommitBatch>>;
  readonly answers: Readonly<Record<Side, CommitAnswers>>;
}

class Run {
  readonly #pair: Pair;
  #rows: Rows = noRows();
  #made: Made | null = null;

  constructor(pair: Pair) {
    this.#pair = pair;
  }

  get tally(): HistoryTally {
    return this.#pair.seen;
  }

  async step(command: HistoryCommand): Promise<void> {
    const dice = new Dice(command.draws);
    const add = addRow[command.name];
    if (add !== undefined) {
      await add(this.#pair, dice, this.#rows);
      if (command.joins) return;
      await this.#commit();
    } else {
      if (command.name !== 'interrupt') await this.#commit();
      await this.#deed(command.name, dice);
    }
    await this.#pair.compare(false);
  }

  /** Commits what still waits, lets all time pass, and compares everything that can be asked. */
  async end(): Promise<void> {
    await this.#commit();
    await this.#pair.compare(true);
    await this.#advance(120_000);
    await this.#pair.compare(true);
    for (const { state, reason } of await this.#pair.deliveries()) this.#pair.note(`ends ${reason ?? state}`);
  }

  async #deed(name: CommandName, dice: Dice): Promise<void> {
    switch (name) {
      case 'claim':
        return this.#claim(dice);
      case 'claimIds':
        return this.#claimIds(dice);
      case 'renew':
        return this.#renew(dice);
      case 'purge':
        return this.#purge(dice);
      case 'advance':
        return this.#advance(dice.of(500, 1, 999, 500, 1, 999, 5_000, 60_000));
      case 'again':
        return this.#again();
      case 'interrupt':
        return this.#interrupt();
      case 'crash':
        return this.#crash(dice);
      default:
        return this.#reopen('closed');
    }
  }

  #takeBatches(): { readonly rows: Rows; readonly batches: Readonly<Record<Side, CommitBatch>> } {
    const rows = this.#rows;
    this.#rows = noRows();
    const batch = this.#pair.build.batch({});
    const [model, other] = [this.#pair.batchOn('model', batch, rows), this.#pair.batchOn('other', batch, rows)];
    return { rows, batches: { model, other } };
  }

  async #commit(): Promise<void> {
    if (Object.values(this.#rows).every((list: readonly unknown[]) => list.length === 0)) return;
    const { rows, batches } = this.#takeBatches();
    const answers = await this.#pair.both((store, side) => store.work.commit(batches[side]));
    this.#made = { batches, answers };
    await this.#pair.compareAnswers(rows, LEASE_MS, answers);
  }

  async #again(): Promise<void> {
    const made = this.#made;
    if (made === null) return;
    const answers = await this.#pair.both((store, side) => store.work.commit(made.batches[side]));
    for (const side of ['model', 'other'] as const) {
      assert.deepEqual(plain(answers[side]), plain(made.answers[side]), 'a repeat was answered otherwise');
    }
    this.#pair.note('store repeated');
  }

  async #interrupt(): Promise<void> {
    const { batches } = this.#takeBatches();
    await this.#pair.harness.model.interrupt(batches.model);
    await this.#pair.harness.other.interrupt(batches.other);
    this.#pair.note('store interrupted');
  }

  async #claim(dice: Dice): Promise<void> {
    const destination = dice.of(...DESTINATIONS, 'office');
    const want = { destination, slots: dice.of(1, 2, 100), bytesMax: dice.of(1_000_000, 5) };
    const wants =
      dice.roll(4) === 3 ? [want, { ...want, destination: 'ledger' }].slice(destination === 'ledger' ? 1 : 0) : [want];
    const request = { now: this.#pair.now, leaseMs: dice.of(LEASE_MS, LEASE_MS, 1_000), wants };
    const { model, other } = await this.#pair.both((store) => store.work.claim(request));
    this.#pair.addClaims(model.claims, other.claims);
    assert.deepEqual([...other.more].toSorted(), [...model.more].toSorted(), 'more differs');
  }

  async #claimIds(dice: Dice): Promise<void> {
    const ids = (await this.#pair.deliveries())
      .map((row) => row.id)
      .filter((_, index) => (index + dice.roll(2)) % 2 === 0);
    const wants = [{ destination: dice.of(...DESTINATIONS), slots: 1, bytesMax: 1 }];
    const { model, other } = await this.#pair.both((store, side) => {
      const mapped = ids.map((id) => this.#pair.idOn(side, id));
      return store.work.claim({ now: this.#pair.now, leaseMs: LEASE_MS, wants, ids: mapped });
    });
    this.#pair.addClaims(model.claims, other.claims);
    assert.deepEqual(other.more, model.more, 'more differs');
  }

  async #renew(dice: Dice): Promise<void> {
    const claim = pickClaim(this.#pair, dice);
    if (claim === undefined) return;
    const leaseMs = dice.of(LEASE_MS, 100);
    const { model, other } = await this.#pair.both((store, side) => store.work.renew([claim[side]], leaseMs));
    assert.equal(other.length, model.length, 'a renewal differs');
    this.#pair.note(model.length === 0 ? 'renewed' : 'renewal refused');
  }

  async #purge(dice: Dice): Promise<void> {
    const ages = [null, 60_000, 5_000, 0] as const;
    const retention = {
      bodiesMs: dice.of(...ages),
      eventsMs: dice.of(...ages),
      unmatchedMs: dice.of(...ages),
      deadLettersMs: dice.of(...ages),
    };
    const heldBefore =
      dice.roll(3) === 2 ? [{ destination: dice.of(...DESTINATIONS), before: this.#pair.now - 400 }] : [];
    const request = { now: this.#pair.now, retention, heldBefore, limit: dice.of(100, 1, 3) };
    const { model, other } = await this.#pair.both((store) => purgeAll((step) => store.work.purge(step), request));
    assert.deepEqual(other, model, 'the purges differ');
    for (const [name, count] of Object.entries(model)) if (count > 0) this.#pair.note(`purged ${name}`);
  }

  async #advance(ms: number): Promise<void> {
    await this.#pair.harness.model.advance(ms);
    await this.#pair.harness.other.advance(ms);
  }

  /** Dies, often in the midst of the first work of every destination. */
  async #crash(dice: Dice): Promise<void> {
    if (dice.roll(3) > 0) {
      const wants = [...DESTINATIONS, 'office'].map((destination) => ({ destination, slots: 1, bytesMax: 1 }));
      const request = { now: this.#pair.now, leaseMs: LEASE_MS, wants };
      const { model, other } = await this.#pair.both((store) => store.work.claim(request));
      this.#pair.addClaims(model.claims, other.claims);
      this.#rows.starts.push(...this.#pair.claims.current);
      await this.#commit();
    }
    await this.#reopen('crashed');
  }

  async #reopen(how: 'crashed' | 'closed'): Promise<void> {
    await this.#pair.reopen(how);
    if (!this.#pair.harness.other.capabilities.durableTokens) this.#made = null;
  }
}

/** Every step of a purge until there is no more to do: its sums, without those that a driver may put off. */
async function purgeAll(
  step: (
    request: PurgeRequest,
  ) => Promise<{ bodies: number; events: number; deadLetters: number; held: number; more: boolean }>,
  request: PurgeRequest,
): Promise<Record<'bodies' | 'events' | 'deadLetters' | 'held', number>> {
  const sums = { bodies: 0, events: 0, deadLetters: 0, held: 0 };
  for (let steps = 0; steps < 10_000; steps++) {
    const { bodies, events, deadLetters, held, more } = await step(request);
    sums.bodies += bodies;
    sums.events += events;
    sums.deadLetters += deadLetters;
    sums.held += held;
    if (!more) return sums;
  }
  throw new Error('The purge does not end.');
}
