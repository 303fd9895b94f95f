/**
 * What runs without a config: a demo source whose secret is made at first start, and a handler that fails now and then,
 * so that a newcomer sees an acceptance, a retry and a dead letter within a minute.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Config } from '../config.ts';
import { fixed } from '../core/retry.ts';
import type { Handler } from '../deliver/handler.ts';
import type { Environment } from '../ingest/source.ts';
import { settings as settingsTable } from '../settings.ts';
import { hmac } from '../verify/hmac.ts';
import { secret } from '../verify/secret.ts';
import type { Setup } from './locate.ts';
import { POISON } from './simulate/payloads/demo.ts';

/** Where the demo source looks for its secret. Never in the real environment: {@link playgroundEnvironment} has it. */
const DEMO_SECRET = 'HOLDFAST_DEMO_SECRET';

export const playgroundConfig = {
  store: 'sqlite:./data/playground.db',
  sources: {
    demo: {
      verify: hmac({ header: 'x-demo-signature', secrets: secret(DEMO_SECRET) }),
      type: 'body.type',
      dedupeKey: 'body.id',
    },
  },
} as const satisfies Config;

/** The settings a playground changes unless they are set: it tells its story itself. */
const playgroundSettings: Readonly<Record<string, string>> = { HOLDFAST_LOG_LEVEL: 'error' };

/** The environment of a playground: the demo secret from its file, made there first when `create` is set. */
function playgroundEnvironment(environment: Environment, secretFile: string, create: boolean): Environment {
  let known: string | undefined;
  return (name) => {
    if (name !== DEMO_SECRET) return environment(name) ?? playgroundSettings[name];
    known ??= readSecret(secretFile) ?? (create ? makeSecret(secretFile) : undefined);
    return known;
  };
}

/**
 * The environment in which the sources of a setup find their secrets: its own for the playground. The public URL is that of
 * the setting, wherever it was written.
 */
export function setupEnvironment(
  { file, storePath, directory, settings }: Pick<Setup, 'file' | 'storePath' | 'directory' | 'settings'>,
  given: Environment,
  create = false,
): Environment {
  const environment: Environment = (name) =>
    name === settingsTable.publicUrl.env ? (settings.publicUrl ?? undefined) : given(name);
  if (file !== null) return environment;
  return playgroundEnvironment(environment, demoSecretFile(storePath ?? join(directory, 'data', 'playground')), create);
}

/** Where the demo secret is kept, beside the store, so that it survives restarts. */
function demoSecretFile(storePath: string): string {
  return `${storePath}.demo-secret`;
}

function readSecret(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function makeSecret(file: string): string {
  const made = randomBytes(24).toString('base64url');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${made}\n`, { mode: 0o600 });
  return made;
}

/** How the demo destination is paced: two retries, soon. No breaker: its failures are meant. */
export const demoOptions = { from: 'demo', retry: fixed(['2s', '5s']), breaker: false } as const;

const FAILS_EVERY = 10;

/** Fails the first attempt at one event in ten, and every attempt at `demo.poison`. */
export function demoHandler(): Handler {
  let first = 0;
  return (event, { attempt }) => {
    if (event.type === POISON) throw new Error(`nobody can handle ${POISON}: it becomes a dead letter`);
    if (attempt === 1 && ++first % FAILS_EVERY === 0) throw new Error('one in ten fails at first, to show a retry');
  };
}
