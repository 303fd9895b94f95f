import type { z } from 'zod';
import type { deliveryShape } from '../../api/shapes.ts';
import { type DeadReason, deadReasons } from '../../core/delivery.ts';
import { didYouMean } from '../../core/suggest.ts';
import { isId } from '../../core/id.ts';
import type { Client, Query } from '../client.ts';
import { confirm, type Confirming } from '../confirm.ts';
import { defineCommand, filterOptions, gatewayOptions, jsonOption } from '../command.ts';
import { withGateway, withReader } from '../connect.ts';
import { UsageError } from '../exit.ts';
import { type Output, plain } from '../output.ts';
import { firstLine } from '../story.ts';
import { amount, dateTime } from '../text.ts';

type Delivery = z.output<typeof deliveryShape>;

/** Most ids of one request to the API. */
const IDS_PER_REQUEST = 1000;
/** Most dead letters that `resolve --all` takes at once. */
const ALL_MAX = 100_000;

export const deadLetters = defineCommand({
  name: 'dead-letters',
  summary: 'Lists dead letters that nobody has resolved, newest first; or resolves some with a note.',
  details: 'A resolved dead letter is not delivered: to deliver it, use `holdfast replay`.',
  positionals: [
    { name: 'resolve', optional: true, about: 'Resolves the dead letters named, or with --all those of the filter.' },
    { name: 'ID…', optional: true, about: 'Deliveries: dlv_….' },
  ],
  options: {
    destination: { type: 'text', short: 'd', value: 'NAME', about: 'Only those of this destination.' },
    ...filterOptions,
    reason: {
      type: 'text',
      value: 'REASON',
      about: `Only those that died of it: ${Object.keys(deadReasons).join(', ')}.`,
    },
    resolved: { type: 'flag', about: 'Lists those that are resolved.' },
    limit: { type: 'integer', short: 'n', min: 1, default: 20, about: 'Most dead letters listed.' },
    note: { type: 'text', value: 'TEXT', about: 'Why they are resolved; needed to resolve.' },
    all: { type: 'flag', about: 'Resolves all of the filter; asks first.' },
    yes: { type: 'flag', short: 'y', about: 'Does not ask.' },
    json: jsonOption,
    ...gatewayOptions,
  },
  examples: [
    'holdfast dead-letters --destination billing --since 1d',
    "holdfast dead-letters resolve dlv_01k3… --note 'refunded by hand'",
    "holdfast dead-letters resolve --all --reason rejected --note 'test data'",
  ],
  async run(invocation) {
    const { options, out, positionals } = invocation;
    const [action, ...ids] = positionals;
    if (action !== undefined && action !== 'resolve') {
      throw new UsageError(`'dead-letters' does not know '${plain(action)}'.${didYouMean(action, ['resolve'])}`);
    }
    checkReason(options.reason);
    const { destination, source, type, tenant, since, until, reason } = options;
    const filter = { destination, source, type, tenant, since, until, reason };
    if (action === 'resolve') {
      if (options.note === undefined) throw new UsageError('resolve needs --note TEXT: why they are resolved.');
      const asked = { ...invocation, ids, filter, note: options.note };
      return withGateway(invocation, ({ client }) => resolve(asked, client));
    }
    await withReader(invocation, async ({ client }) => {
      const query = { ...filter, resolved: options.resolved ? 'true' : undefined };
      const rows = await client.list<Delivery>('/api/dead-letters', query, options.limit);
      if (options.json) for (const row of rows) out.json(row);
      else listDeadLetters(out, rows);
    });
    return 0;
  },
});

/** @throws UsageError when there is no such reason */
export function checkReason(reason: string | undefined): asserts reason is DeadReason | undefined {
  if (reason === undefined || Object.hasOwn(deadReasons, reason)) return;
  const reasons = Object.keys(deadReasons);
  throw new UsageError(
    `--reason: there is no '${plain(reason)}'.${didYouMean(reason, reasons)} There are: ${reasons.join(', ')}.`,
  );
}

function listDeadLetters(out: Output, rows: readonly Delivery[]): void {
  if (rows.length === 0) {
    out.note('No dead letters.');
    return;
  }
  out.table(
    ['DIED', 'DELIVERY', 'DESTINATION', 'TYPE', 'ATTEMPTS', 'REASON', 'LAST ERROR'],
    rows.map((row) => [
      row.endedAt === null ? '-' : dateTime(row.endedAt),
      row.id,
      plain(row.destination),
      plain(row.type) || '-',
      String(row.attempts),
      out.paint('red', row.reason ?? '-'),
      firstLine(plain(row.resolved?.note ?? row.note ?? row.lastError ?? '')),
    ]),
  );
}

interface Resolving extends Confirming {
  readonly ids: readonly string[];
  readonly filter: Query;
  readonly note: string;
  readonly options: { readonly all: boolean; readonly yes: boolean; readonly json: boolean };
}

async function resolve(asked: Resolving, client: Client): Promise<number> {
  const { out, options } = asked;
  const ids = await idsToResolve(asked, client);
  if (options.all && ids.length > 0) await confirm(asked, `Resolve ${amount(ids.length, 'dead letter')}?`);
  let resolved = 0;
  for (let start = 0; start < ids.length; start += IDS_PER_REQUEST) {
    const some = ids.slice(start, start + IDS_PER_REQUEST);
    const answer = await client.post<{ resolved: number }>('/api/dead-letters/resolve', {
      ids: some,
      note: asked.note,
    });
    resolved += answer.resolved;
  }
  if (options.json) out.json({ asked: ids.length, resolved });
  else out.line(`Resolved ${amount(resolved, 'dead letter')} of ${ids.length}.`);
  return resolved === ids.length ? 0 : 1;
}

async function idsToResolve({ ids, filter, options }: Resolving, client: Client): Promise<readonly string[]> {
  if (options.all === ids.length > 0) throw new UsageError('resolve needs either ids or --all.');
  const wrong = ids.find((id) => !isId('dlv', id));
  if (wrong !== undefined) throw new UsageError(`'${plain(wrong)}' is no delivery: expected dlv_….`);
  if (!options.all) return ids;
  const rows = await client.list<Delivery>('/api/dead-letters', filter, ALL_MAX);
  return rows.map((row) => row.id);
}
