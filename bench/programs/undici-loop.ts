/** What sending costs by itself: the same body to the same receiver, so many at once, with a bare client. */
import { Pool } from 'undici';
import { answerTo } from './asked.ts';

const [, , url = ''] = process.argv;
const filler = 'x'.repeat(900);
const pools = new Map<number, Pool>();

answerTo({
  send: async ({ count, concurrency }: { readonly count: number; readonly concurrency: number }) => {
    const pool = pools.get(concurrency) ?? new Pool(new URL(url).origin, { connections: concurrency, pipelining: 1 });
    pools.set(concurrency, pool);
    let left = count;
    const body = JSON.stringify({ filler });
    const headers = { 'content-type': 'application/json' };
    const worker = async (): Promise<void> => {
      while (left-- > 0) {
        const answer = await pool.request({ method: 'POST', path: '/', headers, body });
        await answer.body.dump();
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
  },
  stop: () => void setImmediate(() => process.exit(0)),
});
