/** The program: `bin/holdfast.js` imports it, and importing runs it. */
import { createInterface } from 'node:readline/promises';
import { processEnvironment, processVariables } from '../config.ts';
import { Output } from './output.ts';
import { runCli } from './run.ts';

/** A pipe that was closed (`holdfast events | head`) has had enough: that is no error. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

function interruptible(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  process.once('SIGTERM', () => controller.abort());
  return controller.signal;
}

async function ask(question: string): Promise<string | null> {
  if (!process.stdin.isTTY) return null;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await terminal.question(question);
  } finally {
    terminal.close();
  }
}

process.exitCode = await runCli(process.argv.slice(2), {
  out: new Output({ stdout: process.stdout, stderr: process.stderr, environment: processEnvironment }),
  environment: processEnvironment,
  variables: processVariables,
  cwd: process.cwd(),
  interruptible,
  ask,
});
