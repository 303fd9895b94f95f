/** A gateway on a shared store, as a process of its own. Run by world.ts; its only argument is WorkerOptions as JSON. */
import { createGateway } from '../../src/index.ts';
import type { Asked, Told, WorkerOptions } from './wire.ts';

const { store, receiver, endpoints, lease, role } = JSON.parse(process.argv[2] ?? '{}') as WorkerOptions;
const gateway = createGateway({
  store,
  leaseMs: lease,
  role,
  // The stand-in for MongoDB cannot promise more.
  allowWeakerDurability: store.startsWith('mongodb'),
  port: 0,
  adminToken: 'test-token-of-the-processes',
  encryptionKeys: [Buffer.alloc(32, 7).toString('base64')],
  logLevel: 'silent',
  egressAllow: ['127.0.0.1'],
  graceMs: '5s',
  sources: {},
});

for (const [name, { concurrency, rate }] of Object.entries(endpoints)) {
  const paced = { concurrency, ...(rate === undefined ? {} : { ratePerS: rate }) };
  gateway.endpoint(name, { from: 'emitted', types: [name], url: `${receiver}/${name}`, breaker: false, ...paced });
}

async function told(path: string): Promise<void> {
  await (await fetch(`${receiver}/${path}`, { method: 'POST' })).text();
}

// Ends the process in its first turn, before anything else could happen.
gateway.handle('poison', { from: 'emitted', types: ['poison'] }, () => process.exit(9));
// Ends it after others have begun.
gateway.handle('slow-poison', { from: 'emitted', types: ['slow-poison'] }, async () => {
  await told('slow-poison');
  process.exit(9);
});
// One at a time: what waits behind the first is claimed, and has not begun.
gateway.handle('bystander', { from: 'emitted', types: ['bystander'], concurrency: 1 }, () => told('bystander'));

let stopping = false;
process.on('SIGTERM', () => {
  if (stopping) return;
  stopping = true;
  void gateway.stop().then(() => process.exit(0));
});
process.on('disconnect', () => process.exit(1));
process.on('message', (asked: Asked) => void answer(asked));

await gateway.start();
tell({ kind: 'ready' });

async function answer(asked: Asked): Promise<void> {
  if (asked.kind === 'emit') {
    const { type, count } = asked;
    await gateway.emitBatch(Array.from({ length: count }, (_, index) => ({ type, body: { index } })));
    return tell({ kind: 'emitted' });
  }
  const headers = { authorization: `Bearer ${gateway.adminToken}` };
  const response = await gateway.admin().fetch(new Request(`http://test${asked.path}`, { headers }));
  return tell({ kind: 'got', body: await response.json() });
}

function tell(told: Told): void {
  process.send?.(told);
}
