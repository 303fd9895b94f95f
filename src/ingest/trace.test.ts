import assert from 'node:assert/strict';
import { test } from 'node:test';
import { correlationOf, makeTraceparent, traceparentOf } from './trace.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

for (const valid of [`00-${TRACE}-${SPAN}-01`, `01-${TRACE}-${SPAN}-00`, `cc-${TRACE}-${SPAN}-00-what-comes-later`]) {
  test(`${valid} is taken in`, () => assert.equal(traceparentOf(['TraceParent', valid]), valid));
}

for (const invalid of [
  '',
  `ff-${TRACE}-${SPAN}-01`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}-01-more`,
  `00-${TRACE}-${SPAN}`,
  ` 00-${TRACE}-${SPAN}-01`,
  `cc-${TRACE}-${SPAN}-00-${'x'.repeat(100)}`,
]) {
  test(`'${invalid}' is not`, () => assert.equal(traceparentOf(['traceparent', invalid]), null));
}

test('a correlation id is up to 128 visible characters', () => {
  assert.equal(correlationOf(['X-Correlation-ID', 'order:1']), 'order:1');
  for (const insane of ['', 'a b', 'x'.repeat(129), 'é', 'a\tb'])
    assert.equal(correlationOf(['x-correlation-id', insane]), null);
  assert.equal(correlationOf([]), null);
});

test('a made traceparent is valid and named after its event', () => {
  const id = Uint8Array.from({ length: 16 }, (_, index) => index + 1);
  const made = makeTraceparent(id);
  assert.equal(made, '00-0102030405060708090a0b0c0d0e0f10-090a0b0c0d0e0f10-00');
  assert.equal(traceparentOf(['traceparent', made]), made);
});
