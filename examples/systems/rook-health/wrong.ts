/** What the test compares with: the handler as it is often written, and a transformation with a mistake in it. */
import type { HealthGateway } from './config.ts';
import { kinds, readingOf } from './transforms.ts';
import type { Data, User } from './users.ts';

// #region naive
/** Reads, changes, saves: of two that run at once for one user, the second saves what it read before the first. */
export function registerNaive(gateway: HealthGateway, { users }: Data): void {
  gateway.handle('wearables', { from: 'rook', ordered: false }, async (event) => {
    const user = await users.findOne({ externalId: event.tenant ?? '' });
    const kind = kinds[event.type];
    if (user === null || kind === undefined) return;
    const reading = readingOf(event.body, kind);
    const data = { ...user.wearables.garmin?.data, [kind.name]: reading };
    const garmin = { connected: true, lastSync: new Date(event.receivedAt), data };
    const { _id, ...changed }: User & { _id: unknown } = { ...user, wearables: { garmin } };
    await users.replaceOne({ externalId: user.externalId }, changed);
  });
}
// #endregion

/** Has every value wrong. */
export const mistaken: typeof readingOf = (document, kind) => {
  const reading = readingOf(document, kind);
  return { ...reading, values: Object.fromEntries(Object.keys(reading.values).map((name) => [name, -1])) };
};
