/** From a command line to a command's options, by the command's own table. */
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { parseDuration } from '../core/duration.ts';
import { didYouMean } from '../core/suggest.ts';
import type { CommandInfo, Option, Options } from './command.ts';
import { UsageError } from './exit.ts';

export interface Parsed {
  readonly options: Readonly<Record<string, unknown>>;
  readonly positionals: readonly string[];
  readonly help: boolean;
}

/**
 * Reads the arguments after a command's name.
 * @throws UsageError when an option or value does not fit, with the nearest name where there is one
 */
export function parseCommand(command: CommandInfo, args: readonly string[], now: number): Parsed {
  const tokens = tokenise(command, args);
  const given = new Map<string, string[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const option = optionOf(command, token);
    const value = option.type === 'flag' ? flagValue(token) : textValue(token, option);
    given.set(token.name, [...(given.get(token.name) ?? []), value]);
  }
  const help = given.has('help');
  if (!help) checkPositionals(command, positionals);
  const options = Object.entries(command.options).map(([name, option]) => [
    name,
    readOption({ name, option, now }, given.get(name) ?? []),
  ]);
  return { options: Object.fromEntries(options) as Record<string, unknown>, positionals, help };
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
}

const helpOption: Option = {
  type: 'flag',
  short: 'h',
  about: 'Says what the command does and which options it takes.',
};

function tokenise(command: CommandInfo, args: readonly string[]) {
  const config: ParseArgsOptionsConfig = {};
  for (const [name, option] of Object.entries<Option>({ ...command.options, help: helpOption })) {
    config[name] = {
      type: option.type === 'flag' ? 'boolean' : 'string',
      multiple: true,
      ...(option.short !== undefined && { short: option.short }),
    };
  }
  return parseArgs({ args: [...args], options: config, strict: false, allowPositionals: true, tokens: true }).tokens;
}

function optionOf(command: CommandInfo, token: OptionToken): Option {
  if (token.name === 'help') return helpOption;
  const options: Options = command.options;
  const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
  if (option !== undefined) return option;
  const hint = didYouMean(token.name, [...Object.keys(options), 'help']).replace(/'(.*)'/, "'--$1'");
  throw new UsageError(`'${command.name}' has no option '${token.rawName}'.${hint}`);
}

function flagValue(token: OptionToken): string {
  if (token.value === undefined) return 'true';
  throw new UsageError(`${token.rawName} takes no value.`);
}

function textValue(token: OptionToken, option: Option): string {
  if (token.value !== undefined) return token.value;
  throw new UsageError(`${token.rawName} needs a value: ${token.rawName} ${valueName(option)}.`);
}

/** What the value of an option is called. */
export function valueName(option: Option): string {
  const names = { flag: '', text: 'TEXT', integer: 'N', number: 'N', duration: 'DURATION', time: 'TIME' };
  return option.value ?? names[option.type];
}

function checkPositionals(command: CommandInfo, given: readonly string[]): void {
  const positionals = command.positionals ?? [];
  const missing = positionals.filter((positional) => positional.optional !== true)[given.length];
  if (missing !== undefined) throw new UsageError(`'${command.name}' needs ${missing.name}: ${missing.about}`);
  const last = positionals.at(-1);
  if (last?.name.endsWith('…') === true || given.length <= positionals.length) return;
  throw new UsageError(`'${command.name}' does not know what to do with '${given[positionals.length] ?? ''}'.`);
}

interface Reading {
  readonly name: string;
  readonly option: Option;
  readonly now: number;
}

function readOption(reading: Reading, given: readonly string[]): unknown {
  const { name, option } = reading;
  if (option.type === 'flag') return given.length > 0;
  if (option.many === true) return given.map((text) => readValue(reading, text));
  if (given.length > 1) throw new UsageError(`--${name} is given twice.`);
  const [text] = given;
  return text === undefined ? option.default : readValue(reading, text);
}

function readValue({ name, option, now }: Reading, text: string): string | number {
  if (option.type === 'text') {
    if (text !== '') return text;
    throw new UsageError(`--${name} is empty.`);
  }
  const value = readNumber(option.type, text, now);
  const min = option.min ?? 0;
  if (value !== null && value >= min) return value;
  throw new UsageError(`--${name}: expected ${expected(option)}, got '${text}'.`);
}

function readNumber(type: Option['type'], text: string, now: number): number | null {
  switch (type) {
    case 'integer':
      return /^\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : null;
    case 'number':
      return /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : null;
    case 'duration':
      return parseDuration(text);
    case 'time':
      return readTime(text, now);
    default:
      return null;
  }
}

/** A point in time, or how long ago. Milliseconds since 1970. */
function readTime(text: string, now: number): number | null {
  const ago = parseDuration(text);
  if (ago !== null) return now - ago;
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? null : time;
}

function expected(option: Option): string {
  const from = option.min === undefined || option.min === 0 ? '' : ` from ${option.min}`;
  switch (option.type) {
    case 'integer':
      return `a whole number${from}`;
    case 'number':
      return `a number${from}`;
    case 'duration':
      return "a duration such as '5s' or '1h'";
    default:
      return "a time such as '2026-01-31T12:00Z', or how long ago: '1h'";
  }
}
