import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { keptSecret } from './kept-secret.ts';

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-kept-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

describe('a secret that is kept', () => {
  it('is made once, for its owner only, and leaves no draft behind', async (t) => {
    const directory = join(scratch(t), 'data');
    const file = join(directory, 'store.key');
    let made = 0;
    const make = (): string => `secret-${++made}`;
    assert.deepEqual([await keptSecret(file, make), await keptSecret(file, make)], ['secret-1', 'secret-1']);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(directory), ['store.key']);
  });

  it('is made anew where a power cut left an empty file, or a draft', async (t) => {
    const file = join(scratch(t), 'store.key');
    writeFileSync(file, '');
    writeFileSync(`${file}.new`, 'hal', { mode: 0o644 });
    assert.equal(await keptSecret(file, () => 'whole'), 'whole');
    assert.equal(readFileSync(file, 'utf8'), 'whole\n');
    assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  it('is not replaced when it is there and cannot be read', async (t) => {
    const file = join(scratch(t), 'store.key');
    mkdirSync(file);
    await assert.rejects(
      keptSecret(file, () => assert.fail('made another')),
      { code: 'EISDIR' },
    );
  });
});
