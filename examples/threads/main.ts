/** CPU in a thread: a webhook that needs a long computation, and one beside it that does not wait for it. */
import { createGateway, defineConfig } from 'holdfast';
import { none } from 'holdfast/verify';

const gateway = createGateway(
  defineConfig({
    store: 'memory:',
    logLevel: 'error',
    sources: { documents: { verify: none() }, pings: { verify: none() } }, // none(): anybody may send, an example only
  }),
);

// #region thread
gateway.handle('fingerprint', {
  from: 'documents',
  run: 'thread', // or 'process', for code that leaks, exits or crashes
  module: new URL('./fingerprint.ts', import.meta.url), // its default export is the handler
  concurrency: 1, // one thread
  timeout: '10s', // after it the thread is ended, and the attempt counts as failed
});
// #endregion
gateway.handle('pong', { from: 'pings' }, () => console.log('ping handled, while the thread was busy'));

const made = Promise.withResolvers<void>();
gateway.handle('made', { from: 'emitted', types: ['fingerprint.made'] }, (event) => {
  const { hex } = event.body as { hex: string };
  console.log(`fingerprint made in a thread: ${hex.length / 2} bytes`);
  made.resolve();
});

await gateway.start();
const post = (path: string): Promise<Response> =>
  gateway.fetch(new Request(`http://localhost${path}`, { method: 'POST', body: 'some document' }));
await post('/in/documents');
await post('/in/pings');
await made.promise;
await gateway.stop();
