import type { z } from 'zod';
import type { deliveryDetailShape, eventDetailShape, replayShape } from '../../api/shapes.ts';
import type { timelineShape } from '../../api/timeline.ts';
import { formatBytes, formatDuration } from '../../core/duration.ts';
import { isId } from '../../core/id.ts';
import type { Client } from '../client.ts';
import { defineCommand, gatewayOptions, jsonOption } from '../command.ts';
import { withReader } from '../connect.ts';
import { UsageError } from '../exit.ts';
import { type Output, plain } from '../output.ts';
import { firstLine } from '../story.ts';
import { exactTime, fromNow, stateText } from '../text.ts';

type Delivery = z.output<typeof deliveryDetailShape>;
type TimelineEntry = z.output<typeof timelineShape>;

/** What `GET /api/rejections/{id}` answers. */
interface Rejection {
  readonly id: string;
  readonly source: string;
  readonly receivedAt: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly remoteAddress: string;
  readonly code: string;
  readonly reason: string;
  readonly detail: string | null;
  readonly verifiable: boolean;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly bodyBytes: number;
  readonly bodyText: string | null;
}

/** What `GET /api/events/{id}` answers. */
interface EventAnswer {
  readonly event: z.output<typeof eventDetailShape>;
  readonly alias: { readonly id: string; readonly receivedAt: string } | null;
  readonly spooled: boolean;
  readonly duplicates: { readonly count: number };
  readonly answer: { readonly status: number; readonly bodyText: string | null } | null;
  readonly deliveries: readonly Delivery[];
  readonly timeline: readonly TimelineEntry[];
}

export const show = defineCommand({
  name: 'show',
  summary: 'Shows one event with all that happened to it, a delivery with its attempts, a rejection, or a bulk replay.',
  positionals: [{ name: 'ID', about: 'An id: evt_…, dlv_…, rej_… or rpl_….' }],
  options: {
    headers: { type: 'flag', about: "Shows an event's headers; credentials are redacted." },
    body: { type: 'flag', about: "Writes an event's body to standard output, byte for byte, and nothing else." },
    json: jsonOption,
    ...gatewayOptions,
  },
  examples: ['holdfast show evt_01k3…', 'holdfast show evt_01k3… --body > body.json', 'holdfast show dlv_01k3… --json'],
  async run(invocation) {
    const { options, out } = invocation;
    const id = invocation.positionals[0] ?? '';
    const path = pathOf(id);
    if (options.body && !isId('evt', id)) throw new UsageError('--body needs the id of an event: evt_….');
    await withReader(invocation, async ({ client }) => {
      if (options.body) out.bytes(await client.bytes(`${path}/body`));
      else if (options.json) out.json(await client.get(path));
      else await shown(out, { id, path, client, headers: options.headers });
    });
    return 0;
  },
});

function pathOf(id: string): string {
  if (isId('evt', id)) return `/api/events/${id}`;
  if (isId('dlv', id)) return `/api/deliveries/${id}`;
  if (isId('rej', id)) return `/api/rejections/${id}`;
  if (isId('rpl', id)) return `/api/replays/${id}`;
  throw new UsageError(`'${plain(id)}' is no id: expected evt_, dlv_, rej_ or rpl_ and 26 characters.`);
}

interface Asked {
  readonly id: string;
  readonly path: string;
  readonly client: Client;
  readonly headers: boolean;
}

async function shown(out: Output, { id, path, client, headers }: Asked): Promise<void> {
  if (isId('evt', id)) showEvent(out, await client.get<EventAnswer>(path), headers);
  else if (isId('dlv', id)) showDelivery(out, await client.get<Delivery>(path));
  else if (isId('rej', id)) showRejection(out, await client.get<Rejection>(path));
  else showReplay(out, await client.get<z.output<typeof replayShape>>(path));
}

function showEvent(
  out: Output,
  { event, alias, spooled, duplicates, answer, deliveries, timeline }: EventAnswer,
  headers: boolean,
): void {
  if (alias !== null) {
    const when = exactTime(alias.receivedAt);
    out.line(`${alias.id} was acknowledged from the spool (${when}) and repeats this event, which was there by then:`);
  }
  out.line(`${out.paint('bold', event.id)}  ${plain(event.type) || 'no type'} from ${plain(event.source)}`);
  fields(out, {
    received: `${exactTime(event.receivedAt)} (${fromNow(event.receivedAt, Date.now())}), ${event.method} ${event.path}, ${formatBytes(event.bodyBytes)}`,
    'dedupe key': event.dedupeKey,
    'order key': event.orderKey,
    tenant: event.tenant,
    correlation: event.correlationId,
    repeats:
      duplicates.count === 0 ? null : `received again ${duplicates.count === 1 ? 'once' : `${duplicates.count} times`}`,
    'repeat of': event.duplicateOf,
    spooled: spooled ? 'in the spool of this gateway, and in no store yet' : null,
    'does not fit': event.unfit,
    answered: answer === null ? null : `${answer.status} ${answer.bodyText ?? ''}`,
  });
  out.line();
  for (const entry of timeline) out.line(timelineLine(out, entry));
  if (deliveries.length > 0) {
    out.line();
    const rows = deliveries.map((row) => [
      plain(row.destination),
      stateText(out, row.state),
      String(row.attempts),
      row.id,
    ]);
    out.table(['DESTINATION', 'STATE', 'ATTEMPTS', 'DELIVERY'], rows);
  }
  if (headers) {
    out.line();
    for (const { name, value } of event.headers) out.line(`${out.paint('dim', `${plain(name)}:`)} ${plain(value)}`);
  }
  out.line();
  out.line(bodyOf(event));
}

const BODY_SHOWN_MAX = 2000;

function bodyOf(event: EventAnswer['event']): string {
  if (!event.bodyKept) return 'The body has been purged.';
  return shortBody(event.bodyText, `The body is no text, or long: holdfast show ${event.id} --body`);
}

function shortBody(body: string | null, otherwise: string): string {
  if (body === null) return otherwise;
  const text = body.split('\n').map(plain).join('\n');
  return text.length <= BODY_SHOWN_MAX ? text : `${text.slice(0, BODY_SHOWN_MAX)}…`;
}

const KIND_COLOURS: Readonly<Record<string, 'green' | 'red' | 'yellow' | 'cyan'>> = {
  accepted: 'cyan',
  succeeded: 'green',
  skipped: 'green',
  dead: 'red',
  next: 'yellow',
};

function timelineLine(out: Output, { at, kind, text }: TimelineEntry): string {
  const time = at === null ? ' '.repeat(23) : exactTime(at);
  const colour = KIND_COLOURS[kind];
  const word = kind.padEnd(9);
  return `${time}  ${colour === undefined ? word : out.paint(colour, word)}  ${firstLine(plain(text))}`;
}

function showDelivery(out: Output, delivery: Delivery): void {
  out.line(
    `${out.paint('bold', delivery.id)}  ${plain(delivery.type) || 'no type'} to ${plain(delivery.destination)}: ${stateText(out, delivery.state)}`,
  );
  fields(out, {
    event: delivery.eventId,
    received: exactTime(delivery.receivedAt),
    'order key': delivery.orderKey,
    attempts: String(delivery.attempts),
    crashes: delivery.crashes === 0 ? null : String(delivery.crashes),
    reason: delivery.reason,
    // The stack is shown once, with its attempt.
    note: delivery.note?.split('\n', 1)[0] ?? null,
    resolved:
      delivery.resolved === null
        ? null
        : `${exactTime(delivery.resolved.at)} by ${delivery.resolved.by}: ${delivery.resolved.note}`,
    'replay of': delivery.replayOf,
    next: delivery.next === null ? null : nextText(delivery.next),
  });
  for (const attempt of delivery.attemptList) {
    out.line();
    const status = attempt.status === null ? '' : ` with ${attempt.status}`;
    const good = attempt.outcome === 'succeeded' || attempt.outcome === 'skipped';
    out.line(
      `attempt ${attempt.number}  ${exactTime(attempt.startedAt)}  ` +
        `${out.paint(good ? 'green' : 'yellow', attempt.outcome)}${status} after ${formatDuration(attempt.durationMs)}  ${out.paint('dim', plain(attempt.worker))}`,
    );
    for (const line of attempt.error?.split('\n') ?? []) out.line(`  ${plain(line)}`);
  }
}

function nextText({ at, why }: NonNullable<Delivery['next']>): string {
  return at === null ? why : `${exactTime(at)} (${fromNow(at, Date.now())}): ${why}`;
}

function showRejection(out: Output, rejection: Rejection): void {
  const { method, path, query, reason, detail } = rejection;
  out.line(`${out.paint('bold', rejection.id)}  a request to ${plain(rejection.source)}`);
  fields(out, {
    received: `${exactTime(rejection.receivedAt)} (${fromNow(rejection.receivedAt, Date.now())}), ${formatBytes(rejection.bodyBytes)}`,
    request: `${method} ${path}${query === '' ? '' : `?${query}`}`,
    from: rejection.remoteAddress,
    answered: rejection.code,
    reason: detail === null ? reason : `${reason}: ${detail}`,
    again: rejection.verifiable ? null : 'cannot be verified again: its credential was redacted',
  });
  out.line();
  for (const { name, value } of rejection.headers) out.line(`${out.paint('dim', `${plain(name)}:`)} ${plain(value)}`);
  out.line();
  out.line(shortBody(rejection.bodyText, 'The body is no text, or long.'));
}

function showReplay(out: Output, replay: z.output<typeof replayShape>): void {
  out.line(`${out.paint('bold', replay.id)}  ${replay.state}`);
  fields(out, {
    by: `${replay.by}, ${exactTime(replay.startedAt)}`,
    ended: replay.endedAt === null ? null : exactTime(replay.endedAt),
    filter: JSON.stringify(replay.filter),
    made: `${replay.made} of ${replay.planned} planned, ${replay.refused} left out`,
  });
}

function fields(out: Output, values: Readonly<Record<string, string | null>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== '') out.line(`  ${out.paint('dim', name.padEnd(12))} ${plain(value)}`);
  }
}
