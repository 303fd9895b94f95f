import { formatBytes, formatDuration } from '../../core/duration.ts';
import { defineCommand, gatewayOptions, jsonOption } from '../command.ts';
import { didYouMean } from '../../core/suggest.ts';
import { exitCodes, UsageError } from '../exit.ts';
import { findSetup, overlay } from '../locate.ts';
import { type Output, plain } from '../output.ts';
import { drainSpool, type SpoolDetail, spoolStatus } from '../spool.ts';
import { exactTime } from '../text.ts';

const ACTIONS = ['status', 'drain'];

export const spool = defineCommand({
  name: 'spool',
  summary: "Shows a gateway's spool, or moves the spool of a machine that died into the store.",
  details:
    'status asks the gateway that owns the spool, or opens the file. drain owns the file while it runs: it is for a spool whose gateway does not run, and tries again what the store refused. It works as a gateway of the config for that time (role gateway): of all destinations it attempts responders of sync sources only. Exits with 0 when the spool is empty, with 1 when something is left in it.',
  positionals: [{ name: 'status|drain', about: 'What to do.' }],
  options: {
    spool: { type: 'text', value: 'SPOOL', about: 'The spool (sqlite:PATH), instead of the setting `spool`.' },
    json: jsonOption,
    ...gatewayOptions,
  },
  examples: ['holdfast spool status', 'holdfast spool drain --spool sqlite:/mnt/old/spool.db'],
  async run(invocation) {
    const { options, out, positionals } = invocation;
    const action = positionals[0] ?? '';
    if (!ACTIONS.includes(action))
      throw new UsageError(`'spool' does not know '${plain(action)}'.${didYouMean(action, ACTIONS)}`);
    const environment = overlay(invocation.environment, { HOLDFAST_SPOOL: options.spool });
    const surroundings = { ...invocation, environment };
    const setup = await findSetup(surroundings, options.config);
    if (action === 'status') {
      const detail = await spoolStatus(setup, surroundings, options);
      if (options.json) out.json(detail);
      else show(out, detail);
      return exitCodes.ok.code;
    }
    const { moved, ...detail } = await drainSpool(setup, surroundings);
    if (options.json) out.json({ moved, ...detail });
    else {
      out.line(`${moved} events moved, ${detail.totals.aliases} of them repeats of one that was there`);
      show(out, detail);
    }
    return detail.events === 0 && detail.aside === 0 ? exitCodes.ok.code : exitCodes.failed.code;
  },
});

function show(out: Output, { mode, events, bytes, oldestAt, refuses, asideRows, aside }: SpoolDetail): void {
  if (events === 0) out.line(out.paint('green', 'The spool is empty: everything that was accepted is in the store.'));
  else {
    const age = oldestAt === null ? '' : `, the oldest for ${formatDuration(Date.now() - Date.parse(oldestAt))}`;
    out.line(`${mode ?? 'no gateway runs'}: ${events} events (${formatBytes(bytes)}) wait for the store${age}`);
  }
  if (refuses !== null) out.line(out.paint('red', `It takes nothing more: ${refuses}`));
  if (aside === 0) return;
  out.line();
  out.line(out.paint('red', `${aside} were acknowledged and are refused by the store:`));
  for (const row of asideRows) {
    out.line(`  ${exactTime(row.spooledAt)}  ${row.eventIds.join(', ')}`);
    out.line(`    ${plain(row.reason)}`);
  }
}
