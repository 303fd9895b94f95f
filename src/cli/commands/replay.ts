import { setTimeout as wait } from 'node:timers/promises';
import type { z } from 'zod';
import type { replayShape } from '../../api/shapes.ts';
import { deadReasons } from '../../core/delivery.ts';
import { isId } from '../../core/id.ts';
import { type ErrorCode, errorCodes, HoldfastError } from '../../errors.ts';
import type { Client } from '../client.ts';
import { confirm, type Confirming } from '../confirm.ts';
import { defineCommand, filterOptions, gatewayOptions, jsonOption } from '../command.ts';
import { withGateway } from '../connect.ts';
import { exitCodes, UsageError } from '../exit.ts';
import { type Output, plain } from '../output.ts';
import { amount, dateTime } from '../text.ts';
import { checkReason } from './dead-letters.ts';

type Replay = z.output<typeof replayShape>;

/** What `POST /api/replays` with `dryRun` answers. */
interface Plan {
  readonly count: number;
  readonly atLeast: boolean;
  readonly byDestination: Readonly<Record<string, number>>;
  readonly oldestAt: string | null;
  readonly newestAt: string | null;
}

const LOOK_EVERY_MS = 200;

export const replay = defineCommand({
  name: 'replay',
  summary: 'Makes new deliveries from past ones: single ones by id, or many by filter.',
  details:
    'By filter it shows its plan and asks first, then runs in the gateway, after live traffic: it survives a restart, and Ctrl-C here only stops watching it.',
  positionals: [
    { name: 'ID…', optional: true, about: 'Deliveries (dlv_…) or events (evt_…), each replayed by itself.' },
  ],
  options: {
    destination: { type: 'text', short: 'd', value: 'NAME', about: 'Only what went to this destination.' },
    ...filterOptions,
    reason: {
      type: 'text',
      value: 'REASON',
      about: `Only dead letters of this reason: ${Object.keys(deadReasons).join(', ')}.`,
    },
    id: { type: 'text', many: true, value: 'ID', about: 'The same as the argument.' },
    dead: { type: 'flag', about: 'Dead letters that are not resolved; the default where there is another filter.' },
    all: { type: 'flag', about: 'Every delivery that has ended, the successful ones too.' },
    unmatched: { type: 'flag', about: 'Events that no destination matched when they came.' },
    to: { type: 'text', value: 'NAME', about: 'To this destination instead of where it went before.' },
    rate: { type: 'number', min: 0.01, about: 'Deliveries made per second; default 100.' },
    'dry-run': { type: 'flag', about: 'Shows the plan and does nothing.' },
    yes: { type: 'flag', short: 'y', about: 'Does not ask.' },
    detach: { type: 'flag', about: 'Does not wait for the end.' },
    list: { type: 'flag', about: 'Lists the bulk replays instead.' },
    cancel: { type: 'text', value: 'ID', about: 'Stops this bulk replay (rpl_…) instead; what it made stays.' },
    json: jsonOption,
    ...gatewayOptions,
  },
  examples: [
    'holdfast replay dlv_01k3…',
    'holdfast replay --destination billing --since 1h',
    'holdfast replay --unmatched --to archive --yes',
  ],
  run(invocation) {
    const { options, out, positionals } = invocation;
    checkReason(options.reason);
    const ids = [...positionals, ...options.id];
    return withGateway(invocation, async ({ client }) => {
      if (options.list) return list(out, client, options.json);
      if (options.cancel !== undefined) return cancel(out, client, options.cancel);
      if (ids.length > 0) return single(invocation, client, ids);
      return bulk(invocation, client);
    });
  },
});

type Invoked = Confirming & {
  readonly options: {
    readonly [Name in 'destination' | 'source' | 'type' | 'tenant' | 'reason' | 'to']: string | undefined;
  } & { readonly [Name in 'since' | 'until' | 'rate']: number | undefined } & {
    readonly [Name in 'dead' | 'all' | 'unmatched' | 'dry-run' | 'yes' | 'detach' | 'json']: boolean;
  };
};

// ------------------------------------------------------------------------------------------------------------ by id

/** One id that was asked for, and what became of it. */
interface Made {
  readonly of: string;
  readonly deliveryIds: readonly string[];
  readonly error: string | null;
}

async function single({ options, out }: Invoked, client: Client, ids: readonly string[]): Promise<number> {
  const wrong = ids.find((id) => !isId('evt', id) && !isId('dlv', id));
  if (wrong !== undefined) throw new UsageError(`'${plain(wrong)}' is no id of an event (evt_…) or delivery (dlv_…).`);
  if (options['dry-run']) throw new UsageError('--dry-run is for replays by filter: an id is replayed or not.');
  if (options.to !== undefined && ids.some((id) => isId('dlv', id)))
    throw new UsageError('--to needs events or a filter: a delivery goes where it went before.');
  let good = true;
  for (const id of ids) {
    const row = await replayId(client, id, options.to);
    good &&= row.error === null;
    // Said at once: what was made stays, whatever becomes of the next.
    if (options.json) out.json(row);
    else if (row.error === null) out.line(`${row.of} → ${row.deliveryIds.join(', ')}`);
    else out.line(`${row.of} ${out.paint('red', 'not replayed')}: ${meaningOf(row.error)} [${row.error}]`);
  }
  return good ? exitCodes.ok.code : exitCodes.failed.code;
}

/** Why one event is not replayed while others may be. */
const OF_ONE: ReadonlySet<string> = new Set(['not_found', 'body_purged', 'replay_open', 'destination_unknown']);

async function replayId(client: Client, id: string, to: string | undefined): Promise<Made> {
  if (isId('evt', id)) {
    const destinations = to === undefined ? {} : { destinations: [to] };
    try {
      const { deliveryIds } = await client.post<{ deliveryIds: string[] }>(`/api/events/${id}/replay`, destinations);
      return { of: id, deliveryIds, error: null };
    } catch (error) {
      if (!(error instanceof HoldfastError) || !OF_ONE.has(error.code)) throw error;
      return { of: id, deliveryIds: [], error: error.code };
    }
  }
  const { rows } = await client.post<{ rows: { deliveryId: string | null; error: string | null }[] }>(
    '/api/dead-letters/replay',
    { ids: [id] },
  );
  const { deliveryId = null, error = 'internal' } = rows[0] ?? {};
  return { of: id, deliveryIds: deliveryId === null ? [] : [deliveryId], error };
}

function meaningOf(code: string): string {
  return Object.hasOwn(errorCodes, code) ? errorCodes[code as ErrorCode].message : 'it could not be';
}

// -------------------------------------------------------------------------------------------------------- by filter

async function bulk(invocation: Invoked, client: Client): Promise<number> {
  const { options, out } = invocation;
  const filter = filterOf(options);
  const { plan } = await client.post<{ plan: Plan }>('/api/replays', { filter, dryRun: true });
  const onlyPlan = options['dry-run'] || plan.count === 0;
  if (options.json && onlyPlan) out.json(plan);
  else if (!options.json) showPlan(out, plan);
  if (onlyPlan) return exitCodes.ok.code;
  const what = filter.what === 'unmatched' ? amount(plan.count, 'event') : amount(plan.count, 'delivery', 'deliveries');
  await confirm(invocation, `Replay ${plan.atLeast ? 'at least ' : ''}${what}?`);
  const rate = options.rate === undefined ? {} : { ratePerS: options.rate };
  const { replay } = await client.post<{ replay: Replay }>('/api/replays', { filter, ...rate });
  const last = options.detach ? replay : await watch(invocation, client, replay);
  if (options.json) out.json(last);
  else out.line(ended(last));
  return last.state === 'cancelled' ? exitCodes.failed.code : exitCodes.ok.code;
}

function filterOf(options: Invoked['options']) {
  const { destination, source, type, tenant, since, until, reason, to, dead, all, unmatched } = options;
  if ([dead, all, unmatched].filter(Boolean).length > 1)
    throw new UsageError('Of --dead, --all and --unmatched only one holds.');
  const what = all ? 'all' : unmatched ? 'unmatched' : 'dead';
  const narrowed = [destination, source, type, tenant, since, until, reason].some((value) => value !== undefined);
  if (!narrowed && !dead && !all && !unmatched) {
    throw new UsageError('replay needs ids or a filter; for every dead letter say --dead.');
  }
  return {
    what,
    destination,
    source,
    type,
    tenant,
    reason,
    to,
    since: since === undefined ? undefined : String(since),
    until: until === undefined ? undefined : String(until),
  } as const;
}

function showPlan(out: Output, plan: Plan): void {
  if (plan.count === 0) {
    out.line('Nothing to replay.');
    return;
  }
  const rows = Object.entries(plan.byDestination).map(([name, count]) => [plain(name), count.toLocaleString('en-US')]);
  out.table(['DESTINATION', 'DELIVERIES'], rows);
  if (plan.oldestAt !== null && plan.newestAt !== null) {
    out.line(`received from ${dateTime(plan.oldestAt)} to ${dateTime(plan.newestAt)}`);
  }
}

/** Follows the replay to its end, or until Ctrl-C: it goes on by itself then. */
async function watch({ out, interruptible }: Invoked, client: Client, started: Replay): Promise<Replay> {
  const signal = interruptible();
  const progress = out.progress();
  let now = started;
  while (now.state === 'running' && !signal.aborted) {
    await wait(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    now = await client.get<Replay>(`/api/replays/${now.id}`);
    const { made, refused, planned } = now;
    progress.update(() => `replaying: ${made + refused} of ${planned}`);
  }
  progress.end();
  return now;
}

function ended({ id, state, made, planned, refused }: Replay): string {
  const left = refused === 0 ? '' : `, ${refused} left out (body purged, or being replayed already)`;
  if (state === 'running') return `${id} goes on in the gateway: ${made} of ${planned} so far. holdfast show ${id}`;
  return `${id} ${state}: made ${amount(made, 'delivery', 'deliveries')}${left}.`;
}

async function list(out: Output, client: Client, json: boolean): Promise<number> {
  const { rows } = await client.get<{ rows: readonly Replay[] }>('/api/replays');
  if (json) for (const row of rows) out.json(row);
  else if (rows.length === 0) out.note('No bulk replays.');
  else {
    const cells = rows.map((row) => [
      dateTime(row.startedAt),
      row.id,
      row.state,
      `${row.made}/${row.planned}`,
      plain(row.by),
    ]);
    out.table(['STARTED', 'ID', 'STATE', 'MADE', 'BY'], cells);
  }
  return exitCodes.ok.code;
}

async function cancel(out: Output, client: Client, id: string): Promise<number> {
  if (!isId('rpl', id)) throw new UsageError(`--cancel: '${plain(id)}' is no bulk replay: expected rpl_….`);
  out.line(ended(await client.delete<Replay>(`/api/replays/${id}`)));
  return exitCodes.ok.code;
}
