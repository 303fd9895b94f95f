import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CommandInfo } from './command.ts';
import { commands } from './commands.ts';
import { UsageError } from './exit.ts';
import { parseCommand } from './parse.ts';

const NOW = 1_767_225_600_000;

const command = {
  name: 'fetch',
  summary: 'Fetches.',
  positionals: [{ name: 'THING', about: 'What to fetch.' }],
  options: {
    fast: { type: 'flag', short: 'f', about: 'Faster.' },
    limit: { type: 'integer', short: 'n', min: 1, default: 20, about: 'Most.' },
    rate: { type: 'number', about: 'Per second.' },
    since: { type: 'time', about: 'Since.' },
    wait: { type: 'duration', about: 'How long.' },
    id: { type: 'text', many: true, about: 'Ids.' },
    source: { type: 'text', value: 'NAME', about: 'Source.' },
  },
  examples: [],
} as const satisfies CommandInfo;

const parse = (...args: string[]) => parseCommand(command, args, NOW);
const options = (...args: string[]) => parse('x', ...args).options;

describe('parsing a command line', () => {
  test('options that are not given have their defaults', () => {
    assert.deepEqual(options(), {
      fast: false,
      limit: 20,
      rate: undefined,
      since: undefined,
      wait: undefined,
      id: [],
      source: undefined,
    });
  });

  test('values are read by their types', () => {
    const read = options('-f', '--limit=3', '--rate', '0.5', '--wait', '5s', '--id', 'a', '--id=b', '--source', 's');
    assert.deepEqual(read, {
      fast: true,
      limit: 3,
      rate: 0.5,
      since: undefined,
      wait: 5000,
      id: ['a', 'b'],
      source: 's',
    });
  });

  test('a time is a moment or so long ago', () => {
    assert.equal(options('--since', '2026-01-01T00:00:00Z')['since'], NOW);
    assert.equal(options('--since', '1h')['since'], NOW - 3_600_000);
  });

  test('what follows -- is no option', () => {
    assert.deepEqual(parse('--', '--fast').positionals, ['--fast']);
  });

  const refused: [string, string[], RegExp][] = [
    [
      'an unknown option, with the nearest one',
      ['x', '--limt', '3'],
      /'fetch' has no option '--limt'\. Did you mean '--limit'\?/,
    ],
    ['an unknown short option', ['x', '-z'], /no option '-z'/],
    ['a flag with a value', ['x', '--fast=yes'], /--fast takes no value/],
    ['an option without its value', ['x', '--source'], /--source needs a value: --source NAME/],
    ['an empty value', ['x', '--source='], /--source is empty/],
    ['a number that is none', ['x', '--limit', 'many'], /--limit: expected a whole number from 1, got 'many'/],
    ['a number that is too small', ['x', '--limit', '0'], /expected a whole number from 1/],
    ['a time that is none', ['x', '--since', 'yesterday'], /--since: expected a time such as/],
    ['an option given twice', ['x', '--limit', '1', '--limit', '2'], /--limit is given twice/],
    ['a missing argument', [], /'fetch' needs THING: What to fetch/],
    ['an argument too many', ['x', 'y'], /does not know what to do with 'y'/],
    ['names that every object has', ['x', '--constructor'], /no option '--constructor'/],
  ];
  for (const [what, args, message] of refused) {
    test(`refuses ${what}`, () => {
      assert.throws(
        () => parse(...args),
        (error) => error instanceof UsageError && message.test(error.message),
      );
    });
  }

  test('--help needs no arguments', () => {
    assert.equal(parse('--help').help, true);
    assert.equal(parse('-h').help, true);
  });
});

describe('the table of commands', () => {
  for (const one of commands) {
    test(`${one.name}: sentences, short names told apart, examples that parse`, () => {
      assert.match(one.summary, /^[A-Z].*\.$/);
      const shorts = Object.values(one.options).flatMap(({ short }) => (short === undefined ? [] : [short]));
      assert.equal(new Set([...shorts, 'h']).size, shorts.length + 1);
      for (const [name, option] of Object.entries(one.options)) {
        assert.match(option.about, /^[A-Z-].*\.$/s, name);
        assert.ok(option.type !== 'flag' || option.default === undefined, name);
      }
      assert.ok(one.examples.length > 0);
      for (const example of one.examples) {
        const [program, name, ...args] = (example.split(' > ')[0] ?? '').match(/'[^']*'|\S+/g) ?? [];
        assert.deepEqual([program, commands.some((other) => other.name === name)], ['holdfast', true]);
        const other = commands.find((listed) => listed.name === name) ?? one;
        assert.doesNotThrow(() => parseCommand(other, args, NOW), example);
      }
    });
  }
});
