/**
 * Orders from many merchants at once, one of them with an endpoint that is down: how fast changes are taken, how soon
 * the merchants are told, and what becomes of the one that is down. Needs the system running (`npm run system payments`).
 *
 *   OPERATOR_TOKEN=… node --conditions=holdfast-source examples/systems/payments/load.ts [changes] [merchants]
 */
import { randomUUID } from 'node:crypto';
import { type Got, Inbox, until } from '../../../test/sending-world.ts';
import { Client } from './world.ts';

const CHANGES = Number(process.argv[2] ?? 2000);
const MERCHANTS = Number(process.argv[3] ?? 10);
const WRITERS = 16;

const operator = new Client(
  process.env['PAYMENTS_URL'] ?? 'http://127.0.0.1:3000',
  process.env['OPERATOR_TOKEN'] ?? '',
);
const sentAt = new Map<string, number>();
const toldMs: number[] = [];
let down = true;

function told({ body }: Got): number {
  const { data } = JSON.parse(body.toString()) as { data: { id: string } };
  const at = sentAt.get(data.id);
  if (at !== undefined) toldMs.push(performance.now() - at);
  sentAt.delete(data.id);
  return 200;
}

const percentile = (values: readonly number[], share: number): string => {
  const sorted = values.toSorted((a, b) => a - b);
  return `${Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)} ms`;
};

await using inbox = await Inbox.start(told);
await using broken = await Inbox.start(() => (down ? 503 : 200));
const merchants: Client[] = [];
for (let index = 0; index < MERCHANTS; index++) {
  const merchant = await operator.merchant(`load-${randomUUID().slice(0, 8)}`);
  const { status } = await merchant.call('POST /api/endpoints', { url: index === 0 ? broken.url : inbox.url });
  if (status !== 201) throw new Error(`could not make an endpoint: ${status}`);
  merchants.push(merchant);
}
await new Promise((resolve) => setTimeout(resolve, 5000)); // every process knows a new endpoint by then

const answeredMs: number[] = [];
const begun = performance.now();
let next = 0;
async function write(): Promise<void> {
  for (let index = next++; index < CHANGES; index = next++) {
    const id = randomUUID();
    const at = performance.now();
    if (index % MERCHANTS !== 0) sentAt.set(id, at);
    const order = { id, customer: 'cus_1', cents: 990, currency: 'EUR' };
    const { status } = await (merchants[index % MERCHANTS] ?? operator).call('POST /orders', order);
    if (status !== 201) throw new Error(`POST /orders: ${status}`);
    answeredMs.push(performance.now() - at);
  }
}
await Promise.all(Array.from({ length: WRITERS }, write));
const takenS = (performance.now() - begun) / 1000;
console.log(`taken     ${CHANGES} orders in ${takenS.toFixed(1)} s, ${Math.round(CHANGES / takenS)} a second`);
console.log(`answered  p50 ${percentile(answeredMs, 0.5)}, p99 ${percentile(answeredMs, 0.99)}`);
await until(() => sentAt.size === 0);
console.log(`told      p50 ${percentile(toldMs, 0.5)}, p99 ${percentile(toldMs, 0.99)}: the merchants that were up`);
console.log(
  `left      ${(await operator.queue('webhook-delivery')).size} wait for the one that is down, asked ${broken.got.length} times`,
);
down = false;
await until(async () => (await operator.queue('webhook-delivery')).size === 0);
console.log(
  `drained   ${((performance.now() - begun) / 1000).toFixed(1)} s after the start, ${(await operator.queue('webhook-delivery')).deadLetters} dead letters`,
);
