/** Where the gateway is that a command is about: its config or playground, its store, its address, its token. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { resolveConfig } from '../config.ts';
import type { Settings } from '../settings.ts';
import { embeddedStorePath, parseRuntimeInfo, type RuntimeInfo, runtimeFile, tokenFile } from '../core/files.ts';
import type { Environment } from '../ingest/source.ts';
import { UsageError } from './exit.ts';
import type { Token } from './client.ts';
import { findConfig, loadConfig, type LoadedConfig } from './config-file.ts';
import { plain } from './output.ts';
import { playgroundConfig } from './playground.ts';

/** The setup a command works with: the user's, or the playground's where there is none. */
export interface Setup extends Omit<LoadedConfig, 'file'> {
  /** `null`: the playground. */
  readonly file: string | null;
  /** Its settings, without its sources: their secrets are not needed to find a gateway. */
  readonly settings: Settings;
  /** Absolute path of an embedded store; `null` for others. */
  readonly storePath: string | null;
}

/** @throws HoldfastError config_not_found, config_invalid, config_unknown_setting */
export async function findSetup(
  { cwd, environment }: { readonly cwd: string; readonly environment: Environment },
  configFile?: string,
): Promise<Setup> {
  const file = findConfig(cwd, configFile);
  const loaded = file === null ? { config: playgroundConfig, directory: cwd } : await loadConfig(file);
  const { settings } = resolveConfig({ ...loaded.config, sources: {} }, environment);
  const path = embeddedStorePath(settings.store);
  return { ...loaded, file, settings, storePath: path === null ? null : resolve(loaded.directory, path) };
}

/** A config that holds in the given setup whatever the variables say. */
export function overlay(environment: Environment, values: Readonly<Record<string, string | undefined>>): Environment {
  return (name) => (Object.hasOwn(values, name) ? values[name] : undefined) ?? environment(name);
}

/** An address to talk to and the token to show there. */
export interface Address {
  readonly adminUrl: string;
  /** Where webhooks go, if that is known. */
  readonly url: string | null;
  readonly token: Token | null;
}

export interface AddressOptions {
  readonly url?: string | undefined;
  readonly 'token-file'?: string | undefined;
}

/** The running gateway; `null` when none runs here. @throws UsageError for a URL that is none, or a token file that cannot be read */
export function findAddress(
  setup: Setup,
  { environment, cwd }: { readonly environment: Environment; readonly cwd: string },
  options: AddressOptions,
): Address | null {
  const token = findToken(setup, options['token-file'] === undefined ? undefined : resolve(cwd, options['token-file']));
  const given = options.url ?? nonEmpty(environment('HOLDFAST_URL'));
  if (given !== undefined) return { adminUrl: checkUrl(given), url: null, token };
  if (setup.storePath === null) {
    // Nothing is kept beside a store in memory: the address is where the settings say.
    const { host, port, adminHost, adminPort } = setup.settings;
    return {
      adminUrl: `http://${adminPort === null ? host : adminHost}:${adminPort ?? port}`,
      url: `http://${host}:${port}`,
      token,
    };
  }
  const running = runningGateway(setup.storePath);
  return running === null ? null : { ...running, token };
}

/** What the gateway that owns this store wrote about itself; `null` when there is none, or it is gone. */
export function runningGateway(storePath: string): RuntimeInfo | null {
  const text = readIfThere(runtimeFile(storePath));
  const info = text === null ? null : parseRuntimeInfo(text);
  return info !== null && isAlive(info.pid) ? info : null;
}

/** The address of the ingest listener of a gateway that runs here, else where the settings put it. */
export function ingestUrl(setup: Setup): string {
  const running = setup.storePath === null ? null : runningGateway(setup.storePath);
  return running?.url ?? `http://${setup.settings.host}:${setup.settings.port}`;
}

/** The admin token: from a file that was named, the settings, or the file beside the store; `null` when there is none. */
export function findToken(setup: Setup, file?: string): Token | null {
  if (file !== undefined) {
    const token = readIfThere(file);
    if (token === null) throw new UsageError(`--token-file: ${plain(file)} cannot be read.`);
    return { text: token.trim(), from: file };
  }
  if (setup.settings.adminToken !== null) return { text: setup.settings.adminToken, from: 'HOLDFAST_ADMIN_TOKEN' };
  if (setup.storePath === null) return null;
  const from = tokenFile(setup.storePath);
  const text = readIfThere(from);
  return text === null ? null : { text: text.trim(), from };
}

function checkUrl(text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text.replace(/\/+$/, '');
  throw new UsageError(`--url: expected http://… or https://…, got '${plain(text)}'.`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: there is one, of somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
