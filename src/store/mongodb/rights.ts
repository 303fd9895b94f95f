/** What the database user may do, as `connectionStatus` tells it (MongoDB manual: connectionStatus, privilege actions). */
import { type Db, type Document, MongoServerError } from 'mongodb';
import { COLLECTIONS } from './documents.ts';
import { asking } from './failure.ts';

/** One privilege of a user. */
export interface Privilege {
  readonly resource: { readonly db?: string; readonly collection?: string; readonly anyResource?: boolean };
  readonly actions: readonly string[];
}

/** The actions that the store needs on each of its collections. The role `readWrite` has them all. */
const NEEDED = ['find', 'insert', 'update', 'remove', 'createCollection', 'createIndex'] as const;

/** The right to see its own privileges is everybody's. `UNAUTHORIZED`: the server asks for a login and got none. */
const UNAUTHORIZED = 13;

/** `null`: the server checks nobody's rights, or does not tell them. @throws StoreError unavailable */
export async function privilegesOf(db: Db): Promise<readonly Privilege[] | null> {
  const status: Document = await asking(() => db.command({ connectionStatus: 1, showPrivileges: true }));
  const { authenticatedUsers: users, authenticatedUserPrivileges: privileges } = (status['authInfo'] ?? {}) as Readonly<
    Record<string, unknown>
  >;
  if (!Array.isArray(users) || !Array.isArray(privileges)) return null;
  if (users.length > 0) return privileges as readonly Privilege[];
  return (await isOpen(db)) ? null : [];
}

/** Whether somebody who did not log in may read. */
async function isOpen(db: Db): Promise<boolean> {
  try {
    await db.collection(COLLECTIONS.state).findOne({ _id: 'state' } as Document);
    return true;
  } catch (error) {
    return !(error instanceof MongoServerError && error.code === UNAUTHORIZED);
  }
}

/** What is missing, by name; a right that is missing on every collection is named once. */
export function lackingRights(database: string, privileges: readonly Privilege[] | null): readonly string[] {
  if (privileges === null) return [];
  const collections = Object.values(COLLECTIONS);
  return NEEDED.flatMap((action) => {
    const without = collections.filter((collection) => !isGranted({ database, collection, action }, privileges));
    if (without.length === 0) return [];
    if (without.length === collections.length) return [`the user lacks ${action} on database ${database}`];
    return [`the user lacks ${action} on ${without.map((name) => `${database}.${name}`).join(', ')}`];
  });
}

function isGranted(
  asked: { readonly database: string; readonly collection: string; readonly action: string },
  privileges: readonly Privilege[],
): boolean {
  return privileges.some(({ resource, actions }) => {
    if (!actions.includes(asked.action)) return false;
    if (resource.anyResource === true) return true;
    const isHere = resource.db === '' || resource.db === asked.database;
    return isHere && (resource.collection === '' || resource.collection === asked.collection);
  });
}
