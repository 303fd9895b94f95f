/** `--help`, from the table of commands. */
import type { CommandInfo, Option } from './command.ts';
import { exitCodes } from './exit.ts';
import { valueName } from './parse.ts';

/** Variables that commands read besides the settings of docs/reference/configuration.md. */
export const variables: Readonly<Record<string, string>> = {
  HOLDFAST_URL: 'Address of the admin API, where --url is not given.',
  HOLDFAST_ADMIN_TOKEN: 'The admin token, where there is no token file beside the store.',
  NO_COLOR: 'When set, nothing is coloured.',
};

/** The whole program. */
export function programHelp(commands: readonly CommandInfo[]): string {
  return [
    'Holdfast: receives webhooks, proves who sent them, and gets every one processed.',
    '',
    'Usage: holdfast COMMAND [options]',
    '',
    'Commands:',
    ...columns(commands.map((command) => [command.name, command.summary])),
    '',
    'Variables:',
    ...columns(Object.entries(variables)),
    '',
    'Exit codes:',
    ...columns(Object.values(exitCodes).map(({ code, about }) => [String(code), about])),
    '',
    'holdfast COMMAND --help says more about each.',
  ].join('\n');
}

/** One command. */
export function commandHelp(command: CommandInfo): string {
  const positionals = command.positionals ?? [];
  return [
    command.summary,
    ...(command.details === undefined ? [] : ['', command.details]),
    '',
    `Usage: ${usageOf(command)}`,
    ...(positionals.length === 0
      ? []
      : ['', 'Arguments:', ...columns(positionals.map(({ name, about }) => [name, about]))]),
    '',
    'Options:',
    ...columns([
      ...Object.entries<Option>(command.options).map(
        ([name, option]) => [optionUsage(name, option), optionAbout(option)] as const,
      ),
      ['-h, --help', 'Says this.'],
    ]),
    '',
    'Examples:',
    ...command.examples.map((example) => `  ${example}`),
  ].join('\n');
}

/** `holdfast show ID [options]`. */
export function usageOf(command: CommandInfo): string {
  const names = (command.positionals ?? []).map(({ name, optional }) => (optional === true ? `[${name}]` : name));
  return ['holdfast', command.name, ...names, '[options]'].join(' ');
}

/** `-c, --config FILE`. */
export function optionUsage(name: string, option: Option): string {
  const short = option.short === undefined ? '' : `-${option.short}, `;
  const value = valueName(option);
  return `${short}--${name}${value === '' ? '' : ` ${value}`}`;
}

function optionAbout(option: Option): string {
  return option.default === undefined ? option.about : `${option.about} Default ${option.default}.`;
}

const LINE = 110;

/** Two columns; the second is broken between words. */
function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(28, Math.max(...rows.map(([left]) => left.length)));
  return rows.flatMap(([left, right]) => {
    const [first = '', ...more] = wrap(right, LINE - width - 4);
    const indent = ' '.repeat(width + 4);
    const head = left.length > width ? [`  ${left}`, indent + first] : [`  ${left.padEnd(width)}  ${first}`];
    return [...head, ...more.map((line) => indent + line)];
  });
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > width) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return [...lines, line];
}
