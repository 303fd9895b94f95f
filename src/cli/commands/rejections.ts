import { formatBytes } from '../../core/duration.ts';
import { isId } from '../../core/id.ts';
import { defineCommand, filterOptions, gatewayOptions, jsonOption } from '../command.ts';
import { withGateway, withReader } from '../connect.ts';
import { UsageError } from '../exit.ts';
import { type Output, plain } from '../output.ts';
import { amount, dateTime } from '../text.ts';

/** A row of `GET /api/rejections`. */
interface RejectionRow {
  readonly id: string;
  readonly source: string;
  readonly receivedAt: string;
  readonly remoteAddress: string;
  readonly reason: string;
  readonly detail: string | null;
  readonly bodyBytes: number;
  readonly verifiable: boolean;
}

const { source, since, until } = filterOptions;

export const rejections = defineCommand({
  name: 'rejections',
  summary: 'Lists refused requests with the reason, newest first; with --verify-again tries them once more.',
  details:
    'After a secret was corrected, --verify-again takes them through the normal path: those that verify now become events. Of a request whose credential was redacted nothing can be verified again.',
  positionals: [{ name: 'ID…', optional: true, about: 'Only these: rej_…; for --verify-again.' }],
  options: {
    source,
    since,
    until,
    reason: {
      type: 'text',
      value: 'REASON',
      about: 'Only those refused for it: signature_mismatch, header_missing, ….',
    },
    limit: { type: 'integer', short: 'n', min: 1, default: 20, about: 'Most rejections listed.' },
    'verify-again': { type: 'flag', about: 'Verifies them again, all or those of --source or of the ids.' },
    json: jsonOption,
    ...gatewayOptions,
  },
  examples: ['holdfast rejections --since 1h', 'holdfast rejections --verify-again --source stripe'],
  async run(invocation) {
    const { options, out, positionals: ids } = invocation;
    const wrong = ids.find((id) => !isId('rej', id));
    if (wrong !== undefined) throw new UsageError(`'${plain(wrong)}' is no rejection: expected rej_….`);
    if (ids.length > 0 && !options['verify-again']) throw new UsageError('Ids are for --verify-again.');
    if (options['verify-again']) {
      const ignored = (['since', 'until', 'reason'] as const).find((name) => options[name] !== undefined);
      if (ignored !== undefined) throw new UsageError(`--verify-again takes --source or ids, not --${ignored}.`);
      const filter = { source: options.source, ids: ids.length === 0 ? undefined : ids };
      return withGateway(invocation, async ({ client }) => {
        const answer = await client.post<{ accepted: number; refused: number }>('/api/rejections/verify-again', filter);
        if (options.json) out.json(answer);
        else out.line(`${amount(answer.accepted, 'event')} accepted, ${answer.refused} refused again.`);
        return answer.refused === 0 ? 0 : 1;
      });
    }
    await withReader(invocation, async ({ client }) => {
      const { source, since, until, reason, limit } = options;
      const rows = await client.list<RejectionRow>('/api/rejections', { source, since, until, reason }, limit);
      if (options.json) for (const row of rows) out.json(row);
      else listRejections(out, rows);
      const { process: keeper } = await client.get<{ process: string | null }>('/api/rejections', { limit: 1 });
      if (keeper !== null) out.note(`These are of the process ${keeper}: each keeps its own, until it stops.`);
    });
    return 0;
  },
});

function listRejections(out: Output, rows: readonly RejectionRow[]): void {
  if (rows.length === 0) {
    out.note('No rejections.');
    return;
  }
  out.table(
    ['RECEIVED', 'ID', 'SOURCE', 'FROM', 'SIZE', 'REASON', ''],
    rows.map((row) => [
      dateTime(row.receivedAt),
      row.id,
      plain(row.source),
      plain(row.remoteAddress),
      formatBytes(row.bodyBytes),
      out.paint('yellow', plain(row.reason)),
      plain(row.detail ?? '') + (row.verifiable ? '' : ' (cannot be verified again)'),
    ]),
  );
}
