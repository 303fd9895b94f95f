/**
 * Order keys: eleven updates for one user arrive at once. A handler that reads, computes and writes back loses some of
 * them when two run at the same time; with an order key they run one after the other, and other users do not wait.
 */
import { createHmac } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { createGateway, defineConfig } from 'holdfast';
import { rook } from 'holdfast/verify';

const KEY = 'the secret hash key from ROOK';
const UPDATES = 11;

// #region gateway
const gateway = createGateway(
  defineConfig({
    store: 'memory:',
    logLevel: 'error',
    port: 0,
    sources: { rook: rook({ secrets: KEY }) }, // its order key is the user: `orderKey: 'body.user_id'`
  }),
);

/** Stands in for a database: what is read may be old by the time it is written back. */
const steps = { ordered: new Map<string, number>(), unordered: new Map<string, number>() };

const done = Promise.withResolvers<void>();
let handled = 0;

async function add(table: Map<string, number>, user: string): Promise<void> {
  const before = table.get(user) ?? 0;
  await pause(10); // the round trip
  table.set(user, before + 1);
  if (++handled === 2 * (UPDATES + 1)) done.resolve();
}

gateway.handle('ordered', { from: 'rook' }, (event) => add(steps.ordered, event.orderKey ?? ''));
gateway.handle('unordered', { from: 'rook', ordered: false }, (event) => add(steps.unordered, event.orderKey ?? ''));
// #endregion

/** A document as ROOK sends it: a higher version is an update of the same day, not a repeat. */
function document(user: string, version: number): string {
  const metadata = { datetime_string: '2026-01-05T00:00:00Z', user_id_string: user, sources_of_data_array: ['Garmin'] };
  return JSON.stringify({
    client_uuid: 'c-1',
    data_structure: 'physical_summary',
    document_version: version,
    user_id: user,
    version: 2,
    physical_health: { summary: { physical_summary: { metadata } } },
  });
}

const { ingest } = await gateway.listen();
const send = async (user: string, version: number): Promise<number> => {
  const hash = createHmac('sha256', KEY).update(`c-1${user}2026-01-05T00:00:00Z`).digest('hex');
  const response = await fetch(`http://127.0.0.1:${ingest.port}/in/rook`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-rook-hash': hash },
    body: document(user, version),
  });
  return response.status;
};

const sending = Array.from({ length: UPDATES }, (_, index) => send('member-1', index + 1));
const answers = await Promise.all([...sending, send('member-2', 1)]);
await done.promise;
await gateway.stop();

console.log(`accepted: ${answers.filter((status) => status === 200).length} of ${UPDATES + 1}`);
console.log(`in order: ${steps.ordered.get('member-1')} of ${UPDATES} updates kept`);
console.log(`at once:  ${steps.unordered.get('member-1') === UPDATES ? 'all kept, by luck' : 'some lost'}`);
