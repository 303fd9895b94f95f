/** Long reads, a slice at a time: whatever else the process has to do gets its turn in between. */

export const SLICE_MS = 4;

/** Calls `step` until it says that it is done, giving way every few milliseconds. */
export async function inSlices(monotonic: () => number, step: () => boolean): Promise<void> {
  for (;;) {
    const until = monotonic() + SLICE_MS;
    do if (step()) return;
    while (monotonic() < until);
    await giveWay();
  }
}

/** Lets everything else that waits run first. */
export function giveWay(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
