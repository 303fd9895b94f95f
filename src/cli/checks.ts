/** What `doctor` looks at, each check by itself: it answers lines and never throws. */
import { existsSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { formatBytes } from '../core/duration.ts';
import { tokenFile } from '../core/files.ts';
import { HoldfastError } from '../errors.ts';
import { resolveSource } from '../ingest/source.ts';
import { Client, httpSend } from './client.ts';
import type { Surroundings } from './command.ts';
import { existing, failed, type Finding } from './finding.ts';
import { findAddress, runningGateway, type Setup } from './locate.ts';
import { setupEnvironment } from './playground.ts';
import { misspeltVariables } from './misspelt.ts';
import { checkQueue } from './queue-check.ts';
import { checkSpool } from './spool-check.ts';
import { checkStore } from './store-checks.ts';

export type Check = (setup: Setup, surroundings: Surroundings) => Promise<readonly Finding[]> | readonly Finding[];

const SQLITE_MIN = [3, 51, 3] as const;

export function checkRuntime(): readonly Finding[] {
  const { node, sqlite = '0' } = process.versions;
  const parts = sqlite.split('.').map(Number);
  const at = SQLITE_MIN.findIndex((min, index) => (parts[index] ?? 0) !== min);
  const old = at >= 0 && (parts[at] ?? 0) < (SQLITE_MIN[at] ?? 0);
  const text = `Node ${node} with SQLite ${sqlite}`;
  return [
    old
      ? failed('runtime', new HoldfastError('sqlite_too_old', { detail: text }))
      : { check: 'runtime', state: 'ok', text },
  ];
}

const checkVariables: Check = (_setup, { variables }) =>
  misspeltVariables(variables).map(({ name, meant }) => ({
    check: 'variables',
    state: 'warn',
    text: `${name} is no setting, and is not read`,
    action: `Call it ${meant}, if that is meant.`,
  }));

const checkSources: Check = (setup, { environment }) => {
  const inSetup = setupEnvironment(setup, environment);
  return Object.entries(setup.config.sources).map(([name, config]): Finding => {
    try {
      const { path, verifier, dedupeKey } = resolveSource(name, config, { environment: inSetup });
      const text = `${name}: POST ${path}, ${verifier.name}`;
      if (!verifier.proves) {
        return {
          check: 'source',
          state: 'warn',
          text: `${text}: anybody may send`,
          action: 'Give it a verifier, unless that is meant.',
        };
      }
      if (dedupeKey !== null) return { check: 'source', state: 'ok', text };
      return {
        check: 'source',
        state: 'warn',
        text: `${text}, no dedupe key: repeats are processed again`,
        action: 'Set dedupeKey.',
      };
    } catch (error) {
      // A playground makes its secret at first start.
      if (setup.file === null)
        return { check: 'source', state: 'ok', text: `${name}: its secret is made at first start` };
      return failed('source', error);
    }
  });
};

const checkHandlers: Check = ({ config, directory }) => {
  if (config.handlers === undefined) return [];
  const file = resolve(directory, config.handlers);
  if (existsSync(file)) return [{ check: 'handlers', state: 'ok', text: file }];
  return [
    {
      check: 'handlers',
      state: 'fail',
      text: `${file} does not exist.`,
      action: 'Create it, or correct `handlers` in the config.',
    },
  ];
};

const LOW_FACTOR = 4;

const checkDisk: Check = async ({ storePath, directory, settings }) => {
  const folder = existing(storePath === null ? directory : dirname(storePath));
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const reserve = settings.diskReserveBytes;
  const text = `${formatBytes(free)} free at ${folder}, reserve ${formatBytes(reserve)}`;
  if (free < reserve)
    return [{ check: 'disk', state: 'fail', text, action: 'New events are refused with 503: free disk space.' }];
  if (free < reserve * LOW_FACTOR)
    return [{ check: 'disk', state: 'warn', text, action: 'Free disk space, or shorten retention.' }];
  return [{ check: 'disk', state: 'ok', text }];
};

const checkPort: Check = async (setup, surroundings) => {
  const { storePath, settings } = setup;
  const { host, port } = settings;
  const running = storePath === null ? null : runningGateway(storePath);
  if (running !== null)
    return [{ check: 'port', state: 'ok', text: `a gateway runs at ${running.url} (process ${running.pid})` }];
  const problem = await bindProblem(host, port);
  const text = `${host}:${port}`;
  if (problem === null) return [{ check: 'port', state: 'ok', text: `${text} is free` }];
  const isOurs = problem === 'EADDRINUSE' && storePath === null && (await answers(setup, surroundings));
  if (isOurs) return [{ check: 'port', state: 'ok', text: `a gateway runs at ${text}` }];
  if (problem === 'EADDRINUSE') return [failed('port', new HoldfastError('address_in_use', { detail: text }))];
  return [
    { check: 'port', state: 'fail', text: `${text} cannot be used (${problem}).`, action: 'Set another host or port.' },
  ];
};

/** Whether a gateway answers where the settings put the admin API: beside a shared store it leaves no file that says so. */
async function answers(setup: Setup, surroundings: Surroundings): Promise<boolean> {
  try {
    const address = findAddress(setup, surroundings, {});
    if (address === null) return false;
    const { features } = await new Client(httpSend(address.adminUrl), null).get<{ features?: unknown }>('/health');
    return features !== undefined;
  } catch {
    return false;
  }
}

function bindProblem(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    try {
      server.listen({ host, port }, () => server.close(() => resolve(null)));
    } catch (error) {
      resolve((error as NodeJS.ErrnoException).code ?? String(error)); // no port at all
    }
  });
}

const OTHERS = 0o077;

/** Files that hold a secret are for their owner only. */
const checkModes: Check = ({ storePath, directory }) => {
  if (process.platform === 'win32') return [];
  const files = [...(storePath === null ? [] : [tokenFile(storePath), storePath]), join(directory, '.env')];
  return files
    .filter((file) => {
      const found = statSync(file, { throwIfNoEntry: false });
      return found?.isDirectory() === false && (found.mode & OTHERS) !== 0;
    })
    .map((file): Finding => ({
      check: 'files',
      state: 'warn',
      text: `${file} can be read by others`,
      action: `chmod 600 ${file}`,
    }));
};

const checks: readonly Check[] = [
  checkVariables,
  checkSources,
  checkHandlers,
  checkStore,
  checkQueue,
  checkSpool,
  checkDisk,
  checkPort,
  checkModes,
];

/** Every check of a setup, in order. */
export async function checkSetup(setup: Setup, surroundings: Surroundings): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const check of checks) findings.push(...(await check(setup, surroundings)));
  return findings;
}
