import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { anything, assert as holds, jsonValue, property } from 'fast-check';
import { compileFilter, filterBody, FilterError, type FilterInput } from './filter.ts';

const input = (body: unknown, parts: Partial<FilterInput> = {}): FilterInput => ({
  body: filterBody(new TextEncoder().encode(JSON.stringify(body))),
  headers: ['X-Shop', 'north'],
  type: 'order.paid',
  source: 'shop',
  tenant: 'acme',
  ...parts,
});

const order = { amount: 120, status: 'paid', items: [{ sku: 'a-1' }], tags: ['new', 'gift'], note: null, 'a.b': 1 };

/** Filter, and whether it takes the order. */
const cases: readonly (readonly [filter: unknown, takes: boolean])[] = [
  [{ path: 'body.amount', equals: 120 }, true],
  [{ path: 'body.amount', equals: '120' }, false],
  [{ path: 'body.note', equals: null }, true],
  [{ path: 'body.status', in: ['open', 'paid'] }, true],
  [{ path: 'body.status', in: ['open'] }, false],
  [{ path: 'body.note', exists: true }, true],
  [{ path: 'body.nothing', exists: true }, false],
  [{ path: 'body.nothing', exists: false }, true],
  [{ path: 'body.toString', exists: true }, false],
  [{ path: 'body.__proto__', exists: true }, false],
  [{ path: 'body.amount', greater: 119.5 }, true],
  [{ path: 'body.amount', greater: 120 }, false],
  [{ path: 'body.amount', atLeast: 120 }, true],
  [{ path: 'body.amount', less: 120 }, false],
  [{ path: 'body.amount', atMost: 120 }, true],
  [{ path: 'body.amount', greater: '1' }, false],
  [{ path: 'body.status', greater: 'open' }, true],
  [{ path: 'body.items[0].sku', startsWith: 'a-' }, true],
  [{ path: 'body.items.0.sku', endsWith: '-1' }, true],
  [{ path: 'body.items.1.sku', startsWith: '' }, false],
  [{ path: 'body.tags', contains: 'gift' }, true],
  [{ path: 'body.status', contains: 'ai' }, true],
  [{ path: 'body["a.b"]', equals: 1 }, true],
  [{ path: 'headers.x-shop', equals: 'north' }, true],
  [{ path: 'type', startsWith: 'order.' }, true],
  [{ path: 'source', equals: 'till' }, false],
  [{ path: 'tenant', in: ['acme'] }, true],
  [{ not: { path: 'body.amount', greater: 100 } }, false],
  [
    {
      all: [
        { path: 'body.amount', greater: 100 },
        { path: 'body.status', equals: 'paid' },
      ],
    },
    true,
  ],
  [
    {
      all: [
        { path: 'body.amount', greater: 100 },
        { path: 'body.status', equals: 'open' },
      ],
    },
    false,
  ],
  [
    {
      any: [
        { path: 'body.amount', greater: 1000 },
        { path: 'body.status', equals: 'paid' },
      ],
    },
    true,
  ],
  [{ any: [{ path: 'body.amount', greater: 1000 }, { not: { path: 'body.tags', exists: true } }] }, false],
];

describe('a filter', () => {
  for (const [filter, takes] of cases) {
    it(`${takes ? 'takes' : 'leaves'} by ${JSON.stringify(filter)}`, () => {
      assert.equal(compileFilter(filter)(input(order)), takes);
    });
  }

  it('compares whole numbers beyond 2^53 exactly', () => {
    const body = filterBody(
      Buffer.from('{"id":9007199254740993,"other":9007199254740992,"ratio":1.12345678901234567}'),
    );
    const is = (path: string, equals: number) => compileFilter({ path, equals })(input({}, { body }));
    assert.equal(is('body.id', 9007199254740992), false);
    assert.equal(is('body.other', 9007199254740992), true);
    assert.equal(is('body.ratio', 1.1234567890123457), true);
    assert.equal(compileFilter({ path: 'body.id', greater: 9007199254740992 })(input({}, { body })), true);
  });

  it('sees nothing in a body that is no JSON', () => {
    for (const body of [null, new Uint8Array(), Buffer.from('a=1'), Buffer.from('{')]) {
      const seen = input({}, { body: filterBody(body) });
      assert.equal(compileFilter({ path: 'body', exists: false })(seen), true);
    }
  });

  it('says where it is wrong and what was expected', () => {
    const wrong: readonly (readonly [unknown, RegExp])[] = [
      [null, /^filter: expected an object/],
      [{}, /expected all, any, not, or a path/],
      [{ path: 'body.a' }, /expected all, any, not, or a path/],
      [{ path: 'body.a', equals: 1, in: [1] }, /'in' does not go with 'path' and 'equals'/],
      [{ path: 'body.a', equal: 1 }, /with one of equals/],
      [{ path: 'body.a', constructor: 1 }, /with one of equals/],
      [{ path: 'bod.a', equals: 1 }, /^filter\.path: expected a path from body/],
      [{ path: 'body..a', equals: 1 }, /^filter\.path: expected names after dots/],
      [{ path: 'headers', exists: true }, /headers\.NAME/],
      [{ path: 'type.x', exists: true }, /it has no parts/],
      [{ path: 'body.a', equals: {} }, /^filter\.equals: expected a text/],
      [{ path: 'body.a', greater: true }, /^filter\.greater: expected a number or a text/],
      [{ path: 'body.a', in: [] }, /^filter\.in: expected 1 to/],
      [{ all: [] }, /^filter\.all: expected at least one/],
      [{ any: [{ not: 3 }] }, /^filter\.any\[0\]\.not: expected an object/],
      [{ all: [{ path: 'type', exists: true }], any: [] }, /'any' does not go with 'all'/],
    ];
    for (const [filter, message] of wrong) {
      assert.throws(
        () => compileFilter(filter),
        (error) => error instanceof FilterError && message.test(error.message),
      );
    }
  });

  it('is bounded in depth and in number of conditions', () => {
    let deep: unknown = { path: 'type', exists: true };
    for (let level = 0; level < 9; level++) deep = { not: deep };
    assert.throws(() => compileFilter(deep), /deeper than 8 levels/);
    const many = { all: Array.from({ length: 100 }, () => ({ path: 'type', exists: true })) };
    assert.throws(() => compileFilter(many), /more than 100 conditions/);
  });

  it('never throws anything but its own error, whatever it is given', () => {
    holds(
      property(anything({ withNullPrototype: true }), jsonValue(), (filter, body) => {
        try {
          assert.equal(typeof compileFilter(filter)(input(body)), 'boolean');
        } catch (error) {
          assert.ok(error instanceof FilterError, String(error));
        }
      }),
    );
  });
});
