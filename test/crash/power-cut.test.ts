/** The power goes: a kill -9 keeps the page cache and proves nothing about the disk; this does not. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { loopDevice, program, testNeeding, tmpfs } from '../require.ts';
import { explain } from './check.ts';
import { isAck } from './client.ts';
import { PowerDisk } from './disks.ts';
import { Trial } from './trial.ts';

const CUTS = 5;
const needs = [tmpfs, loopDevice, program('mkfs.ext4', 'e2fsprogs'), program('python3', 'python3')];

describe('a gateway whose power goes', { concurrency: 2 }, () => {
  testNeeding(needs, `loses nothing over ${CUTS} power cuts under load`, async (t) => {
    const disk = new PowerDisk(t);
    const trial = new Trial(t, { directory: disk.directory });
    const { ackMeaning } = await (await trial.start()).ready();
    t.diagnostic(ackMeaning);
    let over = false;
    const load = trial.client.load({ concurrency: 12, most: 6000, until: () => over });
    for (let cut = 0; cut < CUTS; cut++) {
      await cutUnderLoad(trial, disk);
      await trial.start();
    }
    over = true;
    await trial.within(load, 'the load to be acknowledged');
    await trial.clean();
  });

  testNeeding(needs, 'control: with synchronous OFF the same cut loses what was acknowledged', async (t) => {
    const disk = new PowerDisk(t);
    const trial = new Trial(t, { directory: disk.directory, start: { durability: 'OFF' } });
    await trial.start();
    void trial.client.load({ concurrency: 12, most: 2000 });
    await cutUnderLoad(trial, disk);
    // No second life: the loss shows in what is on the disk, and nobody may send it again.
    const { breaches, ...verdict } = await trial.compare();
    const rules = new Set(breaches.map(({ rule }) => rule));
    assert.ok(rules.has('lost'), explain({ breaches, ...verdict }));
  });
});

/** Cuts the power at a random moment of the load, and gives it back. */
async function cutUnderLoad(trial: Trial, disk: PowerDisk): Promise<void> {
  for (let seen = 0; seen < 20; seen++) await trial.within(trial.client.next(isAck), 'an acknowledgement');
  await new Promise((resolve) => setTimeout(resolve, trial.random.between(0, 100)));
  const { pid } = await trial.gateway.ready();
  await disk.cut(pid);
  await trial.kill();
  disk.restore();
}
