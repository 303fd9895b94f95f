/**
 * What ingest costs by itself: CPU per request of the listener with an HMAC, type and dedupe key and an append that does
 * nothing, beside a no-op node:http server, interleaved; medians. Flags: --rounds 5 --seconds 3. Needs wrk.
 */
import { parseArgs } from 'node:util';
import { load, machine, median, missing, Program } from './machine.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '3' } },
});
const SECRET = 'bench-secret';
const TARGET = 1.6;

interface Round {
  readonly cpuUs: number;
  readonly perS: number;
}

if (await missing('wrk')) throw new Error('wrk is missing: apt-get install wrk');

const programs = { 'no-op': await Program.start('noop.ts'), ingest: await Program.start('ingest-only.ts', [SECRET]) };
const rounds: Record<keyof typeof programs, Round[]> = { 'no-op': [], ingest: [] };

for (let round = -1; round < Number(values.rounds); round++) {
  for (const name of ['no-op', 'ingest'] as const) {
    const program = programs[name];
    const before = await program.cpuS();
    const { requests, durationUs, errors, non2xx } = await load(program.port, {
      seconds: Number(values.seconds),
      secret: SECRET,
    });
    if (errors + non2xx > 0) throw new Error(`${name}: ${errors} errors, ${non2xx} answers that are not 2xx`);
    const cpuUs = (((await program.cpuS()) - before) * 1e6) / requests;
    // The first round warms up.
    if (round >= 0) rounds[name].push({ cpuUs, perS: (requests * 1e6) / durationUs });
  }
}
for (const program of Object.values(programs)) await program.stop();

const cpu = (name: keyof typeof programs): number => median(rounds[name].map(({ cpuUs }) => cpuUs));
console.log(machine());
for (const name of ['no-op', 'ingest'] as const) {
  console.log(
    `${name.padEnd(7)} ${cpu(name).toFixed(1)} µs CPU, ${Math.round(median(rounds[name].map(({ perS }) => perS)))}/s`,
  );
}
const ratio = cpu('ingest') / cpu('no-op');
console.log(`ratio   ${ratio.toFixed(2)} (target below ${TARGET})`);
process.exitCode = ratio < TARGET ? 0 : 1;
