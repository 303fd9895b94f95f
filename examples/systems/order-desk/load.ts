/**
 * Bursts of orders, as bots send them, and how long the desk takes to acknowledge and to work them off.
 *
 *   node --conditions=holdfast-source examples/systems/order-desk/load.ts           against http://127.0.0.1:8001, or DESK_URL
 */
import { setTimeout as wait } from 'node:timers/promises';
import { type LoadReport, sendLoad } from 'holdfast/testing';
import { none, refract } from 'holdfast/verify';

export interface Burst {
  readonly name: string;
  readonly count: number;
  /** Spread evenly over so long; 0: all at once. */
  readonly overMs: number;
}

export const bursts: readonly Burst[] = [
  { name: '100 at once', count: 100, overMs: 0 },
  { name: '300 in 10 s', count: 300, overMs: 10_000 },
  { name: '1,000 in 30 s', count: 1000, overMs: 30_000 },
  { name: '500 in 5 min, ten times faster', count: 500, overMs: 30_000 },
];

/** A running desk, and what opens it. */
export interface Desk {
  readonly origin: string;
  readonly token: string;
  readonly password: string;
}

export interface BurstReport extends LoadReport {
  /** From the last answer until nothing was waiting any more. */
  readonly drainMs: number;
}

const PATH = '/api/v2/webhooks';
const PRODUCTS = ['Trading Card Box (Sealed)', 'Running Shoe', 'Console', 'Concert Ticket'];

/** An order that is like no other, in the one or the other of the two ways in which bots write it. */
export function orderMessage(index: number, run: string): string {
  const product = PRODUCTS[index % PRODUCTS.length] ?? '';
  const [price, number, email] = [`$${20 + (index % 80)}.99`, `${run}-${index}`, `buyer${index}@example.com`];
  const lines = ['Product', product, 'Price', price, 'Order Number', number, 'Email', email];
  const described = { author: { name: 'Example Shop' }, title: 'Order Confirmed', description: lines.join('\n') };
  const fields = [
    { name: 'Site', value: 'Example Shop US', inline: true },
    { name: 'Product', value: `[${product}](https://shop.example.com/p/${index})` },
    { name: 'Price', value: price, inline: true },
    { name: 'Order Number', value: `||${number}||`, inline: true },
    { name: 'Email', value: `||${email}||` },
  ];
  const embed = index % 2 === 0 ? described : { author: { name: 'Refract' }, title: 'Successful Checkout!', fields };
  return JSON.stringify({ username: 'order bot', content: null, embeds: [embed] });
}

/** Sends a burst and waits until it has been worked off. */
export async function sendBurst(desk: Desk, burst: Burst, run: string): Promise<BurstReport> {
  return { ...(await sendOnly(desk, burst, run)), drainMs: await drained(desk) };
}

/** Sends a burst; resolves when it has been answered. */
export function sendOnly({ origin, token }: Desk, burst: Burst, run: string): Promise<LoadReport> {
  return sendLoad({
    ...loadOf(origin, burst, run),
    verifier: refract({ header: 'x-webhook-token', secrets: token }),
  });
}

/** How many milliseconds it takes until nothing waits any more. */
export async function drained(desk: Desk): Promise<number> {
  const since = performance.now();
  while ((await statsOf(desk))['queue_size'] !== 0) await wait(25);
  return performance.now() - since;
}

/** The same burst at a server that only reads it: what this machine and its clients take by themselves. */
export function sendBurstTo(origin: string, burst: Burst): Promise<LoadReport> {
  return sendLoad({ ...loadOf(origin, burst, 'nobody'), verifier: none() });
}

function loadOf(origin: string, { count, overMs }: Burst, run: string) {
  const make = (index: number) => ({
    method: 'POST',
    url: `${PATH}/orders`,
    headers: ['content-type', 'application/json'],
    body: Buffer.from(orderMessage(index, run)),
  });
  return {
    origin,
    count,
    concurrency: Math.min(count, 100),
    ratePerS: overMs === 0 ? null : count / (overMs / 1000),
    make,
  };
}

export async function statsOf({ origin, password }: Desk): Promise<Record<string, unknown>> {
  const authorization = `Basic ${Buffer.from(`load:${password}`).toString('base64')}`;
  const answer = await fetch(`${origin}${PATH}/queue/stats`, { headers: { authorization } });
  if (!answer.ok) throw new Error(`The desk answered ${answer.status}: is DESK_PASSWORD right?`);
  return (await answer.json()) as Record<string, unknown>;
}

export function lineOf(
  name: string,
  { statuses, errors, latencyMs, drainMs }: LoadReport & { drainMs?: number },
): string {
  const ms = (value = 0): string => `${value.toFixed(1)} ms`.padStart(9);
  const times = `p50 ${ms(latencyMs?.p50)}  p95 ${ms(latencyMs?.p95)}  p99 ${ms(latencyMs?.p99)}`;
  const drained = drainMs === undefined ? '' : `  drained ${ms(drainMs)} after the last`;
  return `${name.padEnd(30)} ${times}${drained}  ${JSON.stringify({ ...statuses, ...errors })}`;
}

async function main({ DESK_URL, ORDER_BOT_TOKENS = '', DESK_PASSWORD = '' }: NodeJS.ProcessEnv): Promise<void> {
  const [token = ''] = ORDER_BOT_TOKENS.split(',');
  const desk = { origin: DESK_URL ?? 'http://127.0.0.1:8001', token, password: DESK_PASSWORD };
  // As a desk is that has run for a while: the first requests of a process are slower, its code being compiled as it runs.
  await sendBurst(desk, { name: 'warm', count: 300, overMs: 3000 }, `warm-${Date.now().toString(36)}`);
  for (const burst of bursts) {
    console.log(lineOf(burst.name, await sendBurst(desk, burst, Date.now().toString(36))));
  }
  console.log(await statsOf(desk));
}

if (import.meta.main) await main(process.env);
