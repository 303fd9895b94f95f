import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { captured } from './fixtures/terminal.ts';
import { firstLine, inWords, Story } from './story.ts';

const AT = Date.UTC(2026, 0, 1);
const event = { eventId: 'evt_1', source: 'demo', type: 'order.paid' };

describe('the story', () => {
  test('each occurrence is one line in words', () => {
    const line = (kind: string, fields: object): string => {
      const { word, text } = inWords({ kind: kind as 'note', at: AT, ...fields });
      return `${word}: ${text}`;
    };
    assert.equal(line('accepted', { ...event, owed: 1 }), 'accepted: order.paid from demo  evt_1');
    assert.equal(
      line('accepted', { ...event, owed: 0 }),
      'accepted: order.paid from demo  evt_1  (no destination matched)',
    );
    assert.equal(
      line('duplicate', { source: 'demo', eventId: 'evt_1', differs: true }),
      'duplicate: demo sent evt_1 again, with another body',
    );
    const failed = {
      ...event,
      destination: 'd',
      number: 1,
      outcome: 'failed',
      durationMs: 3,
      error: 'Error: no\n    at x',
    };
    assert.equal(line('attempt', failed), 'failed: order.paid at d, attempt 1, 3 ms: Error: no  evt_1');
    assert.equal(
      line('dead', { ...event, destination: 'd', reason: 'exhausted' }),
      'dead: order.paid from demo at d: exhausted  evt_1',
    );
    assert.equal(
      line('rejected', { source: 'demo', reason: 'signature_mismatch' }),
      'rejected: a request to demo: signature_mismatch',
    );
    assert.equal(line('note', { level: 'warn', message: 'paused' }), 'warn: paused');
  });

  test('what an event says cannot move the cursor', () => {
    assert.ok(!inWords({ kind: 'accepted', at: AT, ...event, type: 'a\u001b[2J\r' }).text.includes('\u001b'));
  });

  test('what comes too fast is counted, what is out of the ordinary is still told', () => {
    const { out, stdout } = captured();
    const story = new Story(out);
    for (let index = 0; index < 100; index++) story.tell({ kind: 'accepted', at: AT + index, ...event, owed: 1 });
    story.tell({ kind: 'dead', at: AT + 200, ...event, destination: 'd', reason: 'exhausted' });
    story.flush();
    const lines = stdout().trimEnd().split('\n');
    assert.equal(lines.length, 14);
    assert.match(lines[12] ?? '', /dead/);
    assert.match(lines[13] ?? '', /and 88 accepted more/);
  });

  test('the next second begins with what was left out', () => {
    const { out, stdout } = captured();
    const story = new Story(out);
    for (let index = 0; index < 13; index++) story.tell({ kind: 'accepted', at: AT, ...event, owed: 1 });
    story.tell({ kind: 'accepted', at: AT + 1000, ...event, owed: 1 });
    assert.match(stdout(), /and 1 accepted more\n.* accepted .*\n$/);
  });

  test('an error is its first line', () => {
    assert.equal(firstLine('Error: x\n    at y'), 'Error: x');
    assert.equal(firstLine('x'.repeat(500)).length, 120);
  });
});
