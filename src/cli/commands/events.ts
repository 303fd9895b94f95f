import type { z } from 'zod';
import type { eventShape } from '../../api/shapes.ts';
import { formatBytes } from '../../core/duration.ts';
import { defineCommand, filterOptions, gatewayOptions, jsonOption } from '../command.ts';
import { withGateway, withReader } from '../connect.ts';
import { UsageError } from '../exit.ts';
import { type Output, plain } from '../output.ts';
import { dateTime } from '../text.ts';

type EventRow = z.output<typeof eventShape>;

export const events = defineCommand({
  name: 'events',
  summary: 'Lists accepted events, newest first; with --follow shows what happens as it happens.',
  options: {
    ...filterOptions,
    'correlation-id': { type: 'text', value: 'ID', about: 'Only what follows from one request.' },
    'dedupe-key': { type: 'text', value: 'KEY', about: 'Only events with this dedupe key.' },
    unmatched: { type: 'flag', about: 'Only events that no destination matched.' },
    limit: { type: 'integer', short: 'n', min: 1, default: 20, about: 'Most events listed.' },
    oldest: { type: 'flag', about: 'Lists the oldest first.' },
    follow: {
      type: 'flag',
      short: 'f',
      about: 'Shows acceptances, attempts, dead letters and refusals live, until Ctrl-C.',
    },
    json: jsonOption,
    ...gatewayOptions,
  },
  examples: [
    'holdfast events --source stripe --since 1h',
    'holdfast events --unmatched --json',
    'holdfast events --follow',
  ],
  async run(invocation) {
    const { options, out } = invocation;
    if (options.follow) {
      const ignored = OF_THE_LIST.find((name) => options[name] !== undefined && options[name] !== false);
      if (ignored !== undefined)
        throw new UsageError(`--follow shows what happens from now on: not with --${ignored}.`);
      const { follow } = await import('../follow.ts');
      return withGateway(invocation, ({ address }) => follow(invocation, address));
    }
    await withReader(invocation, async ({ client }) => {
      const query = {
        source: options.source,
        type: options.type,
        tenant: options.tenant,
        since: options.since,
        until: options.until,
        dedupeKey: options['dedupe-key'],
        correlationId: options['correlation-id'],
        unmatched: options.unmatched ? 'true' : undefined,
        order: options.oldest ? 'oldest' : undefined,
      };
      const rows = await client.list<EventRow>('/api/events', query, options.limit);
      if (options.json) for (const row of rows) out.json(row);
      else listEvents(out, rows);
    });
    return 0;
  },
});

/** What picks from events that are there, and not from what happens. */
const OF_THE_LIST = ['since', 'until', 'dedupe-key', 'unmatched', 'oldest'] as const;

function listEvents(out: Output, rows: readonly EventRow[]): void {
  if (rows.length === 0) {
    out.note('No events.');
    return;
  }
  out.table(
    ['RECEIVED', 'ID', 'SOURCE', 'TYPE', 'SIZE', 'OWED', ''],
    rows.map((row) => [
      dateTime(row.receivedAt),
      row.id,
      plain(row.source),
      plain(row.type) || '-',
      formatBytes(row.bodyBytes),
      String(row.owed),
      noteOf(row),
    ]),
  );
}

function noteOf(row: EventRow): string {
  if (row.duplicateOf !== null) return `repeats ${row.duplicateOf} with another body`;
  if (row.unfit !== null) return `does not fit: ${plain(row.unfit)}`;
  return row.owed === 0 ? 'no destination matched' : '';
}
