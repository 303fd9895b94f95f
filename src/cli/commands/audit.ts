import type { z } from 'zod';
import type { entryShape, marksShape } from '../../api/audit.ts';
import { AuditCheck } from '../../core/audit.ts';
import type { Client, Rows } from '../client.ts';
import { defineCommand, gatewayOptions, jsonOption } from '../command.ts';
import { withReader } from '../connect.ts';
import { exitCodes, UsageError } from '../exit.ts';
import { type Output, plain } from '../output.ts';
import { amount, dateTime } from '../text.ts';

type Entry = z.output<typeof entryShape>;

interface Page extends Rows<Entry> {
  readonly marks: z.output<typeof marksShape>;
}

const PAGE = 200;

export const audit = defineCommand({
  name: 'audit',
  summary: 'Lists who changed what, newest first; with --verify checks that nothing was changed afterwards.',
  details:
    'Each entry holds the hash of the one before it. Whoever can write to the store could write a whole new chain: compare ' +
    'it with a hash that was noted elsewhere, with --contains. Each entry is also in the log of the gateway.',
  options: {
    limit: { type: 'integer', short: 'n', min: 1, default: 20, about: 'Most entries listed.' },
    verify: { type: 'flag', about: 'Checks the whole chain; exit code 1 when it is broken.' },
    contains: { type: 'text', value: 'HASH', about: 'With --verify: an entry with this hash must be in it.' },
    json: jsonOption,
    ...gatewayOptions,
  },
  examples: ['holdfast audit', 'holdfast audit --json --limit 1000', 'holdfast audit --verify'],
  async run(invocation) {
    const { options, out } = invocation;
    const { json, contains } = options;
    if (contains !== undefined && !options.verify) throw new UsageError('--contains goes with --verify.');
    return withReader(invocation, async ({ client }) => {
      if (options.verify) return verify({ client, out, json, contains });
      const rows = await client.list<Entry>('/api/audit', {}, options.limit);
      if (json) for (const row of rows) out.json(row);
      else listEntries(out, rows);
      return 0;
    });
  },
});

interface Verifying {
  readonly client: Client;
  readonly out: Output;
  readonly json: boolean;
  readonly contains: string | undefined;
}

/** Here, not in the gateway: the hashes are made again from what was read. */
async function verify({ client, out, json, contains }: Verifying): Promise<number> {
  const ask = (cursor?: string): Promise<Page> => client.get('/api/audit', { order: 'oldest', limit: PAGE, cursor });
  let page = await ask();
  const { purged, head } = page.marks;
  const check = new AuditCheck(page.marks);
  let isContained = contains === undefined || contains === purged?.hash;
  let last: Entry | undefined;
  for (;;) {
    const isGood = page.rows.every((row) => check.add({ ...row, at: Date.parse(row.at) }));
    isContained ||= page.rows.some(({ hash }) => hash === contains);
    last = page.rows.at(-1) ?? last;
    if (!isGood || page.cursor === null) break;
    page = await ask(page.cursor);
  }
  const missing = isContained ? null : { seq: head?.seq ?? 0, problem: `no entry has the hash ${contains ?? ''}` };
  const fault = check.end() ?? missing;
  const { checked } = check;
  if (json) out.json({ checked, purged: purged?.seq ?? 0, head: last?.hash ?? null, fault });
  else if (fault !== null) out.line(out.paint('red', `Broken at entry ${fault.seq}: ${plain(fault.problem)}.`));
  else {
    const gone = purged === null ? '' : `; ${amount(purged.seq, 'older one')} went with retention`;
    out.line(
      `${amount(checked, 'entry', 'entries')}, unbroken${gone}.${last === undefined ? '' : ` The newest: ${last.hash}`}`,
    );
  }
  return fault === null ? exitCodes.ok.code : exitCodes.failed.code;
}

function listEntries(out: Output, rows: readonly Entry[]): void {
  if (rows.length === 0) {
    out.note('Nothing was changed yet.');
    return;
  }
  out.table(
    ['AT', 'WHO', 'FOR', 'FROM', 'ACTION', 'TARGET', 'NOTE'],
    rows.map((row) => [
      dateTime(row.at),
      plain(row.whoName),
      plain(row.by),
      row.ip || '-',
      row.action,
      plain(row.target) || '-',
      plain(row.note ?? ''),
    ]),
  );
}
