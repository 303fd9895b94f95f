import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { HoldfastError } from '../../errors.ts';
import { salvageStore } from '../../gateway/stores.ts';
import { defineCommand } from '../command.ts';
import { exitCodes } from '../exit.ts';

export const salvage = defineCommand({
  name: 'salvage',
  summary: 'Exports every intact event of a damaged store as JSON lines, and says what could not be read.',
  details:
    'Stop the gateway first. The file is only read. Each line holds an event as it was received, its body in base64, and the state of its deliveries. Problems go to standard error; the exit status is 1 when there were any.',
  positionals: [{ name: 'FILE', about: 'The damaged store.' }],
  options: {},
  examples: ['holdfast salvage data/holdfast.db > events.jsonl'],
  async run({ positionals, out, cwd }) {
    const file = resolve(cwd, positionals[0] ?? '');
    if (!existsSync(file)) throw new HoldfastError('invalid_input', { detail: `There is no file ${file}.` });
    const report = await salvageStore(file, {
      event: ({ body, ...event }) =>
        out.json({ ...event, body: body === null ? null : Buffer.from(body).toString('base64') }),
      problem: (place, error) => out.note(`${place}: ${error instanceof Error ? error.message : String(error)}`),
    });
    out.note(
      `${report.events} events, ${report.bodiesLost} without their body, ${report.problems} places could not be read.`,
    );
    return report.problems > 0 ? exitCodes.failed.code : exitCodes.ok.code;
  },
});
