/**
 * Handlers in threads (`run: 'thread'`): for code that burns CPU. A thread that throws, exits or runs out of memory ends
 * its own attempt only. It shares the process, though: a native crash or `process.kill` takes the gateway with
 * it. Costs some 35 MB and 120 ms a thread, and 0.06 ms an attempt.
 */
import { Worker } from 'node:worker_threads';
import { childExecArgv, childProgram, wholeMiB } from './child-program.ts';
import type { ToChild } from './child.ts';
import { describeError } from './outcomes.ts';
import { type IsolatedOptions, type IsolatedRunner, Pool } from './pool.ts';
import type { ChildEvents, ChildHandle } from './pool-slot.ts';

/** Runs the handler of a module in a pool of threads. Nothing starts before the first attempt, or `warm()`. */
export function threadRunner(options: IsolatedOptions): IsolatedRunner {
  return new Pool('thread', options, (events) => startThread(options, events));
}

function startThread(options: IsolatedOptions, events: ChildEvents): ChildHandle {
  const worker = new Worker(childProgram(), {
    argv: [options.module.href, options.batch === true ? 'batch' : 'single'],
    name: options.name,
    // Inherited, but for a program given as text: its options do not fit a file, and only then are they named.
    ...(process.execArgv.some((arg) => arg.startsWith('--input-type'))
      ? { execArgv: childExecArgv(process.execArgv) }
      : {}),
    ...(options.memoryBytesMax === undefined
      ? {}
      : { resourceLimits: { maxOldGenerationSizeMb: wholeMiB(options.memoryBytesMax) } }),
  });
  worker.on('message', (said: unknown) => events.said(said));
  worker.on('error', (error: unknown) => events.said({ kind: 'dying', error: describeError(error) }));
  worker.on('exit', (code) => events.exited(`the thread exited with code ${code}`));
  return {
    send: (asked) => worker.postMessage(asked, buffersOf(asked)),
    kill: () => void worker.terminate(),
    hold: (keepsAlive) => (keepsAlive ? worker.ref() : worker.unref()),
  };
}

/** The bodies, to be handed over instead of copied a second time. */
function buffersOf(asked: ToChild): ArrayBuffer[] {
  if (asked.kind !== 'run') return [];
  return asked.claims.flatMap((claim) =>
    claim.event.body?.buffer instanceof ArrayBuffer ? claim.event.body.buffer : [],
  );
}
