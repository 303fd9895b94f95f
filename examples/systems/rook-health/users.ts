/** The application's own data: users in MongoDB, and what was read of them in Redis. */
import { Unavailable } from 'holdfast';
import { Redis } from 'ioredis';
import { type Collection, MongoClient, MongoNetworkError, MongoServerSelectionError } from 'mongodb';
import { setting } from './config.ts';
import type { Reading } from './transforms.ts';

export interface User {
  readonly externalId: string;
  readonly wearables: {
    readonly garmin?: {
      readonly connected: boolean;
      readonly lastSync: Date;
      readonly data: Readonly<Record<string, Reading>>;
    };
  };
}

export interface Data {
  readonly users: Collection<User>;
  readonly cache: Redis;
  close(): Promise<void>;
}

export async function openData(): Promise<Data> {
  const mongodb = new MongoClient(setting('MONGODB_URL'), { serverSelectionTimeoutMS: 2000 });
  const users = mongodb.db().collection<User>('users');
  await users.createIndex({ externalId: 1 }, { unique: true });
  // What waits for a cache that is down waits for nothing: the attempt ends, and is made again when it is back.
  const cache = new Redis(setting('REDIS_URL'), { maxRetriesPerRequest: 0 });
  cache.on('error', () => undefined);
  return {
    users,
    cache,
    close: async () => {
      cache.disconnect();
      await mongodb.close();
    },
  };
}

/** Where what was read of a user is cached. */
export const cacheKey = (externalId: string): string => `wearables:${externalId}`;

/** What the data answers. @throws Unavailable where it cannot be reached: that is no fault of the webhook */
export async function reached<Answer>(answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer;
  } catch (error) {
    const { name, message } = error as Error;
    const isDown =
      error instanceof MongoNetworkError ||
      error instanceof MongoServerSelectionError ||
      name === 'MaxRetriesPerRequestError';
    throw isDown ? new Unavailable(message) : error;
  }
}
