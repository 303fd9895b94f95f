/** What `start` says: where it listens, what an acknowledgement means, and in a playground what to try. */
import { relative } from 'node:path';
import type { Gateway } from '../gateway.ts';
import { isLoopback } from '../api/listener.ts';
import type { SourceInfo } from '../api/port.ts';
import { RELEASE } from '../gateway/release.ts';
import { tokenFile } from '../core/files.ts';
import type { Surroundings } from './command.ts';
import type { Setup } from './locate.ts';
import { misspeltVariables } from './misspelt.ts';
import { selfCommand } from './self.ts';

interface Welcome {
  readonly gateway: Gateway;
  readonly listeners: Awaited<ReturnType<Gateway['listen']>>;
  readonly setup: Setup;
  readonly surroundings: Surroundings;
  readonly sources: readonly SourceInfo[];
}

/** To standard output in a playground; else to standard error, for standard output has the log. */
export function welcome(given: Welcome): void {
  const { out } = given.surroundings;
  const playground = given.setup.file === null;
  const say = (text: string): void => (playground ? out.line(text) : out.note(text));
  const bold = (text: string): string => (playground ? out.paint('bold', text) : out.paintNote('bold', text));
  say(bold(`Holdfast ${RELEASE}`) + (playground ? ' playground: no holdfast.config.ts here, so this is a demo' : ''));
  say('');
  for (const [name, text] of facts(given)) say(`  ${name.padEnd(13)} ${text}`);
  say('');
  if (playground) for (const line of tour(given)) say(line);
}

function facts(welcome: Welcome): [string, string][] {
  const { gateway, listeners, setup, surroundings, sources: given } = welcome;
  const { ingest, admin } = listeners;
  const base = urlOf(ingest);
  const here = (path: string): string => relative(surroundings.cwd, path) || '.';
  const { role } = setup.settings;
  const sources = (role === 'worker' ? [] : given).map(({ name, path, verifier, proves }): [string, string] => [
    name,
    `POST ${base}${path}  (${verifier}${proves ? '' : ': PROVES NOTHING, anybody may send'})`,
  ]);
  const store = setup.storePath === null ? [] : [['store', here(setup.storePath)] as [string, string]];
  const token = setup.settings.adminToken === null ? `  (${tokenText(welcome, here)})` : '';
  return [
    ...(setup.file === null ? [] : [['config', here(setup.file)] as [string, string]]),
    ...(role === 'all' ? [] : [['role', role] as [string, string]]),
    ...sources,
    ['a 2xx means', gateway.report?.ackMeaning ?? 'unknown'],
    ...(gateway.report?.weaker ?? []).map((text): [string, string] => ['WEAKER', `than promised: ${text}`]),
    ...misspeltVariables(surroundings.variables).map(({ name, meant }): [string, string] => [
      'NOT READ',
      `${name}: it is no setting. Did you mean ${meant}?`,
    ]),
    ...store,
    ['admin API', `${urlOf(admin)}/api${token}`],
  ];
}

/**
 * Where the admin token is. It is shown once, by the process that made it, where nobody could read it otherwise: the store has
 * only its hash, or the admin API is for other machines, so that this is a container or a server one does not log in to.
 */
function tokenText({ gateway, listeners, setup }: Welcome, here: (path: string) => string): string {
  const isMade = gateway.adminTokenOrigin === 'made';
  const { storePath } = setup;
  if (storePath !== null) {
    const file = here(tokenFile(storePath));
    return isMade && !isLoopback(listeners.admin.host)
      ? `token ${gateway.adminToken}, kept in ${file}`
      : `token in ${file}`;
  }
  if (isMade) return `token ${gateway.adminToken} of all processes: keep it, it is not shown again`;
  return setup.settings.store === 'memory:'
    ? `token ${gateway.adminToken} until it stops`
    : 'token as shown by the process that made it, or set HOLDFAST_ADMIN_TOKEN';
}

function tour({ gateway, surroundings }: Welcome): string[] {
  const kept = gateway.report?.durability !== 'none';
  const { out } = surroundings;
  const self = selfCommand(surroundings);
  return [
    'Paste this into another terminal; it sends 50 signed webhooks:',
    '',
    `  ${out.paint('green', `${self} simulate demo --count 50`)}`,
    '',
    'Every tenth fails at first and is tried again after 2 seconds. Two of the 50 are poison: after three attempts, within',
    'ten seconds, they are dead letters. Then look at them:',
    '',
    `  ${self} status`,
    `  ${self} events`,
    `  ${self} dead-letters`,
    `  ${self} show ID`,
    '',
    `Ctrl-C stops it${kept ? '; what was accepted is still there at the next start' : ''}.`,
    '',
  ];
}

function urlOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
