/**
 * Holds the docs to the code: the reference pages to the tables they are printed from, and every code block marked
 * `<!-- from examples/x.ts -->` to that example, or with `#name` to its part between `#region name` and `#endregion`.
 * With --write it corrects them; without, it fails where they differ.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CommandInfo, Option } from '../src/cli/command.ts';
import { commands } from '../src/cli/commands.ts';
import { exitCodes } from '../src/cli/exit.ts';
import { optionUsage, usageOf, variables } from '../src/cli/help.ts';
import { type Setting, settings } from '../src/settings.ts';
import { type ErrorEntry, errorCodes } from '../src/errors.ts';
import { queueDrivers, storeDrivers } from '../src/testing/capabilities.ts';
import { lackingFor } from '../src/testing/conformance/harness.ts';
import { storeConformance } from '../src/testing/conformance/index.ts';
import { queueLackingFor } from '../src/testing/queues/harness.ts';
import { queueConformance } from '../src/testing/queues/index.ts';
import { providerPages } from './provider-docs.ts';
import { conformanceMatrix, type MatrixCell } from '../src/testing/conformance/matrix.ts';

const root = join(import.meta.dirname, '..');
const read = (path: string): string | null =>
  existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : null;

const note = '<!-- Printed from the code by `npm run docs`; do not edit. -->';

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

const code = (text: string): string => (text === '' ? 'empty' : `\`${text}\``);

function configurationPage(): string {
  const rows = Object.entries<Setting>(settings).map(([name, setting]) => [
    code(name),
    code(setting.env),
    setting.type,
    setting.secret === true ? 'none; never shown' : setting.default === null ? 'none' : code(setting.default),
    setting.about,
  ]);
  return `${note}

# Configuration

Every setting can be given in the config file by its name or in the environment by its variable; the environment wins.
An unknown name in the config is an error; one in the environment is not looked at, but \`start\` and \`doctor\` say so of one that is named nearly as a setting's. A duration is written like \`500ms\`, \`5s\`, \`7d\`, a bare number is milliseconds; bytes like \`16KiB\`, \`1MiB\`; a list with commas.

${table(['setting', 'variable', 'type', 'default', 'what it means'], rows)}
`;
}

function errorsPage(): string {
  const rows = Object.entries<ErrorEntry>(errorCodes).map(([name, error]) => [
    code(name),
    String(error.status),
    error.retryable ? 'yes' : 'no',
    error.message,
    error.action,
  ]);
  return `${note}

# Errors

Tell errors apart by code, never by message: a code never changes its meaning. The API answers them as problem+json.
Retryable means that the same request can succeed later.

${table(['code', 'status', 'retryable', 'message', 'what to do'], rows)}
`;
}

function cliPage(): string {
  const exits = Object.values(exitCodes).map(({ code: number, about }) => [String(number), about]);
  return `${note}

# Command line

\`npx holdfast COMMAND\`. What is asked for goes to standard output, what is said about it to standard error. Commands that
read take \`--json\`: one JSON value a line. They find the gateway of the config in the folder or above, or of the playground;
where none runs they read its store themselves, except where what they do needs a gateway.

${table(
  ['command', 'what it does'],
  commands.map(({ name, summary }) => [`[\`${name}\`](#${name})`, summary]),
)}

## Exit codes

${table(['code', 'meaning'], exits)}

## Variables

Besides those of the [settings](configuration.md):

${table(
  ['variable', 'meaning'],
  Object.entries(variables).map(([name, about]) => [code(name), about]),
)}

${commands.map(commandSection).join('\n\n')}
`;
}

function commandSection(command: CommandInfo): string {
  const positionals = (command.positionals ?? []).map(({ name, about }) => [code(name), '', about]);
  const options = Object.entries<Option>(command.options).map(([name, option]) => [
    code(optionUsage(name, option)),
    option.default === undefined ? '' : code(String(option.default)),
    option.about,
  ]);
  const rows = [...positionals, ...options];
  return [
    `## ${command.name}`,
    command.summary + (command.details === undefined ? '' : ` ${command.details}`),
    `\`${usageOf(command)}\``,
    ...(rows.length === 0 ? [] : [table(['argument or option', 'default', 'what it means'], rows)]),
    ['```sh', ...command.examples, '```'].join('\n'),
  ].join('\n\n');
}

/** What a marker names: a whole example, or one region of it. */
function excerpt(path: string, region: string | undefined): string {
  const text = read(path);
  if (text === null) return `// ${path} does not exist`;
  if (region === undefined) return text.trimEnd();
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.trim() === `// #region ${region}`);
  const end = lines.findIndex((line, index) => index > start && line.trim().startsWith('// #endregion'));
  return start < 0 || end < 0 ? `// ${path} has no region ${region}` : lines.slice(start + 1, end).join('\n');
}

/** Promise × operation × condition: how many cases of the store's conformance suite prove it, or why none. */
function conformancePage(): string {
  const cells = conformanceMatrix(storeConformance);
  const columns = [...new Set(cells.map(({ condition }) => condition))];
  const rows = Map.groupBy(cells, ({ promise, operation }) => `| ${promise} | ${operation} |`);
  const reasons = [...new Set(cells.flatMap((cell) => cell.reasons))];
  const shown = (cell: MatrixCell): string =>
    cell.cases.length > 0
      ? String(cell.cases.length)
      : `[${cell.reasons.map((reason) => reasons.indexOf(reason) + 1).join(', ')}]`;
  return [
    '# What the conformance suite covers',
    '',
    '<!-- Printed by `npm run docs` from src/testing/conformance. Do not edit. -->',
    '',
    `${storeConformance.length} cases run unchanged against every store. A number counts the cases of a cell; a number in brackets`,
    'is the reason why there can be none.',
    '',
    `| promise | operation | ${columns.join(' | ')} |`,
    `| --- | --- | ${columns.map(() => '---').join(' | ')} |`,
    ...[...rows].map(([head, row]) => `${head} ${row.map(shown).join(' | ')} |`),
    '',
    ...reasons.map((reason, index) => `${index + 1}. ${reason}`),
    '',
    '## What each store can do',
    '',
    ...capabilities(storeDrivers, storeConformance.length, (can) =>
      storeConformance.filter((item) => lackingFor(item, can).length > 0),
    ),
    '',
    '## What each queue can do',
    '',
    `${queueConformance.length} cases run unchanged against every queue.`,
    '',
    ...capabilities(queueDrivers, queueConformance.length, (can) =>
      queueConformance.filter((item) => queueLackingFor(item, can).length > 0),
    ),
    '',
  ].join('\n');
}

/** A table of drivers, and below it what each declines of the suite, by name. */
function capabilities<Can extends object>(
  drivers: Readonly<Record<string, Can>>,
  count: number,
  declined: (can: Can) => readonly { readonly name: string }[],
): readonly string[] {
  const names = Object.keys(Object.values(drivers)[0] ?? {}).toSorted() as (keyof Can)[];
  const cell = (value: unknown): string => (value === true ? 'yes' : value === false ? 'no' : String(value));
  const rows = Object.entries(drivers).map(([driver, can]) => [
    code(driver),
    ...names.map((name) => cell(can[name])),
    `${count - declined(can).length} of ${count}`,
  ]);
  const notes = Object.entries(drivers).flatMap(([driver, can]) => {
    const cases = declined(can).map(({ name }) => `“${name}”`);
    return cases.length === 0 ? [] : [`- ${code(driver)} declines: ${cases.join('; ')}`];
  });
  return [table(['driver', ...names.map((name) => code(String(name))), 'cases run'], rows), '', ...notes];
}

const block = /(<!-- from ([^\s#]+)(?:#(\S+))? -->\n+```\w*\n)((?:(?!```)[\s\S])*)```/g;

function withExamples(text: string): string {
  return text.replaceAll(
    block,
    (...[, head, path, region]: string[]) => `${head}${excerpt(path ?? '', region)}\n\`\`\``,
  );
}

const list = ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'];
const pages = execFileSync('git', list, { cwd: root, encoding: 'utf8' }).trim().split('\n');
const expected = new Map<string, string>();
for (const page of pages) {
  const text = read(page);
  if (text !== null) expected.set(page, withExamples(text));
}
expected.set('docs/reference/configuration.md', configurationPage());
expected.set('docs/reference/errors.md', errorsPage());
expected.set('docs/reference/cli.md', cliPage());
expected.set('docs/reference/conformance.md', conformancePage());
for (const [page, text] of providerPages()) expected.set(page, text);

const different = [...expected].filter(([page, text]) => read(page) !== text);
for (const [page, text] of different) {
  if (process.argv.includes('--write')) {
    mkdirSync(dirname(join(root, page)), { recursive: true });
    writeFileSync(join(root, page), text);
  } else {
    console.error(`${page} differs from the code: run \`npm run docs\``);
    process.exitCode = 1;
  }
}
