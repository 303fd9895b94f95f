import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Draft, templateOf, unsigned, withType } from './template.ts';

const draft = (body: string, extra: Partial<Draft> = {}): Draft => ({
  contentType: 'application/json',
  headers: [],
  query: '',
  body: Buffer.from(body),
  ...extra,
});
const text = ({ body }: Draft): string => body.toString();

describe('a template', () => {
  test('puts each key where the source reads it in JSON', () => {
    const template = templateOf(draft('{"id":"a","data":{"n":1}}'), 'body.id');
    assert.equal(text(template('k1')), '{"id":"k1","data":{"n":1}}');
    assert.equal(text(template('k2')), '{"id":"k2","data":{"n":1}}');
  });

  test('makes the way to a place that is not there, through objects and indexes', () => {
    assert.equal(
      text(templateOf(draft('{"a":1}'), 'body.data.object.id')('k')),
      '{"a":1,"data":{"object":{"id":"k"}}}',
    );
    assert.equal(text(templateOf(draft('{"a":[{"id":"x"}]}'), 'body.a[0].id')('k')), '{"a":[{"id":"k"}]}');
  });

  test('keeps a number a number, each its own', () => {
    const template = templateOf(draft('{"id":42}'), 'body.id');
    const [first, second] = [JSON.parse(text(template('sim_ab_1'))), JSON.parse(text(template('sim_ab_2')))] as {
      id: number;
    }[];
    assert.ok(Number.isSafeInteger(first?.id) && Number.isSafeInteger(second?.id) && first?.id !== second?.id);
  });

  test('keeps the digits of numbers beyond 2^53', () => {
    assert.equal(
      text(templateOf(draft('{"n":12345678901234567890,"id":""}'), 'body.id')('k')),
      '{"n":12345678901234567890,"id":"k"}',
    );
  });

  test('puts it into headers, queries and forms', () => {
    assert.deepEqual(templateOf(draft('{}', { headers: ['X-Id', 'old', 'A', 'b'] }), 'header.x-id')('k').headers, [
      'A',
      'b',
      'x-id',
      'k',
    ]);
    assert.equal(templateOf(draft('{}', { query: 'a=1&id=2' }), 'query.id')('k').query, 'a=1&id=k');
    assert.equal(text(templateOf(draft('Sid=SM1&Body=a+b'), 'form.Sid')('k')), 'Sid=k&Body=a+b');
  });

  test('of several places that are joined, changes the first that can change', () => {
    assert.equal(text(templateOf(draft('{"a":"x","b":"y"}'), '=fixed+body.a+body.b')('k')), '{"a":"k","b":"y"}');
  });

  test('gives each element of a split body a key of its own', () => {
    const template = templateOf(draft('[{"id":"a"},{"id":"b"}]'), 'body.id', '');
    assert.equal(text(template('k')), '[{"id":"k"},{"id":"k-1"}]');
    const nested = templateOf(draft('{"value":[{"id":"a"},{"id":"b"}]}'), 'body.id', 'value');
    assert.equal(text(nested('k')), '{"value":[{"id":"k"},{"id":"k-1"}]}');
  });

  test('changes the id where the source does not say what it reads, and nothing where there is none', () => {
    assert.equal(text(templateOf(draft('{"id":"a"}'), () => 'x')('k')), '{"id":"k"}');
    assert.equal(text(templateOf(draft('{"a":1}'), null)('k')), '{"a":1}');
    assert.equal(text(templateOf(draft('no json'), null)('k')), 'no json');
  });

  test('a type is put where the source reads it', () => {
    const type = { name: 'a.b', split: null };
    assert.equal(text(withType(draft('{"id":"a"}'), 'body.event', type)), '{"id":"a","event":"a.b"}');
    assert.deepEqual(withType(draft('{}'), 'header.x-topic', type).headers, ['x-topic', 'a.b']);
    assert.equal(text(withType(draft('{}'), '=fixed', type)), '{}');
  });

  test('an unsigned request has content type, path and query', () => {
    const request = unsigned(draft('{}', { headers: ['a', 'b'], query: 'q=1' }), 'POST', '/in/x');
    assert.deepEqual(
      [request.method, request.url, request.headers],
      ['POST', '/in/x?q=1', ['content-type', 'application/json', 'a', 'b']],
    );
  });
});
