/**
 * Configuration: from the one table of settings (settings.ts) come parsing, `--help`, the reference page and the redacted
 * start-up line. This file is the only reader of the environment. What a config file may hold is {@link Config}.
 */
import { inspect } from 'node:util';
import { parseBytes, parseDuration } from './core/duration.ts';
import { didYouMean } from './core/suggest.ts';
import { type EmitsConfig, EventTypes } from './deliver/event-types.ts';
import { HoldfastError } from './errors.ts';
import { type Setting, type SettingName, type Settings, type SettingType, settings } from './settings.ts';
import { resolveSource, type Environment, type Source, type SourceConfig } from './ingest/source.ts';
import type { Outside, Verifier } from './verify/verifier.ts';

/** What a config file holds: any setting by its name, the sources, and where the handlers are. Data, no code. */
export type Config = { readonly [Name in SettingName]?: string | number | boolean | readonly string[] } & {
  readonly sources: Readonly<Record<string, SourceConfig | Verifier>>;
  /**
   * What the application emits: types with the schema of their bodies. With it, a type that is not in it is refused, and
   * a body that does not fit. Default: anything may be emitted.
   */
  readonly emits?: EmitsConfig;
  /** Module whose default export registers handlers: `(gateway) => void`. Relative to the config file. */
  readonly handlers?: string;
};

/** For the compiler: no other settings and options than there are. It looks for too many only where nothing is inferred. */
export type Exact<Given extends Config> = {
  readonly [Name in Exclude<keyof Given, keyof Config>]: never;
} & {
  readonly sources: {
    readonly [Name in keyof Given['sources']]: Given['sources'][Name] extends Verifier
      ? unknown
      : { readonly [Option in Exclude<keyof Given['sources'][Name], keyof SourceConfig>]: never };
  };
};

/** Keeps the exact type of a config, so that handlers know their bodies. */
export function defineConfig<const Given extends Config>(config: Given & Exact<Given>): Given {
  return config;
}

/** A config with every default filled in and every secret read. */
export interface ResolvedConfig {
  readonly settings: Settings;
  readonly sources: readonly Source[];
  readonly handlers: string | null;
  /** Reads the secrets that code asks for by name. */
  readonly environment: Environment;
  /** `null`: no catalogue. */
  readonly emits: EventTypes | null;
}

/** The process's environment. */
export const processEnvironment: Environment = (name) => process.env[name];

/** Names of the variables of the process's environment. */
export const processVariables: readonly string[] = Object.keys(process.env);

/**
 * Fills in defaults; the environment wins over the config, so that one build runs everywhere.
 * @throws HoldfastError config_invalid, config_unknown_setting, secret_missing
 */
export function resolveConfig(
  config: Config,
  environment: Environment = processEnvironment,
  outside?: Outside,
): ResolvedConfig {
  const known = new Set<string>([...Object.keys(settings), 'sources', 'handlers', 'emits']);
  if (!isRecord(config)) throw invalid(`Expected a config such as { sources: { … } }, got ${inspect(config)}.`);
  for (const name of Object.keys(config)) {
    if (!known.has(name)) throw unknownSetting(name, known);
  }
  if (!isRecord(config.sources)) {
    throw invalid(`sources: expected sources by name, or {} for none, got ${inspect(config.sources)}.`);
  }
  const values = Object.fromEntries(
    Object.entries<Setting>(settings).map(([name, setting]) => {
      const given = environment(setting.env) ?? config[name as SettingName];
      return [name, readSetting(name, setting, given)];
    }),
  );
  // The table gives each name its type; ValueOf is that rule for the compiler.
  const resolved = values as Settings;
  // Verifiers that sign the public URL ask the environment for it: the setting answers, wherever it was written.
  const answers: Environment = (name) =>
    name === settings.publicUrl.env ? (resolved.publicUrl ?? undefined) : environment(name);
  const sources = Object.entries(config.sources).map(([name, source]) =>
    resolveSource(name, source, { environment: answers, outside }),
  );
  checkPaths(sources);
  const emits = config.emits === undefined ? null : new EventTypes(config.emits);
  return { settings: resolved, sources, handlers: config.handlers ?? null, emits, environment };
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(detail: string): HoldfastError {
  return new HoldfastError('config_invalid', { detail });
}

function readSetting(name: string, setting: Setting, given: unknown): unknown {
  const isGiven = typeof given === 'string' ? given.trim() !== '' : given !== undefined && given !== null;
  const value = isGiven ? given : setting.default;
  if (value === null) return null;
  const parsed = parseValue(setting.type, value);
  if (parsed === null || (typeof parsed === 'number' && parsed < (setting.min ?? 0))) {
    const shown = setting.secret === true ? 'another value' : inspect(value);
    const expected = setting.min === undefined ? setting.type : `${setting.type} from ${setting.min}`;
    throw invalid(`${name} (${setting.env}): expected ${expected}, got ${shown}.`);
  }
  return parsed;
}

function parseValue(type: SettingType, value: unknown): string | number | boolean | readonly string[] | null {
  if (type === 'list' && Array.isArray(value)) return value.map(String);
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return null;
  switch (type) {
    case 'text':
      return String(value);
    case 'url':
      return isHttpUrl(String(value)) ? String(value) : null;
    case 'integer':
      return typeof value !== 'boolean' && Number.isSafeInteger(Number(value)) ? Number(value) : null;
    case 'duration':
      // A bare number is milliseconds, in a config as in the environment.
      return parseDuration(/^\d+$/.test(String(value)) ? Number(value) : String(value));
    case 'bytes':
      return parseBytes(String(value));
    case 'boolean':
      return value === true || value === 'true' || value === '1'
        ? true
        : value === false || value === 'false' || value === '0'
          ? false
          : null;
    case 'list':
      return String(value)
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
    default:
      return null;
  }
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

function checkPaths(sources: readonly Source[]): void {
  const byPath = new Map<string, string>();
  for (const source of sources) {
    const other = byPath.get(source.path);
    if (other !== undefined) {
      throw invalid(`sources.${source.name} and sources.${other} have the same path ${source.path}.`);
    }
    byPath.set(source.path, source.name);
  }
}

function unknownSetting(name: string, known: ReadonlySet<string>): HoldfastError {
  return new HoldfastError('config_unknown_setting', { detail: `'${name}'.${didYouMean(name, known)}` });
}

/** The settings for people: secrets shown only as set or not. */
export function redactedSettings(values: Settings): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries<Setting>(settings).map(([name, setting]) => {
      const value = values[name as SettingName];
      return [name, setting.secret === true && value !== null ? '[set]' : withoutPassword(value)];
    }),
  );
}

/** A URL without what only its server may see: some drivers take that as parameters, too. */
function withoutPassword(value: unknown): unknown {
  if (typeof value !== 'string' || !/^[a-z+]+:\/\//.test(value)) return value;
  return value
    .replace(/^([a-z+]+:\/\/[^/@]*?):[^/]*@/, '$1:[set]@')
    .replaceAll(/([?&][^=&]*(?:pass|token|secret|key)[^=&]*=)[^&]+/gi, '$1[set]');
}
