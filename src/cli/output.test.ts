import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { captured } from './fixtures/terminal.ts';
import { plain } from './output.ts';

describe('output', () => {
  test('is coloured on a terminal only', () => {
    assert.equal(captured({ isTTY: true }).out.paint('red', 'x'), '\u001b[31mx\u001b[39m');
    assert.equal(captured().out.paint('red', 'x'), 'x');
  });

  test('is not coloured when NO_COLOR is set, whatever to; an empty one is not set', () => {
    assert.equal(captured({ isTTY: true, environment: { NO_COLOR: '0' } }).out.paint('red', 'x'), 'x');
    assert.notEqual(captured({ isTTY: true, environment: { NO_COLOR: '' } }).out.paint('red', 'x'), 'x');
    assert.equal(captured({ isTTY: true, environment: { TERM: 'dumb' } }).out.paintNote('red', 'x'), 'x');
  });

  test('a table is as wide as its cells, colours not counted', () => {
    const { out, stdout } = captured();
    out.table(
      ['A', 'LONG HEAD', ''],
      [
        ['1', '\u001b[31m2\u001b[39m', 'x'],
        ['1234', '5', 'y'],
      ],
    );
    const shown = stdout().split('\n');
    assert.deepEqual(shown, ['A     LONG HEAD  ', '1     \u001b[31m2\u001b[39m          x', '1234  5          y', '']);
  });

  test('a table is cut at the edge of a terminal', () => {
    const { out, stdout } = captured({ isTTY: true });
    out.table(['A'], [['x'.repeat(200)]]);
    assert.ok(stdout().includes(`${'x'.repeat(99)}…\n`));
  });

  test('text from elsewhere cannot move the cursor, change colours or begin a line', () => {
    assert.equal(plain('a\u001b[2Jb\rc\nd\u009b31me\u0000'), 'ab c de ');
  });

  test('text from elsewhere cannot turn the direction of what stands around it, nor begin a line by other means', () => {
    for (const mark of '\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069')
      assert.equal(plain(`paid${mark}00.1`), 'paid 00.1');
    assert.equal(plain('שלום عليكم 👩\u200d💻'), 'שלום عليكم 👩\u200d💻');
  });

  test('data goes to standard output, notes to standard error', () => {
    const { out, stdout, stderr } = captured();
    out.json({ a: 1 });
    out.bytes(new Uint8Array([120]));
    out.note('read');
    assert.equal(stdout(), '{"a":1}\nx');
    assert.equal(stderr(), 'read\n');
  });
});
