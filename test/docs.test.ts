/** The pages say what the code says: states, reasons, names of settings, metrics, commands and files, and no link leads nowhere. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, test } from 'node:test';
import { commands } from '../src/cli/commands.ts';
import { variables } from '../src/cli/help.ts';
import { settings } from '../src/settings.ts';
import { deadReasons, openStates, transitions } from '../src/core/delivery.ts';
import { errorCodes } from '../src/errors.ts';
import { sourceOptions } from '../src/ingest/source.ts';
import { metricTable } from '../src/observe/metrics.ts';

const root = join(import.meta.dirname, '..');
const listing = ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'];
const pages = execFileSync('git', listing, { cwd: root, encoding: 'utf8' })
  .trim()
  .split('\n')
  .filter((page) => existsSync(join(root, page)));
const textOf = (page: string): string => readFileSync(join(root, page), 'utf8');

/** Rows of the table whose head begins with this cell, without head and rule. */
function tableOf(text: string, firstHead: string): string[][] {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${firstHead} |`));
  assert.ok(start >= 0, `no table '${firstHead}'`);
  const rows = lines.slice(start + 2);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end < 0 ? undefined : end).map((row) => row.slice(2, -2).split(' | '));
}

const codesIn = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);

describe('docs/lifecycle.md', () => {
  const text = textOf('docs/lifecycle.md');
  const states = new Set(Object.values(transitions).flatMap(({ from, to }) => [...from, ...to]));

  test('has the table of transitions of the code, operation by operation', () => {
    const written = tableOf(text, 'operation').map(([operation, from, to]) => [
      codesIn(operation)[0],
      { from: codesIn(from), to: codesIn(to) },
    ]);
    assert.deepEqual(Object.fromEntries(written), transitions);
  });

  test('draws exactly these transitions', () => {
    const drawn = [...text.matchAll(/^ {2}(\w+) --> (\w+): ([a-z, ]+)$/gm)].flatMap(([, from, to, operations = '']) =>
      operations.split(', ').map((operation) => `${operation}: ${from} to ${to}`),
    );
    const inCode = Object.entries(transitions).flatMap(([operation, { from, to }]) =>
      from.flatMap((one) => to.map((other) => `${operation}: ${one} to ${other}`)),
    );
    assert.deepEqual(drawn.toSorted(), inCode.toSorted());
  });

  test('explains every state, and says which are open', () => {
    const rows = tableOf(text, 'state');
    assert.deepEqual(new Set(rows.map(([state]) => codesIn(state)[0])), states);
    const open = rows.filter(([, meaning = '']) => meaning.startsWith('open: ')).map(([state]) => codesIn(state)[0]);
    assert.deepEqual(open, openStates);
  });

  test('has every reason of a dead letter, in the words of the code', () => {
    const rows = tableOf(text, 'reason').map(([reason, meaning]) => [codesIn(reason)[0], meaning]);
    assert.deepEqual(Object.fromEntries(rows), deadReasons);
  });
});

describe('docs/sources.md', () => {
  test('has every option of a source, and no other', () => {
    const rows = tableOf(textOf('docs/sources.md'), 'option').map(([option]) => codesIn(option)[0] ?? '');
    assert.deepEqual(rows.toSorted(), Object.keys(sourceOptions).toSorted());
  });
});

describe('links', () => {
  for (const page of pages) {
    test(`of ${page} lead somewhere`, () => {
      const lost = linksOf(textOf(page)).filter((link) => !leadsSomewhere(page, link));
      assert.deepEqual(lost, []);
    });
  }

  test('are checked: one to nowhere is found', () => {
    for (const link of ['no-such-file.md', 'docs/lifecycle.md#no-such-heading', '#no-such-heading']) {
      assert.equal(leadsSomewhere('README.md', link), false, link);
    }
  });
});

/** Targets of links in the prose: code is not looked at. */
function linksOf(text: string): string[] {
  const prose = text
    .replaceAll(/^```[\s\S]*?^```$/gm, '')
    .replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()]/g, ' '));
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target));
}

function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : normalize(join(dirname(page), path));
  if (!existsSync(join(root, target))) return false;
  return anchor === undefined || headingsOf(textOf(target)).has(anchor);
}

/** As GitHub makes anchors of headings. */
function headingsOf(text: string): Set<string> {
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, '');
  return new Set(
    [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

describe('what the pages name', () => {
  /** Pages that are not printed from the tables themselves. */
  const written = pages.filter((page) => !page.startsWith('docs/reference/') && page !== 'CHANGELOG.md');
  const text = written.map(textOf).join('\n');
  const found = (pattern: RegExp): string[] => [...new Set([...text.matchAll(pattern)].map(([, name = '']) => name))];

  test('is there: files', () => {
    const files = found(/`((?:src|test|docs|examples|scripts|bench|bin|\.ci)\/[\w./-]+)(?:#\w+)?`/g);
    assert.ok(files.length > 5);
    const lost = files.filter((file) => !existsSync(join(root, file)));
    assert.deepEqual(lost, []);
  });

  test('is there: variables', () => {
    const known = new Set([
      ...Object.values(settings).map(({ env }) => env),
      ...Object.keys(variables),
      'HOLDFAST_REQUIRE',
    ]);
    const unknown = found(/\b(HOLDFAST_[A-Z_]+)\b/g).filter((name) => !known.has(name));
    assert.deepEqual(unknown, []);
  });

  test('is there: metrics', () => {
    const unknown = found(/\b(webhook_[a-z_]+)\b/g).filter((name) => !Object.hasOwn(metricTable, name));
    assert.deepEqual(unknown, []);
  });

  test('is there: commands', () => {
    const known = new Set(commands.map(({ name }) => name));
    const unknown = found(/(?:`|^|npx )holdfast ([a-z][a-z-]+)/gm).filter((name) => !known.has(name));
    assert.deepEqual(unknown, []);
  });

  test('is there: error codes of refusals', () => {
    const codes = found(/\b(?:40\d|41\d|429|431|503) `([a-z_]+)`/g);
    assert.ok(codes.length > 5);
    assert.deepEqual(
      codes.filter((code) => !Object.hasOwn(errorCodes, code)),
      [],
    );
  });
});
