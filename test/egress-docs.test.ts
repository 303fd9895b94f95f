/** The pages about the way out say what the code says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { egressCodes } from '../src/deliver/egress/codes.ts';
import { specialRanges } from '../src/deliver/egress/ranges.ts';
import { Rules } from '../src/deliver/egress/rules.ts';

const page = readFileSync(join(import.meta.dirname, '..', 'docs', 'operate', 'egress.md'), 'utf8');

/** Rows of the table with this head, as cells. */
function tableOf(head: string): string[][] {
  const [, rest = assert.fail(`no table ${head}`)] = page.split(`${head}\n`);
  const rows = rest.split('\n\n')[0]?.split('\n').slice(1) ?? [];
  return rows.map((row) => row.slice(2, -2).split(' | '));
}

test('the page lists every range that is refused, with its source', () => {
  const rows = specialRanges.map(({ range, name, source }) => [`\`${range}\``, name, source]);
  assert.deepEqual(tableOf('| range | what it is | source |'), rows);
});

test('the page lists every code', () => {
  const rows = Object.entries(egressCodes).map(([code, meaning]) => [`\`${code}\``, meaning]);
  assert.deepEqual(tableOf('| code | what it means |'), rows);
});

test('the page names the endings of names that are refused, and ports', () => {
  const rules = new Rules({});
  const list = /those that end in ([^.]+(?:`home\.arpa`)[^.]+)\./.exec(page.replaceAll('\n', ' '))?.[1] ?? '';
  const endings = [...list.matchAll(/`([^`]+)`/g)].map(([, ending]) => ending);
  assert.equal(endings.length, 13);
  for (const ending of endings) assert.ok('code' in rules.inspect(`https://a.${ending}/`), ending);
  for (const port of /control ports \(([^)]+), …/.exec(page)?.[1]?.split(', ') ?? [])
    assert.ok('code' in rules.inspect(`https://example.com:${port}/`), port);
});
