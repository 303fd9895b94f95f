/**
 * The program of a thread or process that runs a handler: `child-main <module> <single|batch>`. Started by `thread.ts`
 * and `process.ts`, imported by nothing.
 */
import { parentPort } from 'node:worker_threads';
import { Child, type ChildMode, handlerOf, type Post, type ToChild } from './child.ts';
import { describeError } from './outcomes.ts';

const [href = '', mode = 'single'] = process.argv.slice(2);
const post: Post = parentPort === null ? postToProcess : (said) => parentPort?.postMessage(said, []);

if (parentPort === null) belongToGateway();
await serve(mode === 'batch' ? 'batch' : 'single');

async function serve(mode: ChildMode): Promise<void> {
  let child: Child;
  try {
    child = new Child(handlerOf((await import(href)) as object, mode), mode, post);
  } catch (error) {
    post({ kind: 'unready', error: describeError(error) });
    process.exit(1);
  }
  const hear = (asked: ToChild): void => {
    if (asked.kind === 'run') child.run(asked);
    else if (asked.kind === 'abort') child.abort(asked);
    else process.exit(0);
  };
  if (parentPort === null) process.on('message', hear);
  else parentPort.on('message', hear);
  post({ kind: 'ready' });
}

/** A process is ended by its gateway only, and ends with it. */
function belongToGateway(): void {
  // Ctrl-C and service managers signal the whole group, while the gateway lets running attempts finish.
  process.on('SIGINT', ignore);
  process.on('SIGTERM', ignore);
  process.on('disconnect', () => process.exit(0));
  process.on('uncaughtExceptionMonitor', (error) => post({ kind: 'dying', error: describeError(error) }));
}

function ignore(): void {
  // The gateway decides.
}

function postToProcess(said: Parameters<Post>[0]): void {
  if (process.connected) process.send?.(said);
}
