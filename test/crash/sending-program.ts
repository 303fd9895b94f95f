/** The gateway that sends, as a process of its own. Run by supervisor.ts; its only argument is ProgramOptions as JSON. */
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { createGateway, fixed } from '../../src/index.ts';
import { sqliteStore } from '../../src/store/sqlite/index.ts';
import { hmac } from '../../src/verify/index.ts';
import { storeWithControls } from './controls.ts';
import { type ProgramOptions, SECRET, SOURCE, type Told, TOKEN } from './wire.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as ProgramOptions;
const path = join(options.directory, 'holdfast.db');

const gateway = createGateway(
  {
    store: `sqlite:${path}`,
    port: options.port,
    adminToken: TOKEN,
    diskReserveBytes: options.diskReserveBytes,
    egressAllow: ['127.0.0.1'],
    logLevel: 'silent',
    graceMs: '5s',
    sources: {
      [SOURCE]: {
        verify: hmac({ header: 'x-signature', secrets: SECRET }),
        type: 'header.x-plan',
        dedupeKey: 'header.x-key',
        orderKey: 'header.x-order',
      },
    },
  },
  {
    observer: { commitFailed: (failure, message) => console.error(`commit failed: ${failure}: ${message}`) },
    store: ({ clock, ids }) =>
      storeWithControls(sqliteStore({ path, clock, ids, synchronous: options.durability }), options.controls),
  },
);

gateway.endpoint('crm', {
  from: SOURCE,
  types: ['succeed', 'slow', 'fail-once', 'reject', 'skip'],
  url: options.receiver,
  retry: fixed([20, 20, 20, 20]),
  statusRules: { fail: ['400'] },
});

process.on('SIGTERM', () => void gateway.stop().then(() => process.exit(0)));
process.on('disconnect', () => process.exit(1));

const { ingest } = await gateway.listen();
const { ackMeaning = '', unclean = false } = gateway.report ?? {};
const url = `http://${ingest.host}:${ingest.port}`;
const told: Told = { kind: 'ready', pid: process.pid, url, ackMeaning, unclean };
process.send?.(told);
if (options.run === 1) flushCompileCache();
