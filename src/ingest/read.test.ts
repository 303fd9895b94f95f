import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Reader } from '../verify/verifier.ts';
import { compileReader, parsePath, RequestInput } from './read.ts';
import { elementSpans, Finder, type JsonPath, scalarText } from './scan.ts';

function read(reader: Reader, body: string | Uint8Array, headers: readonly string[] = []): string | null {
  const paths: JsonPath[] = [];
  const compiled = compileReader(reader, { setting: 'type', paths });
  return compiled(
    new RequestInput({ headers, query: 'q=a%20b', body: Buffer.from(body as string), finder: new Finder(paths) }),
  );
}

/** The value as `JSON.parse` and property access find it. */
function expected(body: string, path: JsonPath): unknown {
  let value: unknown = JSON.parse(body);
  for (const step of path) {
    const holds = typeof value === 'object' && value !== null && Array.isArray(value) === (typeof step === 'number');
    if (!holds || !Object.hasOwn(value as object, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

const BODY =
  '{"a":{"b":[{"c":"x"},{"c":7}]},"a.b":"dotted","t":true,"n":null,"e":"","o":{},"esc\\u0061pe":"\\u00e9\\n","ü":"ö"}';

const found: readonly [Reader, string | null][] = [
  ['body.a.b[0].c', 'x'],
  ['body.a.b[1].c', '7'],
  ['body["a.b"]', 'dotted'],
  ['body.t', 'true'],
  ['body.escape', 'é\n'],
  ['body.ü', 'ö'],
  ['body.n', null],
  ['body.e', null],
  ['body.o', null],
  ['body.a.b', null],
  ['body.a.b[2].c', null],
  ['body.a.0', null],
  ['body.toString', null],
  ['body.__proto__', null],
  ['body.a.b.length', null],
  ['=fixed', 'fixed'],
  ['body.t+=:+body.a.b[0].c', 'true:x'],
  ['body.t+=:+body.missing', null],
  ['header.X-Topic', 'orders'],
  ['header.x-none', null],
  ['query.q', 'a b'],
  ['form.f', null],
  [({ json }) => Object.keys(json as object)[0], 'a'],
  [() => undefined, null],
];
for (const [reader, value] of found) {
  test(`${String(reader) || 'nothing'} reads ${value}`, () => {
    assert.equal(read(reader, BODY, ['x-topic', 'orders']), value);
  });
}

test('a form is read where the content type says so', () => {
  const type = ['Content-Type', 'application/x-www-form-urlencoded; charset=utf-8'];
  assert.equal(read('form.Message Sid', 'Message+Sid=SM%201&x', type), 'SM 1');
  assert.equal(read('form.x', 'x=1', ['Content-Type', 'application/x-www-form-urlencodedx']), null);
});

test('numbers are read as they are written: two ids never become one', () => {
  assert.equal(read('body.id', '{"id":12345678901234567891}'), '12345678901234567891');
  assert.equal(read('body.id', '{"id":12345678901234567892}'), '12345678901234567892');
  assert.equal(read('body.id', '{"id":-0.10e+2}'), '-0.10e+2');
});

test('of a name that comes twice the last one counts, with all that is in it', () => {
  assert.equal(read('body.id', '{"id":"1","id":"2"}'), '2');
  assert.equal(read('body.a.id', '{"a":{"id":"1"},"a":{"x":1}}'), null);
  assert.equal(read('body.id', String.raw`{"id":"1","\u0069d":"2"}`), '2');
});

test('quotes and backslashes in long texts do not end them early', () => {
  for (const end of ['\\', '"', '\\"', '\\\\', '"\\']) {
    const body = JSON.stringify({
      note: `${'x'.repeat(100)}"${'y'.repeat(40)}${end}`,
      id: '1',
      after: { note: 'z'.repeat(50) + end },
    });
    assert.equal(read('body.id', body), '1');
    assert.equal(read('body.note', body), (JSON.parse(body) as { note: string }).note);
  }
});

test('what is no JSON has no values', () => {
  for (const body of [
    '',
    ' ',
    'x',
    '{',
    '{"id"',
    '{"id":',
    '{"id":"1"',
    '{"id":"1"} x',
    '{"id":"1"}{"id":"2"}',
    '{id:"1"}',
    '{"id":1x}',
    '<id/>',
  ]) {
    assert.equal(read('body.id', body), null, body);
  }
  assert.equal(read('body.id', '\ufeff {"id":"1"}\n'), '1');
});

test('long, malformed and NUL-bearing values become digests: equal stays equal, different stays different', () => {
  const digest = (text: string): string | null => read('body.id', JSON.stringify({ id: text }));
  assert.match(digest('x'.repeat(513)) ?? '', /^sha256:[0-9a-f]{64}$/);
  assert.equal(digest('x'.repeat(513)), digest('x'.repeat(513)));
  assert.notEqual(digest('x'.repeat(513)), digest('x'.repeat(514)));
  assert.match(digest('\ud800') ?? '', /^sha256:/);
  assert.notEqual(digest('\ud800'), digest('\udfff'));
  assert.match(digest('a\0b') ?? '', /^sha256:/);
});

for (const reader of [
  '',
  'boddy.id',
  'body',
  'body.',
  'body..a',
  'body[a]',
  'body.a[',
  'header.',
  'cookie.a',
  'body.a+',
]) {
  test(`'${reader}' is refused at start, and says where it stands`, () => {
    assert.throws(() => read(reader, '{}'), { code: 'config_invalid', message: /type: expected/ });
  });
}

test('paths are found as JSON.parse would find them, however the text is written', () => {
  // Not a backslash: Node 24's own JSON.parse takes the name `"` for it, once it has seen an object with such a name.
  const names = fc.constantFrom('a', 'b', 'id', 'é', 'a.b', '"', 'x\ny');
  const { value: json } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      tie('array'),
      tie('object'),
    ),
    array: fc.array(tie('value'), { maxLength: 4 }),
    object: fc.dictionary(names, tie('value'), { maxKeys: 5 }),
  }));
  const path = fc.array(fc.oneof(names, fc.integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(
      json,
      fc.array(path, { minLength: 1, maxLength: 3 }),
      fc.constantFrom(0, 2, '\t'),
      (value, paths, space) => {
        const body = JSON.stringify(value, null, space);
        const bytes = Buffer.from(body);
        const unique = [...new Map(paths.map((one) => [JSON.stringify(one), one])).values()];
        const spans = new Finder(unique).find(bytes);
        for (const [index, one] of unique.entries()) {
          const wanted = expected(body, one);
          const start = spans[index * 2] ?? -1;
          assert.equal(start >= 0, wanted !== undefined);
          if (start < 0) continue;
          const end = spans[index * 2 + 1] ?? -1;
          assert.deepEqual(JSON.parse(bytes.toString('utf8', start, end)), wanted);
          const scalar =
            typeof wanted === 'string' ? wanted : typeof wanted === 'object' ? null : JSON.stringify(wanted);
          assert.equal(scalarText(bytes, start, end), scalar);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('a name is looked at by itself: the rest of the body is not searched for each of many', () => {
  const body = JSON.stringify(Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`name${index}`, index])));
  const bytes = new (class extends Uint8Array {
    searches = 0;
    override indexOf(byte: number, from?: number): number {
      this.searches++;
      return super.indexOf(byte, from);
    }
  })(Buffer.from(body));
  const [start = -1, end = -1] = new Finder([['n'], ['name4']]).find(bytes).slice(2);
  assert.equal(Buffer.from(bytes.slice(start, end)).toString(), '4');
  assert.equal(bytes.searches, 0);
});

test('elements keep exactly their bytes', () => {
  const element = fc.oneof(
    fc.json(),
    fc.string().map((text) => JSON.stringify(text)),
  );
  fc.assert(
    fc.property(fc.array(element, { maxLength: 6 }), fc.constantFrom('', ' ', '\n\t '), (elements, blank) => {
      const bytes = Buffer.from(`${blank}[${blank}${elements.join(`${blank},${blank}`)}${blank}]${blank}`);
      const spans = elementSpans(bytes);
      const texts = elements.map((_, index) => bytes.toString('utf8', spans[index * 2], spans[index * 2 + 1]));
      assert.deepEqual([spans.length, texts], [elements.length * 2, elements]);
    }),
    { numRuns: 300 },
  );
});

test('random bytes never hang or throw', () => {
  const alphabet = fc.constantFrom(...'{}[]",:\\ 1ae\n\xff'.split(''));
  fc.assert(
    fc.property(fc.array(alphabet, { maxLength: 60 }), (characters) => {
      const bytes = Buffer.from(characters.join(''), 'latin1');
      new Finder([['a'], ['a', 0, 'e'], [1]]).find(bytes);
      elementSpans(bytes);
    }),
    { numRuns: 2000 },
  );
});

test('a path says what it expected', () => {
  assert.deepEqual(parsePath('.a[0]["b.c"].d', 'split'), ['a', 0, 'b.c', 'd']);
  assert.throws(() => parsePath('.a b[x]', 'sources.x.split'), { message: /sources\.x\.split: expected a path/ });
});
