/** Holdfast as a user would run it: HMAC verified, deduplicated, committed with FULL, one no-op handler. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createGateway, defineConfig } from 'holdfast';
import { hmac } from 'holdfast/verify';
import { tell } from './serve.ts';

const [, , store = '', secret = ''] = process.argv;
let processed = 0;

const gateway = createGateway(
  defineConfig({
    store,
    port: 0,
    adminPort: 0,
    logLevel: 'warn',
    sources: {
      bench: { verify: hmac({ header: 'x-signature', secrets: secret }), type: 'body.event', dedupeKey: 'body.id' },
    },
  }),
);
gateway.handle('noop', { from: 'bench' }, () => {
  processed++;
});

const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const { ingest } = await gateway.listen();
tell(ingest.port, {
  processed: () => processed,
  loopP99Ms: () => {
    const p99 = delay.percentile(99) / 1e6;
    delay.reset();
    return p99;
  },
  stop: () => gateway.stop(),
});
