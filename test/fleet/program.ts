/** One process of a fleet. Run by fleet.ts; its only argument is MemberOptions as JSON. */
import { openSync, writeSync } from 'node:fs';
import { createGateway, exponential, type HandlerContext, type HandlerEvent } from '../../src/index.ts';
import { hmac } from '../../src/verify/index.ts';
import { FREE, type LogLine, type MemberOptions, ORDERED, SECRET, SOURCE, type Told, TOKEN } from './wire.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as MemberOptions;
/** Every line is one write at the end of the file all processes share: whoever is killed then, it is in the file. */
const log = openSync(options.log, 'a');

const gateway = createGateway({
  store: options.store,
  ...(options.queue !== null && { queue: options.queue }),
  role: options.role,
  leaseMs: `${options.leaseMs}ms`,
  // The stand-in for MongoDB does not say when it writes to the disk.
  allowWeakerDurability: options.store.startsWith('mongodb'),
  port: 0,
  adminToken: TOKEN,
  logLevel: options.logLevel ?? 'silent',
  graceMs: '5s',
  sources: {
    [SOURCE]: {
      verify: hmac({ header: 'x-signature', secrets: SECRET }),
      dedupeKey: 'header.x-key',
      orderKey: 'header.x-order',
    },
  },
});

const retry = exponential({ maxAttempts: 8, base: '20ms' });
gateway.handle(ORDERED, { from: SOURCE, retry, concurrency: 16 }, handle);
gateway.handle(FREE, { from: SOURCE, retry, ordered: false, concurrency: 16 }, handle);

async function handle(event: HandlerEvent, context: HandlerContext): Promise<void> {
  const line: LogLine = {
    member: options.member,
    destination: context.destination,
    delivery: context.deliveryId,
    order: event.header('x-order') ?? '',
    key: event.header('x-key') ?? '',
    ended: false,
  };
  write(line);
  if (options.stopsItself === options.member && line.destination === FREE) process.kill(process.pid, 'SIGSTOP');
  if (options.handlerMs > 0) await new Promise((resolve) => setTimeout(resolve, options.handlerMs));
  write({ ...line, ended: true });
}

function write(line: LogLine): void {
  writeSync(log, `${JSON.stringify(line)}\n`);
}

let stopping = false;
process.on('SIGTERM', () => {
  if (stopping) process.exit(1);
  stopping = true;
  void gateway.stop().then(() => process.exit(0));
});
process.on('disconnect', () => process.exit(1));

try {
  const { ingest, admin } = await gateway.listen();
  tell({ kind: 'ready', ingest: `http://127.0.0.1:${ingest.port}`, admin: `http://127.0.0.1:${admin.port}` });
} catch (error) {
  tell({ kind: 'refused', message: String(error) });
  process.exitCode = 1;
  process.disconnect();
}

function tell(told: Told): void {
  process.send?.(told);
}
