/** The gateway under test as a process of its own. Run by supervisor.ts; its only argument is ProgramOptions as JSON. */
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { createGateway, exponential, HoldfastError } from '../../src/index.ts';
import { sqliteStore } from '../../src/store/sqlite/index.ts';
import { hmac } from '../../src/verify/index.ts';
import { storeWithControls } from './controls.ts';
import { Failpoints, observerWithPoints, storeWithPoints, verifierWithPoints } from './failpoints.ts';
import { Work } from './work.ts';
import { type Arm, BURN, EXITS, LEDGER, MAIL, type ProgramOptions, SECRET, SOURCE, type Told, TOKEN } from './wire.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as ProgramOptions;
const points = new Failpoints();
const work = new Work(options, points);
const path = join(options.directory, 'holdfast.db');
const synchronous = options.durability;
/** Rows written, not committed: only the store itself can say when that is. */
const inside = options.storePoint
  ? { failpoint: (label: string) => void (label === 'before-commit' && points.hit('after-append')) }
  : {};

const verify = verifierWithPoints(hmac({ header: 'x-signature', secrets: SECRET }), points);

const gateway = createGateway(
  {
    store: `sqlite:${path}`,
    durability: options.durability.toLowerCase(),
    port: options.port,
    adminToken: TOKEN,
    diskReserveBytes: options.diskReserveBytes,
    logLevel: 'silent',
    graceMs: '5s',
    sources: {
      [SOURCE]: { verify, type: 'header.x-plan', dedupeKey: 'header.x-key', orderKey: 'header.x-order' },
      [BURN]: { verify },
      [EXITS]: { verify },
    },
  },
  {
    observer: {
      ...observerWithPoints(points),
      commitFailed: (failure, message) => console.error(`commit failed: ${failure}: ${message}`),
    },
    store: ({ clock, ids }) =>
      storeWithControls(
        storeWithPoints(sqliteStore({ path, clock, ids, synchronous, ...inside }), points),
        options.controls,
      ),
  },
);

const retry = exponential({ maxAttempts: 5, base: '20ms', jitter: 'none' });
gateway.handle(LEDGER, { from: SOURCE, retry }, work.handle);
gateway.handle(MAIL, { from: SOURCE, retry, ordered: false }, work.handle);
const isolated = (name: string) => new URL(`./handlers/${name}.ts`, import.meta.url);
gateway.handle(BURN, { from: BURN, run: 'thread', concurrency: 1, module: isolated(BURN) });
gateway.handle(EXITS, { from: EXITS, run: 'process', retry, module: isolated(EXITS) });

let stopping = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    // A second signal ends at once: what was acknowledged is in the file.
    if (stopping) process.exit(1);
    stopping = true;
    void gateway.stop().then(() => process.exit(0));
  });
}
process.on('disconnect', () => process.exit(1));
process.on('message', (message: Arm) => {
  points.arm(message.failpoint);
  tell({ kind: 'armed' });
});

points.arm(options.failpoint);
try {
  const { ingest } = await gateway.listen();
  const url = `http://${ingest.host}:${ingest.port}`;
  const { ackMeaning = '', unclean = false } = gateway.report ?? {};
  tell({ kind: 'ready', pid: process.pid, url, ackMeaning, unclean });
  if (options.run === 1) flushCompileCache();
} catch (error) {
  const code = error instanceof HoldfastError ? error.code : '';
  tell({ kind: 'refused', code, message: error instanceof Error ? error.message : String(error) });
  console.error(error);
  process.exitCode = 1;
  process.disconnect();
}

function tell(told: Told): void {
  process.send?.(told);
}
