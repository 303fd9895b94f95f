/** What the tests of all queue drivers share: the conformance suite on a real broker, started once for a file. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { type QueueCapabilities, queueConformance, type QueueHarness, runQueueCase } from 'holdfast/testing';
import type { ServiceKind } from '../scripts/services/kind.ts';
import type { Service } from '../scripts/services/service.ts';
import type { Clock } from '../src/core/clock.ts';
import { systemClock } from '../src/gateway/clock.ts';

import { natsQueue } from '../src/queue/nats/index.ts';
import type { Queue } from '../src/queue/queue.ts';
import { redisQueue } from '../src/queue/redis/index.ts';

import { sqsQueue } from '../src/queue/sqs/index.ts';
import { type Need, testNeeding } from './require.ts';

const makers = { redis: redisQueue, nats: natsQueue, sqs: sqsQueue };

/** A driver by its URL. */
export function queueAt(url: string, visibilityMs: number, clock: Clock = systemClock): Queue {
  const scheme = new URL(url).protocol.slice(0, -1) as keyof typeof makers;
  return makers[scheme]({ url, clock, visibilityMs });
}

/** How one driver is put to the suite. */
export interface DriverUnderTest {
  readonly kind: ServiceKind;
  readonly capabilities: QueueCapabilities;
  readonly visibilityMs: number;
  /** Starts the broker that all cases of the file use. */
  make(directory: string): Promise<Service>;
  /** The URL of the queue of one case, which nobody has used before. */
  urlOf(service: Service, run: number): string;
  litter(what: { readonly url: string; readonly channel: string; readonly bytes: Uint8Array }): Promise<void>;
  wipe(url: string): Promise<void>;
}

/** A broker that is started before the tests of a file and stopped after them, where this machine has it. */
export function brokerOf(
  kind: ServiceKind,
  make: (directory: string) => Promise<Service>,
): { readonly service: Service } {
  const state: { service: Service | null } = { service: null };
  const directory = mkdtempSync(join(tmpdir(), `holdfast-${kind.name}-`));
  before(async () => {
    if (!kind.met()) return;
    state.service = await make(directory);
    await state.service.start();
  });
  after(async () => {
    await state.service?.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  return {
    get service(): Service {
      if (state.service === null) throw new Error(`${kind.name} does not run.`);
      return state.service;
    },
  };
}

/** The whole suite. */
export function describeConformance(driver: DriverUnderTest): void {
  describe(`the ${driver.kind.name} queue`, () => {
    const broker = brokerOf(driver.kind, (directory) => driver.make(directory));
    const need: Need = driver.kind;
    let runs = 0;
    for (const item of queueConformance) {
      const lacking = (item.requires ?? []).filter((name) => !driver.capabilities[name]);
      const name = lacking.length === 0 ? item.name : `${item.name} (declined: no ${lacking.join()})`;
      testNeeding([need], name, async (t) => {
        if (lacking.length > 0) return t.skip(`this broker has no ${lacking.join()}`);
        await runQueueCase(item, async () => harnessOf(driver, broker.service, ++runs));
      });
    }
  });
}

function harnessOf(driver: DriverUnderTest, service: Service, run: number): QueueHarness {
  const url = driver.urlOf(service, run);
  return {
    capabilities: driver.capabilities,
    visibilityMs: driver.visibilityMs,
    make: (visibilityMs) => queueAt(url, visibilityMs),
    dieHolding: (what) => dieHolding(url, what),
    litter: (channel, bytes) => driver.litter({ url, channel, bytes }),
    wipe: () => driver.wipe(url),
    kill: () => service.kill(),
    start: () => service.start(),
    dispose: async () => undefined,
  };
}

/** A process of its own pulls and is killed. */
async function dieHolding(
  url: string,
  what: { readonly channel: string; readonly max: number; readonly visibilityMs: number },
): Promise<readonly string[]> {
  const program = new URL('queues-mortal.ts', import.meta.url);
  const child = fork(program, [url, what.channel, String(what.max), String(what.visibilityMs)], {
    execArgv: ['--conditions=holdfast-source'],
  });
  const exited = once(child, 'exit');
  const [ids] = (await Promise.race([once(child, 'message'), exited])) as [readonly string[] | number];
  child.kill('SIGKILL');
  await exited;
  if (!Array.isArray(ids)) throw new Error('The process ended before it held anything.');
  return ids as readonly string[];
}
