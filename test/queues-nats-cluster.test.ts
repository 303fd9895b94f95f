/** The NATS queue on a cluster: a file of its own, since electing takes its time. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { nats, natsCluster } from '../scripts/services/nats.ts';
import { idsOf, makeHints, pullIds, untilAvailable } from '../src/testing/queues/world.ts';
import { queueAt } from './queues-harness.ts';
import { testNeeding } from './require.ts';

const VISIBILITY_MS = 30_000;

/** Which node leads the stream. */
async function leaderAt(url: string): Promise<number> {
  const connection = await connect({ servers: new URL(url).host });
  try {
    const { cluster } = await (await jetstreamManager(connection)).streams.info('HOLDFAST');
    return Number(/\d/.exec(cluster?.leader ?? '')?.[0]);
  } finally {
    await connection.close();
  }
}

describe('a JetStream cluster of three', () => {
  testNeeding([nats], 'carries hints on when the node that has most to do is killed', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-nats-cluster-'));
    const nodes = await natsCluster(directory);
    const queue = queueAt(
      `${nodes[0]?.url}?replicas=3&servers=${nodes.map(({ url }) => new URL(url).host).join(',')}`,
      VISIBILITY_MS,
    );
    try {
      await Promise.all(nodes.map((node) => node.start()));
      const { settings } = await untilAvailable(() => queue.open());
      assert.equal(settings['replicas'], 3);
      const before = makeHints('h-till', 10);
      await untilAvailable(() => queue.push(before));
      await nodes[await leaderAt(nodes[1]?.url ?? '')]?.kill();
      const after = makeHints('h-till', 10);
      await untilAvailable(() => queue.push(after));
      await pullIds(queue, ['h-till'], idsOf([...before, ...after]));
    } finally {
      await queue.close();
      await Promise.all(nodes.map((node) => node.stop()));
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
