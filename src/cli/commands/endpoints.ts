import type { z } from 'zod';
import type { endpointMadeShape, endpointShape } from '../../api/endpoints.ts';
import type { deliveryShape } from '../../api/shapes.ts';
import { parseDuration } from '../../core/duration.ts';
import { isId } from '../../core/id.ts';
import { didYouMean } from '../../core/suggest.ts';
import type { Client } from '../client.ts';
import { defineCommand, gatewayOptions, type Invocation, jsonOption, type Options } from '../command.ts';
import { confirm } from '../confirm.ts';
import { withGateway } from '../connect.ts';
import { UsageError } from '../exit.ts';
import { type Output, plain } from '../output.ts';
import { firstLine } from '../story.ts';
import { dateTime, stateText } from '../text.ts';

type Delivery = z.output<typeof deliveryShape>;
type Endpoint = z.output<typeof endpointShape>;
type Made = z.output<typeof endpointMadeShape>;

const ACTIONS = [
  'show',
  'deliveries',
  'create',
  'update',
  'pause',
  'resume',
  'disable',
  'enable',
  'rotate-secret',
  'test',
  'delete',
] as const;
type Action = (typeof ACTIONS)[number];

const options = {
  url: gatewayOptions.url,
  to: { type: 'text', value: 'URL', about: 'Where an endpoint is: for update; create takes it as an argument.' },
  tenant: { type: 'text', value: 'NAME', about: 'Whose it is: it gets events of this tenant only. Filters the list.' },
  description: { type: 'text', value: 'TEXT', about: 'What it is for.' },
  from: { type: 'text', value: 'SOURCE', many: true, about: 'A source it takes from; default emitted.' },
  type: {
    type: 'text',
    short: 't',
    value: 'TYPE',
    many: true,
    about: 'An event type it takes, * at the end as a wildcard.',
  },
  filter: { type: 'text', value: 'JSON', about: 'A payload filter: \'{"path":"body.amount","greater":100}\'.' },
  header: {
    type: 'text',
    short: 'H',
    value: "'NAME: VALUE'",
    many: true,
    about: 'Added to every request; kept secret.',
  },
  rate: { type: 'number', value: 'N', min: 0, about: 'Most attempts per second; 0: no limit.' },
  concurrency: { type: 'integer', value: 'N', min: 1, about: 'Attempts at once.' },
  timeout: { type: 'duration', value: 'TIME', about: 'Of one attempt.' },
  ordered: { type: 'flag', about: 'Delivers events with the same order key one after the other.' },
  overlap: { type: 'text', value: 'TIME', about: 'How long the old secrets sign beside a new one; default 24h.' },
  settings: {
    type: 'text',
    value: 'JSON',
    about: 'Anything else of an endpoint, as the API takes it: retry, auth, signing and so on.',
  },
  limit: { type: 'integer', short: 'n', min: 1, default: 20, about: 'Most deliveries listed.' },
  yes: { type: 'flag', short: 'y', about: 'Does not ask before deleting.' },
  json: jsonOption,
  'token-file': gatewayOptions['token-file'],
  config: gatewayOptions.config,
} as const satisfies Options;

type Asked = Invocation<typeof options>;

export const endpoints = defineCommand({
  name: 'endpoints',
  summary: 'Lists endpoints, makes, changes, tests or deletes one, shows what it was sent, or gives it a new secret.',
  details:
    'pause and disable hold what an endpoint is owed; nothing is lost. A secret is shown once, when it is made, alone on standard output.',
  positionals: [
    { name: ACTIONS.join('|'), optional: true, about: 'What to do; nothing: the list.' },
    { name: 'ID|URL', optional: true, about: 'ep_…; for create: where it is.' },
  ],
  options,
  examples: [
    "holdfast endpoints create https://example.com/hooks --tenant acme --type 'payment.*'",
    'holdfast endpoints test ep_01k3…',
    'holdfast endpoints deliveries ep_01k3…',
    'holdfast endpoints rotate-secret ep_01k3… --overlap 48h',
    'holdfast endpoints update ep_01k3… --settings \'{"retry":{"kind":"list","delaysMs":[5000,60000]}}\'',
  ],
  run: (invocation) => withGateway(invocation, ({ client }) => act(client, invocation)),
});

async function act(client: Client, asked: Asked): Promise<number> {
  const [action, named] = asked.positionals;
  if (action === undefined) return list(client, asked);
  if (!isAction(action))
    throw new UsageError(
      `'endpoints' does not know '${plain(action)}'.${didYouMean(action, ACTIONS)} There are: ${ACTIONS.join(', ')}.`,
    );
  if (named === undefined)
    throw new UsageError(
      action === 'create' ? 'create needs the URL of the endpoint.' : `${action} needs the id of an endpoint.`,
    );
  if (action === 'create')
    return made(asked, await client.post<Made>('/api/endpoints', { ...settingsOf(asked), url: named }));
  if (!isId('ep', named)) throw new UsageError(`'${plain(named)}' is no endpoint's id: expected ep_….`);
  return onOne(client, asked, { action, path: `/api/endpoints/${named}` });
}

function isAction(text: string): text is Action {
  return (ACTIONS as readonly string[]).includes(text);
}

const STATES = { pause: 'paused', resume: 'active', disable: 'disabled', enable: 'active' } as const;

async function onOne(
  client: Client,
  asked: Asked,
  of: { readonly action: Exclude<Action, 'create'>; readonly path: string },
): Promise<number> {
  const { action, path } = of;
  switch (action) {
    case 'show':
      return shown(asked, await client.get<Endpoint>(path));
    case 'deliveries':
      return deliveries(asked, await client.list<Delivery>(`${path}/deliveries`, {}, asked.options.limit));
    case 'update':
      return shown(asked, await client.patch<Endpoint>(path, changesOf(asked)));
    case 'pause':
    case 'resume':
    case 'disable':
    case 'enable':
      return shown(asked, await client.patch<Endpoint>(path, { state: STATES[action] }));
    case 'rotate-secret':
      return made(asked, await client.post<Made>(`${path}/rotate-secret`, overlapOf(asked)));
    case 'test': {
      const { eventId } = await client.post<{ eventId: string }>(`${path}/test`);
      if (asked.options.json) asked.out.json({ eventId });
      else asked.out.line(`${eventId} is on its way; holdfast show ${eventId} tells what came of it.`);
      return 0;
    }
    case 'delete':
      await confirm(asked, 'Delete it, and make dead letters of what it is owed?');
      await client.delete(path);
      if (!asked.options.json) asked.out.line('It is deleted.');
      return 0;
    default:
      return action satisfies never;
  }
}

async function list(client: Client, { options: { tenant, json }, out }: Asked): Promise<number> {
  const rows = await client.list<Endpoint>('/api/endpoints', { tenant }, Number.POSITIVE_INFINITY);
  if (json) for (const row of rows) out.json(row);
  else if (rows.length === 0) out.note('No endpoints; holdfast endpoints create URL makes one.');
  else {
    out.table(
      ['ID', 'STATE', 'TENANT', 'TYPES', 'URL'],
      rows.map((row) => [
        row.id,
        row.state,
        plain(row.tenant ?? '-'),
        plain(row.types?.join(',') ?? 'all'),
        plain(row.url),
      ]),
    );
  }
  return 0;
}

/** Newest first. How each attempt went: holdfast show ID. */
function deliveries({ options: { json }, out }: Asked, rows: readonly Delivery[]): number {
  if (json) for (const row of rows) out.json(row);
  else if (rows.length === 0) out.note('It was owed nothing yet.');
  else {
    out.table(
      ['RECEIVED', 'DELIVERY', 'TYPE', 'STATE', 'ATTEMPTS', 'LAST ERROR'],
      rows.map((row) => [
        dateTime(row.receivedAt),
        row.id,
        plain(row.type) || '-',
        stateText(out, row.state),
        String(row.attempts),
        firstLine(plain(row.lastError ?? '')),
      ]),
    );
  }
  return 0;
}

function shown({ options: { json }, out }: Asked, endpoint: Endpoint): number {
  if (json) out.json(endpoint);
  else describe(out, endpoint);
  return 0;
}

function describe(out: Output, endpoint: Endpoint): void {
  const { id, url, state, reason, tenant, from, types, filter, secrets, ratePerS, concurrency, timeoutMs } = endpoint;
  const lines: readonly (readonly [string, string])[] = [
    ['state', reason === null ? state : `${state}: ${reason}`],
    ['url', url],
    ['tenant', tenant ?? 'all'],
    ['takes', `${types?.join(', ') ?? 'all types'} from ${from.join(', ')}`],
    ...(filter === null ? [] : [['filter', JSON.stringify(filter)] as const]),
    [
      'signed with',
      secrets
        .map(({ kind, expiresAt }) => `${kind}${expiresAt === null ? '' : ` until ${dateTime(expiresAt)}`}`)
        .join(', ') || 'nothing',
    ],
    [
      'paced',
      `${concurrency} at once, ${ratePerS === null ? 'any rate' : `${ratePerS} a second`}, ${timeoutMs} ms each`,
    ],
    ['changed', dateTime(endpoint.updatedAt)],
  ];
  out.line(id);
  for (const [name, value] of lines) out.line(`  ${name.padEnd(12)}${plain(value)}`);
}

/** The secret alone goes to standard output, so that it can be piped to where it is kept. */
function made({ options: { json }, out }: Asked, answer: Made): number {
  if (json) {
    out.json(answer);
    return 0;
  }
  const { endpoint, secret, publicKey } = answer;
  if (secret !== null) out.line(secret);
  if (publicKey !== null) out.line(publicKey);
  out.note(`${endpoint.id} is ${endpoint.state} at ${plain(endpoint.url)}.`);
  if (secret !== null) out.note('The secret is what its receiver verifies with. This is the only time it is shown.');
  return 0;
}

function changesOf(asked: Asked): Record<string, unknown> {
  const { to } = asked.options;
  const changes = { ...settingsOf(asked), ...(to === undefined ? {} : { url: to }) };
  if (Object.keys(changes).length === 0)
    throw new UsageError('update needs something to change: see holdfast help endpoints.');
  return changes;
}

function settingsOf({ options: given }: Asked): Record<string, unknown> {
  const { tenant, description, from, type, filter, header, rate, concurrency, timeout, ordered, settings } = given;
  return {
    ...(settings === undefined ? {} : jsonObject(settings, '--settings')),
    ...(tenant === undefined ? {} : { tenant }),
    ...(description === undefined ? {} : { description }),
    ...(from.length === 0 ? {} : { from }),
    ...(type.length === 0 ? {} : { types: type }),
    ...(filter === undefined ? {} : { filter: jsonObject(filter, '--filter') }),
    ...(header.length === 0 ? {} : { headers: Object.fromEntries(header.map(headerOf)) }),
    ...(rate === undefined ? {} : { ratePerS: rate === 0 ? null : rate }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
    ...(ordered ? { ordered } : {}),
  };
}

function overlapOf({ options: { overlap } }: Asked): Record<string, unknown> {
  if (overlap === undefined) return {};
  const overlapMs = parseDuration(overlap);
  if (overlapMs === null)
    throw new UsageError(`--overlap: expected a duration such as '24h', got '${plain(overlap)}'.`);
  return { overlapMs };
}

function jsonObject(text: string, option: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Said below, like any other text that is no object.
  }
  throw new UsageError(`${option}: expected a JSON object, got '${plain(text.slice(0, 100))}'.`);
}

function headerOf(text: string): [string, string] {
  const colon = text.indexOf(':');
  if (colon < 1) throw new UsageError(`--header: expected 'NAME: VALUE', got '${plain(text.slice(0, 100))}'.`);
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()];
}
