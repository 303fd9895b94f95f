/**
 * Fastify and graphile-worker: webhooks are inserted in batches (`addJobs`), a worker has the settings of that project's
 * own performance test: 24 jobs at once, a local queue of 500, outcomes in batches. A job is deleted when it has run, so
 * that nothing is left to tell a repeat by.
 */
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import { adding, takeVerified, type Webhook } from './peer.ts';
import { tell } from './serve.ts';

const [, , role, secret = '', connectionString = '', inserting = 'gathered'] = process.argv;
const TASK = 'webhook';
// Its default tells of every job: that would be measured.
const logger = new Logger(() => (level, message) => {
  if (level === 'error') console.error(message);
});

if (role === 'worker') {
  let processed = 0;
  const runner = await run({
    connectionString,
    logger,
    noHandleSignals: true,
    taskList: { [TASK]: () => void processed++ },
    preset: {
      worker: {
        concurrentJobs: 24,
        maxPoolSize: 26,
        localQueue: { size: 500, refetchDelay: { durationMs: 10 } },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  });
  tell(0, { processed: () => processed, stop: () => runner.stop() });
} else {
  const jobs = await makeWorkerUtils({ connectionString, logger });
  await jobs.migrate();
  const add = (webhooks: readonly Webhook[]): Promise<unknown> =>
    jobs.addJobs(webhooks.map(({ event }) => ({ identifier: TASK, payload: event, maxAttempts: 5 })));
  await takeVerified(secret, adding(add, inserting));
}
