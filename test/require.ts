/**
 * What a test needs of the machine. Where it is missing the test is skipped by name, with the command that gets it; with
 * HOLDFAST_REQUIRE=all, as in CI, it fails instead.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';

export interface Need {
  readonly what: string;
  /** The command that gets it. */
  readonly command: string;
  met(): boolean;
}

/** A program on the PATH. */
export function program(name: string, packageName: string): Need {
  return {
    what: name,
    command: `sudo apt-get install ${packageName}`,
    met: () => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0,
  };
}

export const strace: Need = {
  what: 'strace that may trace its own child',
  command: 'sudo apt-get install strace, in a container with SYS_PTRACE',
  met: () => spawnSync('strace', ['-qq', '-o', '/dev/null', 'true']).status === 0,
};

export const tmpfs: Need = {
  what: 'root that may mount',
  command: 'sudo npm test, in a container with --privileged',
  met: () => {
    if (process.getuid?.() !== 0) return false;
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-need-'));
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]).status === 0;
    if (mounted) spawnSync('umount', [directory]);
    rmSync(directory, { recursive: true, force: true });
    return mounted;
  },
};

export const loopDevice: Need = {
  what: 'a free loop device',
  command: 'sudo npm test, in a container with --privileged',
  met: () => process.getuid?.() === 0 && spawnSync('losetup', ['--find']).status === 0,
};

/** A test that runs where everything it needs is there. */
export function testNeeding(needs: readonly Need[], name: string, run: (t: TestContext) => Promise<void>): void {
  const missing = needs.find((need) => !need.met());
  if (missing === undefined) {
    test(name, run);
    return;
  }
  const reason = `needs ${missing.what}: ${missing.command}`;
  if (process.env['HOLDFAST_REQUIRE'] === 'all') test(name, () => assert.fail(reason));
  else test(name, { skip: reason }, run);
}
