import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { storedEvent } from './fixtures/attempt.ts';
import { EventView } from './handler-event.ts';

const withType = (type: string | null, body: string): EventView =>
  new EventView(storedEvent(body, { headers: type === null ? [] : ['CONTENT-type', type] }));

describe('the body of an event', () => {
  it('is parsed JSON, by its type or by its first character', () => {
    assert.deepEqual(withType('application/json; charset=utf-8', '{"a":1}').body, { a: 1 });
    assert.deepEqual(withType('application/cloudevents+json', '7').body, 7);
    assert.deepEqual(withType('text/plain', ' [1]').body, [1]);
    assert.deepEqual(withType(null, '\uFEFF{"a":1}').body, { a: 1 });
  });

  it('is an object of last values for a form, with all values beside it', () => {
    const event = withType('application/x-www-form-urlencoded', 'a=1&a=2&__proto__=x&b=%C3%A9+f');
    assert.deepEqual(Object.entries(event.body as object), [
      ['a', '2'],
      ['__proto__', 'x'],
      ['b', 'é f'],
    ]);
    assert.deepEqual(event.form?.getAll('a'), ['1', '2']);
    assert.equal(withType('application/json', '{}').form, null);
  });

  it('is the text otherwise', () => {
    assert.equal(withType('application/json', '{broken').body, '{broken');
    assert.equal(withType('text/plain', '42').body, '42');
    assert.equal(withType(null, '').body, '');
  });

  it('is parsed once', () => {
    const event = withType('application/json', '{"a":1}');
    assert.equal(event.body, event.body);
  });

  it('may be changed by a handler without another destination seeing it', () => {
    const stored = storedEvent('{"a":1}');
    const one = new EventView(stored);
    one.raw.fill(0);
    (one.headers as string[])[0] = 'gone';
    const other = new EventView(stored);
    assert.equal(other.text(), '{"a":1}');
    assert.equal(other.header('content-type'), 'application/json');
  });

  it('that was purged says so when it is asked for', () => {
    assert.throws(() => new EventView(storedEvent('', { body: null })).body, { code: 'body_purged' });
  });
});

describe('an event', () => {
  it('has headers found in any case, several joined', () => {
    const event = new EventView(storedEvent('', { headers: ['X-A', '1', 'x-b', '2', 'x-a', '3'] }));
    assert.equal(event.header('x-A'), '1, 3');
    assert.equal(event.header('X-B'), '2');
    assert.equal(event.header('x-c'), null);
    assert.deepEqual(event.headers, ['X-A', '1', 'x-b', '2', 'x-a', '3']);
  });

  it('can be printed and destructured', () => {
    const event = new EventView(storedEvent({ a: 1 }));
    assert.match(inspect(event), /evt_1[^]*order\.paid[^]*a: 1/);
    assert.equal((JSON.parse(JSON.stringify(event)) as { id: string }).id, 'evt_1');
    const { id, body, receivedAt } = event;
    assert.deepEqual([id, body, receivedAt.toISOString()], ['evt_1', { a: 1 }, '2026-01-01T00:00:00.000Z']);
  });
});
