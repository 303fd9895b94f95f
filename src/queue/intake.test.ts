import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { IdMaker } from '../core/id.ts';
import { TestClock } from '../testing/index.ts';
import { encodeIds } from './hints.ts';
import { Intake, type Source } from './intake.ts';
import { QueueError } from './queue.ts';

const VISIBILITY_MS = 4_000;
const KEEP_MS = 1_000;

interface Asked {
  readonly channel: string;
  readonly max: number;
  readonly waitMs: number;
  readonly end: (error?: Error) => void;
}

/** A broker that does what the test says. */
class Told implements Source {
  readonly batchMax = 10;
  readonly waitMsMax = 5_000;
  readonly clock = new TestClock();
  readonly intake = new Intake(this, this.clock, VISIBILITY_MS);
  readonly asked: Asked[] = [];
  readonly handedBack: string[] = [];
  readonly discarded: string[] = [];
  readonly #ids = new IdMaker({ now: () => 0, fill: (bytes) => bytes.fill(1) });

  request(channel: string, max: number, waitMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.asked.push({ channel, max, waitMs, end: (error) => (error === undefined ? resolve() : reject(error)) });
    });
  }

  async handBack(receipts: readonly string[]): Promise<void> {
    this.handedBack.push(...receipts);
  }

  async discard(receipts: readonly string[]): Promise<void> {
    this.discarded.push(...receipts);
  }

  bring(channel: string, ...receipts: readonly string[]): void {
    for (const receipt of receipts) this.intake.received(channel, encodeIds([this.#ids.make('dlv')]), receipt);
  }
}

const pull = (channels: readonly string[], max = 10, waitMs = 60_000) => ({ channels, max, waitMs });

describe('an intake', () => {
  test('asks for each channel once at a time, and shares what is wanted among them', async () => {
    const told = new Told();
    const waiting = told.intake.pull(pull(['h-a', 'h-b', 'h-c'], 7));
    assert.deepEqual(
      told.asked.map(({ channel, max, waitMs }) => [channel, max, waitMs]),
      ['h-a', 'h-b', 'h-c'].map((channel) => [channel, 3, told.waitMsMax]),
    );
    told.bring('h-b', '1');
    assert.equal((await waiting).hints.length, 1);
    void told.intake.pull(pull(['h-a', 'h-b', 'h-c'], 7));
    assert.equal(told.asked.length, 3);
    await told.intake.close();
  });

  test('gives of each channel in turns, the turn going on in the next pull', async () => {
    const told = new Told();
    told.bring('h-a', 'a1', 'a2', 'a3', 'a4');
    told.bring('h-b', 'b1', 'b2');
    const receipts = async (): Promise<readonly string[]> =>
      (await told.intake.pull(pull(['h-a', 'h-b'], 3))).hints.map(({ receipt }) => receipt);
    assert.deepEqual(
      [await receipts(), await receipts()],
      [
        ['a1', 'b1', 'a2'],
        ['b2', 'a3', 'a4'],
      ],
    );
    await told.intake.close();
  });

  test('hands back what no pull has taken, so that another process gets it', async () => {
    const told = new Told();
    told.bring('h-a', '1');
    await told.clock.advanceSlowly(KEEP_MS / 2);
    told.bring('h-a', '2');
    await told.clock.advanceSlowly(KEEP_MS / 2);
    assert.deepEqual(told.handedBack, ['1']);
    await told.clock.advanceSlowly(KEEP_MS);
    assert.deepEqual(told.handedBack, ['1', '2']);
    assert.equal(told.clock.pending, 0);
  });

  test('hands back on closing, also what arrives after it', async () => {
    const told = new Told();
    told.bring('h-a', '1');
    await told.intake.close();
    told.bring('h-a', '2');
    assert.deepEqual(told.handedBack, ['1', '2']);
    assert.equal(told.clock.pending, 0);
  });

  test('discards what is no hint and counts it in the next answer', async () => {
    const told = new Told();
    const waiting = told.intake.pull(pull(['h-a']));
    told.intake.received('h-a', Buffer.from('no hint'), 'x');
    await told.clock.advanceSlowly(1);
    told.bring('h-a', '1');
    assert.equal((await waiting).skipped, 1);
    assert.deepEqual(told.discarded, ['x']);
  });

  test('rests before asking again where a request ended early with nothing', async () => {
    const told = new Told();
    const stop = new AbortController();
    const waiting = told.intake.pull({ ...pull(['h-a']), signal: stop.signal });
    told.asked[0]?.end();
    await told.clock.advanceSlowly(50);
    assert.equal(told.asked.length, 1);
    await told.clock.advanceSlowly(60);
    assert.equal(told.asked.length, 2);
    stop.abort();
    assert.deepEqual(await waiting, { hints: [], skipped: 0 });
  });

  test('does not rest where a request ended early because it was full', async () => {
    const told = new Told();
    const first = told.intake.pull(pull(['h-a'], 1));
    told.bring('h-a', '1');
    told.asked[0]?.end();
    await first;
    void told.intake.pull(pull(['h-a'], 1));
    assert.equal(told.asked.length, 2);
    await told.intake.close();
  });

  test('says that the broker failed only where it has nothing to give', async () => {
    const told = new Told();
    const first = told.intake.pull(pull(['h-a', 'h-b']));
    told.asked[0]?.end(new Error('the disk is gone'));
    await assert.rejects(first, new QueueError('the disk is gone'));
    const second = told.intake.pull(pull(['h-a', 'h-b']));
    told.bring('h-b', '1');
    told.asked[1]?.end(new Error('the disk is gone'));
    assert.equal((await second).hints.length, 1);
    await told.intake.close();
  });

  test('answers a pull without a wait when the requests it made have ended', async () => {
    const told = new Told();
    const waiting = told.intake.pull(pull(['h-a', 'h-b'], 10, 0));
    assert.deepEqual(
      told.asked.map(({ waitMs }) => waitMs),
      [0, 0],
    );
    told.asked[0]?.end();
    told.asked[1]?.end();
    assert.deepEqual(await waiting, { hints: [], skipped: 0 });
    assert.equal(told.asked.length, 2);
  });
});
