/** The pages of the providers and the table in the code are one. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { providerPages } from '../scripts/provider-docs.ts';
import * as verify from '../src/verify/index.ts';

const root = join(import.meta.dirname, '..');
const pages = providerPages();

test('docs/providers holds exactly the pages of the table', () => {
  const names = readdirSync(join(root, 'docs/providers')).map((name) => `docs/providers/${name}`);
  assert.deepEqual(names.toSorted(), [...pages.keys()].toSorted());
  for (const [path, text] of pages) {
    assert.equal(readFileSync(join(root, path), 'utf8'), text, `${path}: run \`npm run docs\``);
  }
});

test('every provider has a page with everything a user must know, and is a function of holdfast/verify', () => {
  for (const { key, factory, page, defaults, notProtected, variables } of verify.providers) {
    const text = pages.get(`docs/providers/${key}.md`) ?? assert.fail(key);
    assert.equal(typeof Reflect.get(verify, factory), 'function', factory);
    for (const part of [
      page.setUp,
      page.verified,
      page.retries,
      page.source,
      notProtected,
      ...Object.values(variables),
    ]) {
      assert.ok(text.includes(part), `${key}: ${part}`);
    }
    for (const setting of ['type', 'dedupeKey', 'orderKey', 'tenant'] as const) {
      const described = page.keys?.[setting] !== undefined;
      assert.equal(
        described,
        typeof defaults[setting] === 'function',
        `${key}: ${setting} needs words when it is a function`,
      );
    }
    const sentences = [page.setUp, page.verified, page.retries, notProtected, page.differs, page.handshake, page.note];
    for (const sentence of sentences) assert.match(sentence ?? 'None.', /^.+[.:]$/s, `${key}: ${sentence}`);
  }
});
