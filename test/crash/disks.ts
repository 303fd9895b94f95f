/** Disks that can be full and lose power: a small tmpfs, and ext4 on a loop device with the shutdown ioctl. As root. */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A tmpfs of this size; gone with the test, whatever happens. */
export function smallDisk(t: TestContext, bytes: number): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-tmpfs-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', directory]);
  t.after(() => {
    unmount(directory);
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

/**
 * EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: nothing more reaches the disk, not even the journal. The process
 * stops with it, as with its machine: a flush that is under way when the ioctl comes may return success and still be
 * lost (seen in 2 of 40 trials with nothing but a loop of pwrite and fdatasync), and nobody must be told of it.
 */
const CUT = `
import fcntl, os, signal, struct, sys
disk = os.open(sys.argv[1], os.O_RDONLY)
os.kill(int(sys.argv[2]), signal.SIGSTOP)
fcntl.ioctl(disk, 0x8004587d, struct.pack('I', 2))
`;
const DISK_BYTES = 96 * 1024 * 1024;

/** ext4 in a file: what was not flushed to it is lost by `cut`, as by a power cut on a disk that keeps its word. */
export class PowerDisk {
  readonly directory: string;
  readonly #home = mkdtempSync(join(tmpdir(), 'holdfast-power-'));
  readonly #image: string;

  constructor(t: TestContext) {
    this.#image = join(this.#home, 'image');
    this.directory = join(this.#home, 'disk');
    // Before anything is mounted, so that nothing can stay behind.
    t.after(() => this.#remove());
    writeFileSync(this.#image, '');
    truncateSync(this.#image, DISK_BYTES);
    mkdirSync(this.directory);
    execFileSync('mkfs.ext4', ['-q', '-F', this.#image]);
    this.mount();
  }

  mount(): void {
    execFileSync('mount', ['-o', 'loop', this.#image, this.directory]);
  }

  /** The power goes, for the disk and for this process, while the load goes on. The process is left to be killed. */
  async cut(pid: number): Promise<void> {
    await run('python3', ['-c', CUT, this.directory, String(pid)]);
  }

  /** The power is back: the file system recovers from its journal. */
  restore(): void {
    execFileSync('umount', [this.directory]);
    this.mount();
  }

  #remove(): void {
    unmount(this.directory);
    const left = spawnSync('losetup', ['--associated', this.#image, '--output', 'NAME', '--noheadings'], {
      encoding: 'utf8',
    });
    for (const device of left.stdout.split('\n').filter((line) => line !== ''))
      spawnSync('losetup', ['--detach', device.trim()]);
    rmSync(this.#home, { recursive: true, force: true });
    assert.equal(
      spawnSync('mountpoint', ['-q', this.directory]).status === 0,
      false,
      'the disk is not mounted any more',
    );
  }
}

/** Also while somebody still has a file open there. */
function unmount(directory: string): void {
  if (spawnSync('mountpoint', ['-q', directory]).status !== 0) return;
  if (spawnSync('umount', [directory]).status !== 0) spawnSync('umount', ['--lazy', directory]);
}
