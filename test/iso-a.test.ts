/** Code that burns CPU in a thread, or ends its process, is nobody's trouble but its own. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isAck } from './crash/client.ts';
import { Trial } from './crash/trial.ts';
import { BURN, EXITS } from './crash/wire.ts';

const WINDOWS = 5;
const WINDOW_MS = 800;
const EVERY_MS = 4;
/** On a machine this small and this busy, less than that is noise. */
const P99_FLOOR_MS = 25;

describe('isolation', () => {
  test('ACK p99 stays within twice idle while a handler burns CPU in a thread and another ends its process', async (t) => {
    const trial = new Trial(t);
    await trial.start();
    // Threads and processes start with their first attempt; starting them is not what is measured.
    await burn(trial, 1);
    await window(trial);
    const idle: number[] = [];
    const busy: number[] = [];
    for (let round = 0; round < WINDOWS; round++) {
      idle.push(await window(trial));
      const burning = burn(trial, WINDOW_MS);
      
      busy.push(await window(trial));
      await burning;
    }
    const [idleMs, busyMs] = [median(idle), median(busy)];
    t.diagnostic(`ACK p99 in the median of ${WINDOWS} windows: ${idleMs.toFixed(1)} ms idle, ${busyMs.toFixed(1)} ms while burning`);
    assert.ok(busyMs <= Math.max(2 * idleMs, P99_FLOOR_MS), `${busyMs.toFixed(1)} ms against ${idleMs.toFixed(1)} ms`);
    await trial.drained();
    assert.deepEqual(await attemptsOf(trial, BURN), Array<string>(WINDOWS + 1).fill('succeeded 1'));
    assert.deepEqual(await attemptsOf(trial, EXITS), []);
    const { duplicates } = await trial.clean();
    assert.equal(duplicates, 0);
  });
});

/** Sends at a steady rate; the p99 of the time to the answer in milliseconds. */
async function window({ client, url }: Trial): Promise<number> {
  const sending: Promise<number>[] = [];
  const until = performance.now() + WINDOW_MS;
  while (performance.now() < until) {
    const webhook = client.make({ plan: 'succeed', body: Buffer.alloc(1024, sending.length) });
    sending.push(
      client.once(url, webhook).then((one) => {
        assert.ok(isAck(one), `answered ${one.status}`);
        return one.endedAt - one.startedAt;
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  const times = (await Promise.all(sending)).toSorted((a, b) => a - b);
  return times[Math.floor(times.length * 0.99)] ?? 0;
}

/** Resolves when the thread has burnt its time. */
async function burn(trial: Trial, ms: number): Promise<void> {
  assert.ok(isAck(await trial.client.aside(trial.url, BURN, String(ms))));
  await trial.drained(BURN);
}

async function attemptsOf(trial: Trial, destination: string): Promise<string[]> {
  const { rows } = await trial.api<{ rows: { state: string; attempts: number }[] }>(`/api/deliveries?destination=${destination}`);
  return rows.map(({ state, attempts }) => `${state} ${attempts}`);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
