import assert from 'node:assert/strict';
import { parse, stringify } from 'node:querystring';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { formPairs, legacyQuery, parameterOf } from './query.ts';

/** Queries as senders write them, and as they do not: loose percent signs, broken UTF-8, empty pairs. */
const piece = fc.oneof(
  fc.constantFrom(
    'a',
    'b=1',
    '=',
    '&',
    '&&',
    '%',
    '%2',
    '%41',
    '%zz',
    '%C3%A9',
    '%FF',
    '%EF%BB%BF',
    '+',
    'é',
    "'",
    '1',
    '0=x',
    'bodySHA256=',
    '%62odySHA256=',
  ),
  fc.string({ maxLength: 5 }).filter((text) => text.isWellFormed()),
);
const queries = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('').replaceAll('#', ''));

test('a form is read as URLSearchParams reads it', () => {
  fc.assert(
    fc.property(queries, (query) => {
      // The constructor drops a question mark at the start, which belongs to a form's first name.
      assert.deepEqual(formPairs(query), [...new URLSearchParams(`?${query}`)]);
    }),
  );
});

test('a parameter is found as URLSearchParams finds it', () => {
  fc.assert(
    fc.property(queries, (query) => {
      assert.equal(parameterOf(`/in/x?${query}`, 'bodySHA256'), new URLSearchParams(`?${query}`).get('bodySHA256'));
    }),
  );
});

test('the older way of escaping a query is that of node:querystring', () => {
  // Beyond ASCII a URL is escaped before it is sent; what node:querystring makes of the rest is not worth repeating.
  const sent = queries.filter((query) => !/[^\0-\x7f]/.test(query));
  fc.assert(
    fc.property(sent, (query) => assert.equal(legacyQuery(query), stringify(parse(query)))),
    { numRuns: 500 },
  );
});
