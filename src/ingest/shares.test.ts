import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../test/ingest-world.ts';
import { TestClock } from '../testing/clock.ts';
import { type Excess, type Holder, networkOf, type Share, Shares } from './shares.ts';

function made(limits: Partial<typeof LIMITS> = {}) {
  const clock = new TestClock();
  const shares = new Shares({ ...LIMITS, bodyBytesMax: 100, ...limits }, clock);
  return { clock, shares };
}

/** A body that has not arrived whole. */
function body(
  shares: Shares,
  share: Share,
  { bytes = 0, startedAt = 0 } = {},
): Holder & { excess: Excess | null; arrived: number } {
  const holder = {
    share,
    startedAt,
    arrived: bytes,
    excess: null as Excess | null,
    giveUp(excess: Excess): void {
      holder.excess = excess;
      shares.hold(share, -bytes);
      shares.done(holder);
    },
  };
  shares.hold(share, bytes);
  shares.wait(holder);
  return holder;
}

test('an IPv6 sender is its /64, an IPv4 one its address', () => {
  const pairs = [
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8:0:1:2:3:4:5', '2001:db8:0:1::/64'],
    ['2001:DB8:0:1::', '2001:db8:0:1::/64'],
    ['2001:db8::5', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1:2:3:4', 'fe80:0:0:0::/64'],
    ['', ''],
  ];
  assert.deepEqual(
    pairs.map(([address = '']) => networkOf(address)),
    pairs.map(([, network]) => network),
  );
});

test('an address holds its share and no more, but always one body', () => {
  const { shares } = made({ addressUnverifiedBytesMax: 10 });
  const share = shares.of('192.0.2.1');
  body(shares, share, { bytes: 100 });
  assert.equal(shares.excess(share), null);
  body(shares, share, { bytes: 1 });
  assert.equal(shares.excess(share), 'address_overloaded');
  const unknown = shares.of('');
  body(shares, unknown, { bytes: 1000 });
  assert.equal(shares.excess(unknown), null);
});

test('where all is taken, who holds most makes room; who asks for more than all others does not get it', () => {
  const { shares } = made({ unverifiedBytesMax: 250, addressUnverifiedBytesMax: 200 });
  const [large, small, fresh] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((address) => shares.of(address));
  assert.ok(large && small && fresh);
  const held = [
    body(shares, small, { bytes: 60 }),
    body(shares, large, { bytes: 80 }),
    body(shares, large, { bytes: 90 }),
  ];
  body(shares, fresh, { bytes: 40 });
  assert.equal(shares.excess(fresh), null);
  assert.deepEqual(
    held.map(({ excess }) => excess),
    [null, 'overloaded', null],
  );
  body(shares, large, { bytes: 90 });
  assert.equal(shares.excess(large), 'overloaded');
  assert.equal(shares.heldBytes, 280);
});

test('a body that comes too slowly is given up, a patient one within its deadline is not', () => {
  const { clock, shares } = made({ bodyBytesPerSMin: 10 });
  const share = shares.of('192.0.2.1');
  const slow = body(shares, share, { bytes: 1, startedAt: clock.monotonic() });
  const steady = body(shares, share, { bytes: 1, startedAt: clock.monotonic() });
  for (let second = 0; second < 9; second++) {
    steady.arrived += 10;
    clock.advance(1_000);
  }
  assert.deepEqual([slow.excess, steady.excess], ['body_too_slow', null]);
  shares.hold(share, -1);
  shares.done(steady);
  assert.deepEqual([clock.pending, shares.size], [0, 0]);
});

test('addresses that hold nothing are forgotten', () => {
  const { shares } = made({ addressConnectionsMax: 2 });
  const share = shares.of('192.0.2.1');
  assert.deepEqual([shares.enter(share), shares.enter(share), shares.enter(share)], [true, true, false]);
  shares.leave(share);
  assert.ok(shares.enter(shares.of('192.0.2.1')));
  shares.leave(share);
  shares.leave(share);
  assert.equal(shares.size, 0);
});
