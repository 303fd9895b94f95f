/** The one destination: what ROOK measured becomes what the application knows of its user. */
import { exponential, Skip } from 'holdfast';
import type { HealthGateway } from './config.ts';
import { type Reading, kinds, readingOf, type RookDocument } from './transforms.ts';
import { cacheKey, type Data, reached } from './users.ts';

type Transform = typeof readingOf;

/** @param transform Another than the application's own: a wrong one, for the test of a replay. */
export function registerWearables(gateway: HealthGateway, data: Data, transform: Transform = readingOf): void {
  // #region handler
  const retry = exponential({ maxAttempts: 3, base: '5s' });
  gateway.handle('wearables', { from: ['rook', 'emitted'], retry, concurrency: 50 }, async (event) => {
    const externalId = event.orderKey ?? '';
    if (event.source === 'emitted') return replaySkipped(gateway, externalId);
    const user = await reached(data.users.findOne({ externalId }));
    if (user === null) throw new Skip('User not found');
    const kind = kinds[event.type];
    if (kind === undefined) throw new Skip(`Nothing is made of ${event.type}`);
    const reading = transform(event.body as RookDocument, kind);
    if (!(await store(data, externalId, { kind: kind.name, reading, at: new Date(event.receivedAt) }))) {
      throw new Skip('A newer one is stored');
    }
    await reached(data.cache.del(cacheKey(externalId)));
  });
  // #endregion
}

// #region created
/**
 * `user.created` has the order key of the user's webhooks. So it comes after all that found no user, the one under way
 * included: what was skipped until then is replayed, and nothing falls between.
 */
async function replaySkipped(gateway: HealthGateway, externalId: string): Promise<void> {
  const operations = gateway.operations({ by: 'user.created' });
  const skipped = { destination: 'wearables', source: 'rook', tenant: externalId };
  const { rows } = await operations.deliveries({ ...skipped, state: ['skipped'], limit: 1 });
  if (rows.length > 0) await operations.startReplay({ ...skipped, what: 'all' });
}
// #endregion

interface Write {
  readonly kind: string;
  readonly reading: Reading;
  readonly at: Date;
}

// #region store
/**
 * One statement: the newest document of a kind stays, of one document the highest version. The same again changes nothing,
 * or, with a corrected transformation, repairs it. `false`: what is stored is newer.
 */
async function store({ users }: Data, externalId: string, { kind, reading, at }: Write): Promise<boolean> {
  const path = `wearables.garmin.data.${kind}`;
  const { measuredAt, version } = reading;
  const isNews = [
    { [path]: { $exists: false } },
    { [`${path}.measuredAt`]: { $lt: measuredAt } },
    { [`${path}.measuredAt`]: measuredAt, [`${path}.version`]: { $lte: version } },
  ];
  const { matchedCount } = await reached(
    users.updateOne(
      { externalId, $or: isNews },
      { $set: { [path]: reading, 'wearables.garmin.connected': true }, $max: { 'wearables.garmin.lastSync': at } },
    ),
  );
  return matchedCount === 1;
}
// #endregion
