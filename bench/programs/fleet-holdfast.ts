/** A gateway or a worker of Holdfast on a shared store: HMAC verified, deduplicated, committed, one no-op handler. */
import { createGateway, defineConfig } from 'holdfast';
import { hmac } from 'holdfast/verify';
import { tell } from './serve.ts';

const [, , role = '', secret = '', store = '', queue = ''] = process.argv;
let processed = 0;

const gateway = createGateway(
  defineConfig({
    store,
    role,
    ...(queue !== '' && { queue }),
    port: 0,
    adminPort: 0,
    // Its warnings of a busy event loop are what full load is.
    logLevel: 'error',
    // The stand-in for MongoDB does not say when it writes to the disk.
    allowWeakerDurability: store.startsWith('mongodb'),
    sources: {
      bench: { verify: hmac({ header: 'x-signature', secrets: secret }), type: 'body.event', dedupeKey: 'body.id' },
    },
  }),
);
gateway.handle('noop', { from: 'bench' }, () => {
  processed++;
});

const { ingest } = await gateway.listen();
tell(ingest.port, { processed: () => processed, stop: () => gateway.stop() });
