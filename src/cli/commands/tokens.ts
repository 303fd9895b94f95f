import type { z } from 'zod';
import { type Scope, scopes } from '../../api/caller.ts';
import type { createdTokenShape, tokenShape } from '../../api/tokens.ts';
import { parseDuration } from '../../core/duration.ts';
import { isId } from '../../core/id.ts';
import { didYouMean } from '../../core/suggest.ts';
import type { Client } from '../client.ts';
import { defineCommand, gatewayOptions, jsonOption } from '../command.ts';
import { withGateway, withReader } from '../connect.ts';
import { UsageError } from '../exit.ts';
import { type Output, plain } from '../output.ts';
import { dateTime } from '../text.ts';

type Token = z.output<typeof tokenShape>;

const SCOPES = Object.keys(scopes) as readonly Scope[];
const ACTIONS = ['create', 'revoke'];

export const tokens = defineCommand({
  name: 'tokens',
  summary: 'Lists API tokens, makes one, or revokes one.',
  details: `Scopes: ${SCOPES.map((scope) => `${scope} (${scopes[scope]})`).join('; ')}.`,
  positionals: [
    { name: 'create|revoke', optional: true, about: 'Makes a token of this name, or revokes the one with this id.' },
    { name: 'NAME|ID', optional: true, about: 'What the new token is for; or tok_….' },
  ],
  options: {
    scope: { type: 'text', short: 's', value: 'SCOPE', many: true, about: 'What the token may; several are allowed.' },
    tenant: { type: 'text', value: 'NAME', about: 'The one tenant it sees and acts for; not with the scope admin.' },
    expires: { type: 'text', value: 'TIME', about: 'When it ends: in so long (90d), or at a time (2027-01-31).' },
    json: jsonOption,
    ...gatewayOptions,
  },
  examples: [
    'holdfast tokens',
    'holdfast tokens create checkout --scope emit --tenant acme --expires 90d',
    'holdfast tokens revoke tok_01k3…',
  ],
  async run(invocation) {
    const { options, out, positionals } = invocation;
    const [action, named] = positionals;
    if (action === undefined) {
      await withReader(invocation, async ({ client }) => {
        const { rows } = await client.get<{ rows: readonly Token[] }>('/api/tokens');
        if (options.json) for (const row of rows) out.json(row);
        else listTokens(out, rows);
      });
      return 0;
    }
    if (!ACTIONS.includes(action))
      throw new UsageError(
        `'tokens' does not know '${plain(action)}'.${didYouMean(action, ACTIONS)} There are: ${ACTIONS.join(', ')}.`,
      );
    if (named === undefined)
      throw new UsageError(action === 'create' ? 'create needs a name.' : 'revoke needs the id of a token.');
    if (action === 'create') {
      const asked = requestOf(named, options);
      return withGateway(invocation, ({ client }) => create({ client, out, json: options.json }, asked));
    }
    if (!isId('tok', named)) throw new UsageError(`'${plain(named)}' is no token's id: expected tok_….`);
    return withGateway(invocation, async ({ client }) => {
      const revoked = await client.delete<Token>(`/api/tokens/${named}`);
      if (options.json) out.json(revoked);
      else out.line(`${plain(revoked.name)} is revoked: within five seconds nothing takes it any more.`);
      return 0;
    });
  },
});

interface Asked {
  readonly name: string;
  readonly scopes: readonly string[];
  readonly tenant?: string;
  readonly expiresAt?: number;
}

function requestOf(
  name: string,
  given: {
    readonly scope: readonly string[];
    readonly tenant?: string | undefined;
    readonly expires?: string | undefined;
  },
): Asked {
  const { tenant, expires } = given;
  const wrong = given.scope.find((scope) => !Object.hasOwn(scopes, scope));
  if (wrong !== undefined)
    throw new UsageError(
      `--scope: there is no '${plain(wrong)}'.${didYouMean(wrong, SCOPES)} There are: ${SCOPES.join(', ')}.`,
    );
  if (given.scope.length === 0) throw new UsageError(`create needs --scope: ${SCOPES.join(', ')}.`);
  return {
    name,
    scopes: [...new Set(given.scope)],
    ...(tenant === undefined ? {} : { tenant }),
    ...(expires === undefined ? {} : { expiresAt: timeOf(expires) }),
  };
}

function timeOf(text: string): number {
  const inMs = parseDuration(text);
  const at = inMs === null ? (/^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN) : Date.now() + inMs;
  if (Number.isNaN(at))
    throw new UsageError(`--expires: expected a duration such as '90d' or a time, got '${plain(text)}'.`);
  return at;
}

interface Making {
  readonly client: Client;
  readonly out: Output;
  readonly json: boolean;
}

/** The text of the token alone goes to standard output, so that it can be piped to where it is kept. */
async function create({ client, out, json }: Making, asked: Asked): Promise<number> {
  const made = await client.post<z.output<typeof createdTokenShape>>('/api/tokens', asked);
  if (json) {
    out.json(made);
    return 0;
  }
  out.line(made.token);
  const until = made.expiresAt === null ? 'until it is revoked' : `until ${dateTime(made.expiresAt)}`;
  out.note(`${made.id} is good for ${made.scopes.join(', ')} ${until}. This is the only time it is shown.`);
  return 0;
}

function listTokens(out: Output, rows: readonly Token[]): void {
  if (rows.length === 0) {
    out.note('No API tokens; the admin token always works.');
    return;
  }
  out.table(
    ['ID', 'NAME', 'SCOPES', 'TENANT', 'CREATED', 'LAST USED', 'EXPIRES'],
    rows.map((row) => [
      row.id,
      plain(row.name),
      row.scopes.join(','),
      plain(row.tenant ?? '-'),
      dateTime(row.createdAt),
      row.lastUsedAt === null ? 'never' : dateTime(row.lastUsedAt),
      row.expiresAt === null ? '-' : dateTime(row.expiresAt),
    ]),
  );
}
