/** A move as a process of its own, to be killed. Arguments: the SQLite file, the URL of the target. A line for each step. */
import { randomFillSync } from 'node:crypto';
import { IdMaker } from '../src/core/id.ts';
import { systemClock } from '../src/gateway/clock.ts';
import { moveStore } from '../src/gateway/move-store.ts';
import { makeStore } from '../src/gateway/stores.ts';
import { resolveConfig } from '../src/config.ts';

const { settings } = resolveConfig({ sources: {} }, () => undefined);
const ids = new IdMaker({ now: () => Date.now(), fill: (bytes) => void randomFillSync(bytes) });
const [from = '', to = ''] = process.argv.slice(2);
const open = async (store: string) => {
  const made = await makeStore({ ...settings, store, allowWeakerDurability: true }, '/', { clock: systemClock, ids });
  await made.work.open();
  return made;
};
const target = await open(to);
const source = await open(`sqlite:${from}`);
const progressed = ({ phase, events }: { readonly phase: string; readonly events: number }): void => {
  process.stdout.write(`${phase} ${events}\n`);
};
const report = await moveStore({ source, target, clock: systemClock, progressed, stepRows: 10 });
process.stdout.write(`done ${JSON.stringify(report)}\n`);
await source.work.close();
await target.work.close();
