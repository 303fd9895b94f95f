import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Report } from '../dispatch/operational.ts';
import type { DestinationCounts } from '../store/store.ts';
import { TestClock } from '../testing/clock.ts';
import { Alerts } from './alerts.ts';

const NOTHING: DestinationCounts = {
  destination: 'crm',
  blocked: 0,
  due: 0,
  ready: 0,
  claimed: 0,
  dead: 0,
  oldestReadyAt: null,
  totals: { received: 0, succeeded: 0, skipped: 0, failed: 0, dead: 0 },
};

function rig() {
  const clock = new TestClock();
  const told: string[] = [];
  const now = { counts: NOTHING, free: 1000, speaks: true };
  const alerts = new Alerts({
    clock,
    backlogMax: 100,
    lagMaxMs: 60_000,
    diskBytesMin: 500,
    counts: async () => ({ destinations: [now.counts], sources: [], events: 0, bytesOnDisk: 0 }),
    freeBytes: () => now.free,
    speaks: () => now.speaks,
    report: ({ type, body }: Report) => void told.push(`${type} ${String(body['destination'] ?? '')}`.trim()),
  });
  return { alerts, told, now, clock };
}

describe('alerts', () => {
  it('tell of a backlog and a lag once, and once more when they are well below the limit', async () => {
    const { alerts, told, now, clock } = rig();
    await alerts.look();
    now.counts = { ...NOTHING, due: 60, ready: 41, oldestReadyAt: clock.now() - 60_001 };
    await alerts.look();
    await alerts.look();
    assert.deepEqual(told.splice(0), ['backlog.high crm', 'lag.high crm']);
    now.counts = { ...NOTHING, ready: 51, oldestReadyAt: clock.now() - 31_000 };
    await alerts.look();
    assert.deepEqual(told, []);
    now.counts = { ...NOTHING, ready: 49, oldestReadyAt: clock.now() - 29_000 };
    await alerts.look();
    assert.deepEqual(told, ['backlog.normal crm', 'lag.normal crm']);
  });

  it('are told by one of several processes, and by the next what it has not told', async () => {
    const { alerts, told, now } = rig();
    now.speaks = false;
    now.counts = { ...NOTHING, ready: 101 };
    await alerts.look();
    assert.deepEqual(told, [], 'another one tells');
    now.speaks = true;
    await alerts.look();
    assert.deepEqual(told, [], 'it was told');
    now.counts = NOTHING;
    await alerts.look();
    assert.deepEqual(told, ['backlog.normal crm']);
  });

  it('tell of a disk that fills up, each time it does', async () => {
    const { alerts, told, now } = rig();
    for (const free of [499, 400, 501, 499]) {
      now.free = free;
      await alerts.look();
    }
    assert.deepEqual(told, ['disk.low', 'disk.low']);
  });

  it('tell of a breaker that opened once, however often its probes fail', () => {
    const { alerts, told } = rig();
    for (const state of ['open', 'half-open', 'open', 'half-open', 'closed', 'open'] as const) {
      alerts.observer.breaker('crm', state, 'failures in a row');
    }
    assert.deepEqual(told, ['breaker.opened crm', 'breaker.closed crm', 'breaker.opened crm']);
  });
});
