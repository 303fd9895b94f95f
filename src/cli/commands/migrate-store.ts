import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { embeddedStorePath } from '../../core/files.ts';
import { HoldfastError } from '../../errors.ts';
import { systemClock } from '../../gateway/clock.ts';
import { type MoveReport, moveStore } from '../../gateway/move-store.ts';
import { defineCommand, gatewayOptions, jsonOption } from '../command.ts';
import { UsageError } from '../exit.ts';
import { findSetup } from '../locate.ts';
import type { Output } from '../output.ts';

export const migrateStore = defineCommand({
  name: 'migrate-store',
  summary: 'Moves everything from one store into another, empty one, and checks that it is the same there.',
  details:
    'From sqlite:PATH or postgres://…, into postgres://…. Stop every gateway of both stores first: a SQLite file is owned meanwhile, and a gateway does not start on a target that is not whole. The source is left as it was. Ended at any point, the same command goes on where it was. Ids of events are kept; those of deliveries are the new store’s own. See docs/operate/migrating.md.',
  options: {
    from: { type: 'text', value: 'STORE', about: 'The store to move, as the setting `store` names it.' },
    to: { type: 'text', value: 'STORE', about: 'The store to move into: empty, or as this command left it.' },
    config: gatewayOptions.config,
    json: jsonOption,
  },
  examples: ['holdfast migrate-store --from sqlite:data/holdfast.db --to postgres://holdfast@db.internal/holdfast'],
  async run(invocation) {
    const { options, out, cwd } = invocation;
    const { from, to } = options;
    if (from === undefined || to === undefined) throw new UsageError("'migrate-store' needs --from and --to.");
    if (from === to) throw new UsageError('--from and --to name the same store.');
    const { settings } = await findSetup(invocation, options.config);
    const path = embeddedStorePath(from);
    if (path === null && !SHARED.test(from)) throw unsupported(from);
    if (!SHARED.test(to)) throw unsupported(to);
    if (path !== null && !existsSync(resolve(cwd, path)))
      throw new HoldfastError('invalid_input', { detail: `There is no store at ${from}.` });
    // The commit that is durable here is the target's; how the source once committed does not matter for reading it.
    const { openStore } = await import('../offline.ts');
    const { store: source } = await openStore({ ...settings, durability: 'full', store: from }, cwd);
    try {
      const { store: target } = await openStore({ ...settings, durability: 'full', store: to }, cwd);
      try {
        const report = await moved(out, { source, target });
        if (options.json) out.json(report);
        else show(out, report);
      } finally {
        await target.work.close();
      }
    } finally {
      await source.work.close();
    }
    return 0;
  },
});

const SHARED = /^postgres(?:ql)?:/;

function unsupported(store: string): HoldfastError {
  const detail = `'${store.slice(0, store.indexOf(':') + 1)}…': it moves from sqlite:PATH and postgres://…, into postgres://….`;
  return new HoldfastError('move_unsupported', { detail });
}

async function moved(
  out: Output,
  stores: Pick<Parameters<typeof moveStore>[0], 'source' | 'target'>,
): Promise<MoveReport> {
  const shown = out.progress();
  try {
    return await moveStore({
      ...stores,
      clock: systemClock,
      progressed: ({ phase, events, eventsTotal, deliveries }) =>
        shown.update(() => {
          const done = phase === 'moving' ? 'moved' : 'checked';
          return `${done} ${events} of ${eventsTotal} events, ${deliveries} deliveries`;
        }),
    });
  } finally {
    shown.end();
  }
}

function show(out: Output, { events, deliveries, documents, dedupeKeys, bodiless, digests }: MoveReport): void {
  out.line(`${events} events, ${deliveries} deliveries and ${documents} documents moved, and the same in both:`);
  out.line(`  events      sha256 ${digests.events}`);
  out.line(`  deliveries  sha256 ${digests.deliveries}`);
  out.line(`${dedupeKeys.moved} dedupe keys are remembered in the new store.`);
  if (bodiless > 0)
    out.line(`  Of ${bodiless} the body has been purged: a repeat of one counts as one with another body.`);
  if (dedupeKeys.left > 0) {
    out.line(`  ${dedupeKeys.left} are not: their events have been purged. A repeat of one is taken as new.`);
  }
  out.line('Set `store` to the new one and start the gateway. The old one is as it was.');
}
