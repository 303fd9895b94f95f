/**
 * Handlers in processes (`run: 'process'`): for code that leaks, crashes natively or exits. Whatever it does ends its
 * own attempt only. Costs some 90 MB (much of it shared) and 150 ms a process, and 0.1 ms an attempt.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { childExecArgv, childProgram, wholeMiB } from './child-program.ts';
import { type IsolatedOptions, type IsolatedRunner, Pool } from './pool.ts';
import type { ChildEvents, ChildHandle } from './pool-slot.ts';

/** Runs the handler of a module in a pool of processes. Nothing starts before the first attempt, or `warm()`. */
export function processRunner(options: IsolatedOptions): IsolatedRunner {
  return new Pool('process', options, (events) => startProcess(options, events));
}

function startProcess(options: IsolatedOptions, events: ChildEvents): ChildHandle {
  const child = fork(
    fileURLToPath(childProgram()),
    [options.module.href, options.batch === true ? 'batch' : 'single'],
    {
      execArgv: execArgv(options.memoryBytesMax),
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    },
  );
  child.on('message', (said: unknown) => events.said(said));
  child.on('error', (error) => {
    // Without a pid it never started and no exit will come. Else it is a failed send or kill, and the exit tells.
    if (child.pid === undefined) events.exited(`the process could not be started: ${error.message}`);
  });
  child.on('exit', (code, signal) => {
    const how = signal === null ? `the process exited with code ${code}` : `the process was ended by ${signal}`;
    // What it said last may still be in the pipe: the disconnect comes behind it.
    if (child.connected) child.once('disconnect', () => events.exited(how));
    else events.exited(how);
  });
  return {
    send: (asked) => void child.send(asked),
    kill: () => void child.kill('SIGKILL'),
    hold: (keepsAlive) => hold(child, keepsAlive),
  };
}

function hold(child: ReturnType<typeof fork>, keepsAlive: boolean): void {
  if (keepsAlive) {
    child.ref();
    child.channel?.ref?.();
  } else {
    child.unref();
    child.channel?.unref?.();
  }
}

/** Those of this process, with the child's own heap limit. */
function execArgv(memoryBytesMax: number | undefined): string[] {
  const limit = memoryBytesMax === undefined ? [] : [`--max-old-space-size=${wholeMiB(memoryBytesMax)}`];
  return [...childExecArgv(process.execArgv), ...limit];
}
