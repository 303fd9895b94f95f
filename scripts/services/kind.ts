/** What one kind of server says about itself: `scripts/services.ts` has the list of them. */
import { spawnSync } from 'node:child_process';
import { createConnection } from 'node:net';

/** A server that runs. */
export interface Running {
  /** What a client connects to. */
  readonly url: string;
  /** Ends it and waits. */
  stop(): Promise<void>;
}

/** A server that tests, benches and developers run, found on this machine or installed on it. */
export interface ServiceKind {
  readonly name: string;
  /** What of the machine it needs. */
  readonly what: string;
  /** The command that gets it. */
  readonly command: string;
  /** Whether it is there. */
  met(): boolean;
  /** Starts one on a free port, with its data in this folder or one that goes when it stops. */
  start(directory: string): Promise<Running>;
}

/** Whether a program is on the PATH. */
export function onPath(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}

const ANSWER_MS_MAX = 500;

/** Whether somebody at this port answers `question` (when it is not empty) with text that contains `answer`. */
export function answers(port: number, question: string, answer: string): Promise<boolean> {
  return new Promise((resolve) => {
    let heard = '';
    const socket = createConnection({ port, host: '127.0.0.1', timeout: ANSWER_MS_MAX });
    const end = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('connect', () => socket.write(question));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
    socket.once('end', () => end(false));
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString('latin1');
      if (heard.includes(answer)) end(true);
    });
  });
}
