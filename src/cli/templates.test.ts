import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { initFiles } from './templates.ts';

const quickstart = join(import.meta.dirname, '..', '..', 'examples', 'quickstart');

for (const [path, text] of Object.entries(initFiles)) {
  test(`init writes what examples/quickstart/${path} is, which types and lint are checked of`, () => {
    assert.equal(text, readFileSync(join(quickstart, path), 'utf8'));
  });
}
