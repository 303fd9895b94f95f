/**
 * What a command is: data, from which come parsing, `--help` and docs/reference/cli.md, and a function to run.
 * Every command is one file in `commands/`, made with {@link defineCommand}.
 */
import type { Environment } from '../ingest/source.ts';
import type { Output } from './output.ts';

/**
 * How an option's text is read. `flag`: no value. `duration`: `5s`. `time`: a time (`2026-01-31T12:00Z`) or how long
 * ago (`1h`); gives milliseconds since 1970.
 */
export type OptionType = 'flag' | 'text' | 'integer' | 'number' | 'duration' | 'time';

export interface Option {
  readonly type: OptionType;
  readonly short?: string;
  /** What its value is called in the help: `FILE`. */
  readonly value?: string;
  /** Only for options with a value. */
  readonly default?: string | number;
  /** Smallest value, for numbers. */
  readonly min?: number;
  /** May be given several times. */
  readonly many?: true;
  /** One sentence. */
  readonly about: string;
}

export type Options = Readonly<Record<string, Option>>;

type Single<Given extends Option> = Given['type'] extends 'text' ? string : number;

export type OptionValue<Given extends Option> = Given['type'] extends 'flag'
  ? boolean
  : Given extends { readonly many: true }
    ? readonly Single<Given>[]
    : Given extends { readonly default: string | number }
      ? Single<Given>
      : Single<Given> | undefined;

export type OptionValues<Given extends Options> = { readonly [Name in keyof Given]: OptionValue<Given[Name]> };

/** Where a command runs: given by `main.ts`, or by a test. */
export interface Surroundings {
  readonly out: Output;
  readonly environment: Environment;
  /** Names of its variables. */
  readonly variables: readonly string[];
  readonly cwd: string;
  /** Aborts at Ctrl-C from now on, instead of ending the process. `start` handles signals itself. */
  readonly interruptible: () => AbortSignal;
  /** Asks a question on the terminal; `null` when there is nobody to ask. */
  readonly ask: (question: string) => Promise<string | null>;
}

export interface Invocation<Given extends Options> extends Surroundings {
  readonly options: OptionValues<Given>;
  readonly positionals: readonly string[];
}

/** A positional argument, as the help shows it. */
export interface Positional {
  readonly name: string;
  readonly optional?: true;
  readonly about: string;
}

/** A command as help, docs and parser see it. */
export interface CommandInfo {
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  /** More, for `holdfast help NAME` and the reference page. */
  readonly details?: string;
  readonly positionals?: readonly Positional[];
  readonly options: Options;
  readonly examples: readonly string[];
}

export interface Command extends CommandInfo {
  /** Runs it and answers the exit code. Throws HoldfastError or UsageError. */
  run(invocation: Invocation<Options>): Promise<number>;
}

/** Makes a command whose `run` knows the types of its options. */
export function defineCommand<const Given extends Options>(
  command: CommandInfo & { readonly options: Given; run(invocation: Invocation<Given>): Promise<number> },
): Command {
  return command;
}

/** `--json` of every reading command. */
export const jsonOption = { type: 'flag', about: 'Prints JSON for programs instead of text for people.' } as const;

/** How commands find the gateway or, where none runs, its store. */
export const gatewayOptions = {
  url: {
    type: 'text',
    value: 'URL',
    about: 'Address of the admin API; default HOLDFAST_URL, else what the gateway wrote beside its store.',
  },
  'token-file': {
    type: 'text',
    value: 'FILE',
    about: 'File with the admin token; default HOLDFAST_ADMIN_TOKEN, else the file beside the store.',
  },
  config: {
    type: 'text',
    short: 'c',
    value: 'FILE',
    about: 'The config file; default holdfast.config.ts, .js or .mjs here or in a folder above.',
  },
} as const satisfies Options;

/** Which events or deliveries a command is about. */
export const filterOptions = {
  source: { type: 'text', short: 's', value: 'NAME', about: 'Only what came from this source.' },
  type: { type: 'text', short: 't', value: 'TYPE', about: 'Only events of this type.' },
  tenant: { type: 'text', value: 'NAME', about: 'Only events of this tenant.' },
  since: { type: 'time', value: 'TIME', about: 'Received at or after this time, or this long ago: 1h.' },
  until: { type: 'time', value: 'TIME', about: 'Received before this time, or this long ago.' },
} as const satisfies Options;
