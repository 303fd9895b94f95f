/** Holdfast with a destination that takes nothing: everything that is accepted adds to its backlog. */
import { createGateway, defineConfig } from 'holdfast';
import { hmac } from 'holdfast/verify';
import { tell } from './serve.ts';

const [, , store = '', secret = ''] = process.argv;
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
gateway.handle('stuck', { from: 'bench', concurrency: 1, timeout: '1h' }, () => new Promise(() => undefined));

const { ingest } = await gateway.listen();
tell(ingest.port, { processed: () => 0, stop: () => gateway.stop({ graceMs: 0 }) });
