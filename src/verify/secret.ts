/**
 * Where secrets come from. A verifier takes them as text, as a list while rotating, or as the name of an environment
 * variable, and refuses to exist without one: an empty HMAC key would let anybody sign.
 */
import { HoldfastError } from '../errors.ts';
import { fetchText } from './fetch.ts';
import type { Outside, SecretReference, SecretSource, Verdict, Verifier, VerifyRequest, Witness } from './verifier.ts';

/** Reads an environment variable; `undefined` where it is not set. */
export type Environment = (name: string) => string | undefined;

/**
 * A secret that is read from an environment variable when the gateway starts (or by `verifier.bind`). Several secrets
 * are separated by commas while rotating: requests signed with any of them verify. White space around each is cut.
 *
 * @param env name of the variable: `'ORDERS_SECRET'`
 * @throws HoldfastError `config_invalid` when the name is empty
 */
export function secret(env: string): SecretReference {
  if (env.trim() === '')
    throw new HoldfastError('config_invalid', { detail: 'secret() needs the name of a variable.' });
  return { kind: 'secret', env };
}

/** Like {@link secret}, for what a scheme can do without: a missing variable means none, not an error. */
export function optionalSecret(env: string): SecretReference {
  return { kind: 'secret', env, optional: true };
}

const OUTSIDE: Outside = { fetchText: (url) => fetchText(url) };

/** What of a verifier is known before its secrets are. */
export type Outline = Pick<
  Verifier,
  'name' | 'credentialHeaders' | 'credentialParameters' | 'credentialInPath' | 'defaults' | 'notProtected'
>;

/** What a verifier can do once its secrets are known. */
export type Opened = Pick<Verifier, 'verify' | 'sign' | 'embed' | 'handshake'>;

/** The same, where the verdict never needs a promise. */
export interface SyncOpened extends Opened {
  verify(request: VerifyRequest, now: number, witness?: Witness): Verdict;
}

/** A verifier to be made: its outline, its secrets by setting, and how it works with them. */
export interface Definition<Setting extends string> {
  readonly outline: Outline;
  readonly sources: Readonly<Record<Setting, SecretSource | undefined>>;
  /** Whether it fetches what requests name. Default `false`. */
  readonly fetches?: boolean;
  open(secrets: Readonly<Record<Setting, readonly string[]>>, outside: Outside): Opened;
}

/**
 * Makes a verifier that proves something. Where a source names an environment variable, `bind` reads it; until then
 * `verify` throws, unless what the variable holds can be done without.
 *
 * @throws HoldfastError `secret_missing` naming the setting, or the variable, that holds nothing
 */
export function defineVerifier<Setting extends string>(definition: Definition<Setting>): Verifier {
  const { outline, sources, fetches = false } = definition;
  const settings = Object.keys(sources) as Setting[];
  const openWith = (environment: Environment, outside: Outside = OUTSIDE): Verifier => {
    const secrets = {} as Record<Setting, readonly string[]>;
    for (const setting of settings) {
      secrets[setting] = resolveSecrets(sources[setting], `${setting} of ${outline.name}`, environment);
    }
    return { ...outline, proves: true, ...opened(definition, secrets, outside) };
  };
  const references = settings.map((setting) => sources[setting]).filter(isReference);
  if (references.length === 0) return { ...openWith(() => undefined), ...(fetches && { bind: openWith }) };
  return { ...outline, proves: true, ...openUnbound(openWith, references), bind: openWith };
}

/** What works before the environment is read: everything, where it is not needed; else a `verify` that says why not. */
function openUnbound(openWith: (environment: Environment) => Opened, references: readonly SecretReference[]): Opened {
  const needed = references.find((reference) => reference.optional !== true);
  if (needed === undefined) {
    try {
      return openWith(() => undefined);
    } catch (cause) {
      return { verify: () => throwUnbound('bind(environment) must be called first.', cause) };
    }
  }
  return { verify: () => throwUnbound(`${needed.env} has not been read: call bind(environment) first.`) };
}

/** The same, with the setting or variable in an error of a secret that is not one. */
function opened<Setting extends string>(
  definition: Definition<Setting>,
  secrets: Readonly<Record<Setting, readonly string[]>>,
  outside: Outside,
): Opened {
  try {
    return definition.open(secrets, outside);
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'secret_missing') throw error;
    const { outline, sources } = definition;
    const set = (Object.keys(sources) as Setting[]).filter((setting) => sources[setting] !== undefined);
    const names = set.map((setting) => {
      const source = sources[setting];
      return isReference(source) ? source.env : setting;
    });
    throw new HoldfastError('secret_missing', {
      detail: `${names.join(' or ')} of ${outline.name}: ${error.detail ?? ''}`,
      cause: error,
    });
  }
}

function throwUnbound(detail: string, cause?: unknown): never {
  throw new HoldfastError('secret_missing', { detail, cause });
}

/**
 * The secrets a source stands for, trimmed; none for `undefined` and for an optional variable that is not set.
 *
 * @param setting how an error names the source: `secrets of stripe`
 * @throws HoldfastError `secret_missing` when there is none, or one of them is empty
 */
export function resolveSecrets(
  source: SecretSource | undefined,
  setting: string,
  environment: Environment,
): readonly string[] {
  if (source === undefined) return [];
  if (!isReference(source)) return checkSecrets(typeof source === 'string' ? [source] : source, setting);
  const value = environment(source.env);
  if (value === undefined && source.optional === true) return [];
  if (value === undefined)
    throw new HoldfastError('secret_missing', { detail: `${source.env} is not set (${setting}).` });
  return checkSecrets(value.split(','), `${source.env} (${setting})`);
}

function checkSecrets(values: readonly string[], setting: string): readonly string[] {
  const secrets = values.map((value) => value.trim());
  const empty = secrets.indexOf('');
  if (secrets.length === 0) throw new HoldfastError('secret_missing', { detail: `${setting} holds no secret.` });
  if (empty < 0) return secrets;
  const which = secrets.length === 1 ? 'is empty' : `has an empty entry (number ${empty + 1} of ${secrets.length})`;
  throw new HoldfastError('secret_missing', { detail: `${setting} ${which}.` });
}

/**
 * The source, which a scheme cannot do without: `secrets: process.env.KEY` without such a variable is none.
 *
 * @throws HoldfastError `secret_missing`
 */
export function neededSource<Source>(source: Source, setting: string): NonNullable<Source> {
  if (source !== undefined && source !== null) return source;
  throw new HoldfastError('secret_missing', { detail: `${setting} is not given.` });
}

function isReference(source: SecretSource | undefined): source is SecretReference {
  return typeof source === 'object' && !Array.isArray(source);
}
