/**
 * Providers of a fleet: each sends the webhooks of one order key, one after the other, to whichever gateway is there, again
 * until it is acknowledged, and now and then twice at once to two gateways. What they were answered is the truth.
 */
import { Agent, request } from 'node:http';
import type { Seeded } from '../crash/random.ts';
import type { Fleet } from './fleet.ts';
import { signature, SOURCE } from './wire.ts';

export interface Load {
  /** Order keys, and with it requests at once. */
  readonly keys: number;
  readonly each: number;
  readonly random: Seeded;
  /** Ends the sending: the test has failed. */
  readonly signal: AbortSignal;
  /** Ends the sending after what is under way. */
  readonly over?: boolean;
  /** How long each sender waits after an acknowledgement, in ms; default: not at all. */
  readonly pauseMs?: number;
  /** How many of a hundred are sent twice. */
  readonly twice?: number;
  /** Told how many webhooks have been acknowledged, with each. */
  readonly acknowledged?: (count: number) => void;
}

/** What the senders saw. */
export interface Sent {
  /** Keys that were acknowledged, in the order in which each sender was. */
  readonly acknowledged: Map<string, string[]>;
  /** How many these are. */
  count: number;
  tries: number;
  duplicates: number;
  /** Answers by status; 0 is no answer. */
  readonly statuses: Map<number, number>;
  /** Milliseconds from request to acknowledgement. */
  readonly latenciesMs: number[];
}

const AGAIN_MS = 25;
const ANSWER_MS_MAX = 15_000;

export async function send(fleet: Fleet, load: Load): Promise<Sent> {
  const agent = new Agent({ keepAlive: true, maxSockets: 512 });
  load.signal.addEventListener('abort', () => agent.destroy());
  const sent: Sent = {
    acknowledged: new Map(),
    count: 0,
    tries: 0,
    duplicates: 0,
    statuses: new Map(),
    latenciesMs: [],
  };
  const keys = Array.from({ length: load.keys }, (_, index) => `o${index}`);
  await Promise.all(keys.map((order) => sendKey(fleet, agent, { load, sent, order })));
  agent.destroy();
  return sent;
}

interface Sending {
  readonly load: Load;
  readonly sent: Sent;
  readonly order: string;
}

async function sendKey(fleet: Fleet, agent: Agent, { load, sent, order }: Sending): Promise<void> {
  const acknowledged: string[] = [];
  sent.acknowledged.set(order, acknowledged);
  for (let number = 1; number <= load.each && load.over !== true && !load.signal.aborted; number++) {
    const key = `${order}:${number}`;
    const one = deliver(fleet, agent, { sent, order, key, load });
    if (load.random.next() * 100 < (load.twice ?? 10)) {
      sent.duplicates++;
      await Promise.all([one, deliver(fleet, agent, { sent, order, key, load })]);
    } else await one;
    acknowledged.push(key);
    load.acknowledged?.(++sent.count);
    if (load.pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, load.pauseMs));
  }
}

interface One {
  readonly sent: Sent;
  readonly order: string;
  readonly key: string;
  readonly load: Load;
}

async function deliver(fleet: Fleet, agent: Agent, one: One): Promise<void> {
  while (!one.load.signal.aborted) {
    const up = fleet.gateways.flatMap(({ ingest }) => ingest ?? []);
    const url = up[one.load.random.between(0, up.length - 1)];
    const startedAt = performance.now();
    const status = url === undefined ? 0 : await post(`${url}/in/${SOURCE}`, agent, one);
    one.sent.tries++;
    one.sent.statuses.set(status, (one.sent.statuses.get(status) ?? 0) + 1);
    if (status === 200) {
      one.sent.latenciesMs.push(performance.now() - startedAt);
      return;
    }
    if (status !== 0 && status !== 503) throw new Error(`${one.key} was answered ${status}`);
    // A pace, not a synchronisation: a provider does not send again at once.
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

function post(url: string, agent: Agent, { order, key }: One): Promise<number> {
  const body = JSON.stringify({ key, padding: 'x'.repeat(200) });
  return new Promise((resolve) => {
    const headers = {
      'content-type': 'application/json',
      'content-length': body.length,
      'x-signature': signature(body),
      'x-key': key,
      'x-order': order,
    };
    const sending = request(url, { method: 'POST', agent, headers });
    sending.setTimeout(ANSWER_MS_MAX, () => sending.destroy(new Error('no answer in time')));
    sending.on('error', () => resolve(0));
    sending.on('response', (response) => {
      response.resume();
      response.on('error', () => resolve(0));
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    sending.end(body);
  });
}
