import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { formatId, IdMaker } from '../core/id.ts';
import {
  decodeIds,
  encodeIds,
  endpointChannel,
  endpointChannels,
  ENDPOINT_SHARDS,
  handlerChannel,
  HINT_BYTES_MAX,
  hintsOf,
} from './hints.ts';
import { HINT_IDS_MAX } from './queue.ts';

const anyId = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => formatId('dlv', bytes));
const made = new IdMaker({ now: () => Date.now(), fill: (bytes) => crypto.getRandomValues(bytes) });
const channelName = /^[A-Za-z0-9_-]{1,64}$/;

describe('the bytes of a hint', () => {
  test('are read as they were written, whatever the ids', () => {
    fc.assert(
      fc.property(fc.array(anyId, { minLength: 1, maxLength: HINT_IDS_MAX }), (ids) => {
        const bytes = encodeIds(ids);
        assert.ok(bytes.length <= HINT_BYTES_MAX);
        assert.deepEqual(decodeIds(bytes), ids);
      }),
    );
  });

  test('are 18 for one id, and under 11 for each of many that were made together', () => {
    assert.equal(encodeIds([made.make('dlv')]).length, 18);
    const ids = Array.from({ length: HINT_IDS_MAX }, () => made.make('dlv'));
    assert.ok(encodeIds(ids).length < 11 * HINT_IDS_MAX, `${encodeIds(ids).length} bytes`);
  });

  test('are never a part of them, nor more than them', () => {
    fc.assert(
      fc.property(fc.array(anyId, { minLength: 1, maxLength: 5 }), fc.nat(), (ids, at) => {
        const bytes = encodeIds(ids);
        assert.equal(decodeIds(bytes.subarray(0, at % bytes.length)), null);
        assert.equal(decodeIds(Buffer.concat([bytes, Buffer.from([at])])), null);
      }),
    );
  });

  test('of a stranger are never an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const ids = decodeIds(bytes);
        assert.ok(ids === null || ids.length <= HINT_IDS_MAX);
      }),
    );
  });

  test('of another version are not read', () => {
    const bytes = encodeIds([made.make('dlv')]);
    bytes[0] = 2;
    assert.equal(decodeIds(bytes), null);
  });

  test('are not made of none, of too many, or of what is no id', () => {
    assert.throws(() => encodeIds([]), RangeError);
    assert.throws(() => encodeIds(Array.from({ length: HINT_IDS_MAX + 1 }, () => made.make('dlv'))), RangeError);
    assert.throws(() => encodeIds(['dlv_no']), RangeError);
  });
});

describe('channels', () => {
  test('are names that every broker takes, different for different destinations', () => {
    const long = 'a'.repeat(128);
    const names = [
      'till',
      'till.eu',
      'till:eu',
      'till_eu',
      'till-eu',
      'Till',
      long,
      `${long.slice(1)}b`,
      'a'.repeat(61),
    ];
    const channels = names.map(handlerChannel);
    for (const channel of channels) assert.match(channel, channelName);
    assert.equal(new Set(channels.map((channel) => channel.toLowerCase())).size, names.length - 1);
    assert.equal(new Set(channels).size, names.length);
  });

  test('of a destination never change: processes of two releases share them', () => {
    assert.equal(handlerChannel('till'), 'h-till');
    assert.equal(handlerChannel('till.eu'), 'x-till_eu-af45611a01e1063c2d366b74');
    assert.equal(endpointChannel('ep_01kh6y2m3ze0t8w9q4r5s6v7x8'), 'e-25');
  });

  test('of endpoints are a fixed number, used about evenly', () => {
    assert.equal(new Set(endpointChannels()).size, ENDPOINT_SHARDS);
    const counts = new Map(endpointChannels().map((channel) => [channel, 0]));
    for (let index = 0; index < 200 * ENDPOINT_SHARDS; index++) {
      const channel = endpointChannel(`ep_${index}`);
      counts.set(channel, (counts.get(channel) ?? -1e9) + 1);
    }
    for (const [channel, count] of counts) assert.ok(count > 120 && count < 280, `${channel}: ${count}`);
  });
});

describe('hints', () => {
  test('are of one channel each, at most so many ids, in the order given, none lost', () => {
    const entry = fc.record({ channel: fc.constantFrom('h-a', 'h-b', 'e-01'), id: fc.nat().map(String) });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 500 }), (ready) => {
        const hints = hintsOf(ready);
        for (const { ids } of hints) assert.ok(ids.length >= 1 && ids.length <= HINT_IDS_MAX);
        for (const channel of ['h-a', 'h-b', 'e-01']) {
          assert.deepEqual(
            hints.filter((hint) => hint.channel === channel).flatMap(({ ids }) => ids),
            ready.filter((one) => one.channel === channel).map(({ id }) => id),
          );
        }
        const partial = hints.filter(({ ids }) => ids.length < HINT_IDS_MAX);
        assert.ok(new Set(partial.map(({ channel }) => channel)).size === partial.length);
      }),
    );
  });
});
