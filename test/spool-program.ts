/** A gateway with a spool as a process of its own, to be killed. Its only argument is {@link SpoolProgram} as JSON. */
import { appendFileSync } from 'node:fs';
import { createGateway } from '../src/index.ts';
import { hmac } from '../src/verify/index.ts';

/** How the process is set up. */
export interface SpoolProgram {
  readonly store: string;
  readonly spool: string;
  /** A line for every event that is handled: order key and number. */
  readonly handled: string;
}

const { store, spool, handled } = JSON.parse(process.argv[2] ?? '{}') as SpoolProgram;
const gateway = createGateway({
  store,
  spool: `sqlite:${spool}`,
  port: 0,
  adminToken: 'test-token-of-some-length',
  diskReserveBytes: 0,
  leaseMs: '2s',
  sources: {
    shop: {
      verify: hmac({ header: 'x-signature', secrets: 'test' }),
      type: 'body.type',
      dedupeKey: 'body.id',
      orderKey: 'body.order',
    },
  },
});
gateway.handle('till', { from: 'shop' }, ({ body }) => {
  const { order, number } = body as { order: string; number: number };
  appendFileSync(handled, `${order} ${number}\n`);
});
const { ingest } = await gateway.listen();
process.stdout.write(`LISTENING ${ingest.port}\n`);
