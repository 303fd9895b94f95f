/**
 * `npm run bench:backlog`: memory, readiness after SIGKILL and ingest with 1,000,000 deliveries waiting, beside an
 * empty store. Flags: --backlog 1000000 --rounds 3 --seconds 5.
 */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { load, machine, median, Program } from './machine.ts';
import { preparedStore } from './prepared.ts';

const { values } = parseArgs({
  options: {
    backlog: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '5' },
  },
});
const SECRET = 'bench-secret';
const backlog = Number(values.backlog);
const seconds = Number(values.seconds);
const directory = await mkdtemp(join(tmpdir(), 'holdfast-bench-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const write = (line: string): void => void process.stdout.write(`${line}\n`);

interface Started {
  readonly program: Program;
  readonly readyMs: number;
}

async function started(store: string): Promise<Started> {
  const since = performance.now();
  const program = await Program.start('stuck.ts', [`sqlite:${store}`, SECRET]);
  return { program, readyMs: performance.now() - since };
}

async function kill({ program }: Started): Promise<void> {
  const exited = once(program.child, 'exit');
  program.child.kill('SIGKILL');
  await exited;
}

async function perS({ program }: Started): Promise<number> {
  const result = await load(program.port, { seconds, secret: SECRET });
  return (result.requests * 1e6) / result.durationUs;
}

write(`${machine()}; backlog of ${backlog} deliveries`);
const full = await preparedStore(directory, { keys: backlog, owedTo: 'stuck' });
const empty = await preparedStore(directory, { keys: 0, owedTo: null });
const ratios: number[] = [];
const ready: number[] = [];
const readyEmpty: number[] = [];
const rss: number[] = [];
for (let round = 1; round <= Number(values.rounds); round++) {
  const none = await started(empty);
  readyEmpty.push(none.readyMs);
  const before = await perS(none);
  await kill(none);
  const some = await started(full);
  ready.push(some.readyMs);
  const after = await perS(some);
  rss.push((await some.program.ask()).rssBytes / 1e6);
  await kill(some);
  ratios.push(after / before);
  write(
    `round ${round}: ingest ${before.toFixed(0)} /s empty, ${after.toFixed(0)} /s with the backlog; start ${none.readyMs.toFixed(0)} and ${some.readyMs.toFixed(0)} ms`,
  );
}
write('');
write('| | measured | target | stretch |');
write('| --- | --- | --- | --- |');
write(`| memory with ${backlog} deliveries waiting, MB RSS | ${median(rss).toFixed(0)} | 250 | 150 |`);
write(
  `| ready after SIGKILL with that backlog, beyond an empty start, s | ${((median(ready) - median(readyEmpty)) / 1000).toFixed(2)} | 2 | 0.5 |`,
);
write(`| ingest with that backlog, against an empty store | ${median(ratios).toFixed(2)} | 0.9 | 1 |`);
