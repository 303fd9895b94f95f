/** Where events are committed and how they are shared out, by the environment. */
const { env } = process;

export const DRIVER = env['QUEUE_DRIVER'] ?? 'memory';

// #region drivers
/** Production: committed in PostgreSQL, shared out through Redis. Development and tests: in the memory of the process. */
export function drivers(): { store: string; queue?: string } {
  if (DRIVER === 'memory') return { store: 'memory:' };
  if (DRIVER !== 'redis') throw new Error(`QUEUE_DRIVER: expected memory or redis, got '${DRIVER}'.`);
  const { DATABASE_URL, REDIS_HOST = '127.0.0.1', REDIS_PORT = '6379', REDIS_PASSWORD, REDIS_DB = '0' } = env;
  if (DATABASE_URL === undefined) throw new Error('QUEUE_DRIVER=redis needs DATABASE_URL, a PostgreSQL database.');
  const password = REDIS_PASSWORD ? `:${encodeURIComponent(REDIS_PASSWORD)}@` : '';
  return { store: DATABASE_URL, queue: `redis://${password}${REDIS_HOST}:${REDIS_PORT}/${REDIS_DB}` };
}
// #endregion
