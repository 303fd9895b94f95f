/** What the figures were measured on, and how to run what measures them. */
import { type ChildProcess, execFile, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { cpus, totalmem } from 'node:os';
import { promisify } from 'node:util';
import type { Answer } from './programs/serve.ts';

const run = promisify(execFile);
const TICKS_PER_S = 100;

export function machine(): string {
  const [first] = cpus();
  return `${cpus().length} × ${first?.model.trim() ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${process.platform}`;
}

/** A program under measurement. */
export class Program {
  readonly child: ChildProcess;
  readonly port: number;

  private constructor(child: ChildProcess, port: number) {
    this.child = child;
    this.port = port;
  }

  static async start(file: string, args: readonly string[] = []): Promise<Program> {
    const child = fork(new URL(`programs/${file}`, import.meta.url), args, {
      execArgv: ['--conditions=holdfast-source'],
    });
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    return new Program(child, port);
  }

  async ask(): Promise<Answer> {
    const answer = once(this.child, 'message') as Promise<[Answer]>;
    this.child.send('figures');
    return (await answer)[0];
  }

  /** CPU seconds so far, of all threads. */
  cpuS(): Promise<number> {
    return cpuS(this.child.pid ?? 0);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.send('stop');
    await exited;
  }
}

/** CPU seconds a process has used, user and system, all threads. */
export async function cpuS(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

/** CPU seconds a process and its children have used, those included that have ended: a PostgreSQL is many processes. */
export async function familyCpuS(pid: number): Promise<number> {
  let ticks = 0;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    // It may have ended meanwhile; then its parent has the account.
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (Number(name) === pid) ticks += [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
    else if (Number(fields[1]) === pid) ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS_PER_S;
}

export interface Load {
  readonly requests: number;
  readonly durationUs: number;
  readonly errors: number;
  readonly non2xx: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

let runs = 0;

/** Signed requests with different bodies for some seconds, as fast as 64 connections go. */
export async function load(
  port: number,
  options: { seconds: number; secret: string; connections?: number; pauseMs?: number },
): Promise<Load> {
  const script = new URL('load/signed.lua', import.meta.url).pathname;
  const { stdout } = await run('wrk', [
    '-t1',
    `-c${options.connections ?? 64}`,
    `-d${options.seconds}s`,
    '-s',
    script,
    `http://127.0.0.1:${port}`,
    '--',
    '/in/bench',
    options.secret,
    String(++runs),
    String(options.pauseMs ?? 0),
  ]);
  const line = stdout.split('\n').find((one) => one.startsWith('RESULT '));
  if (line === undefined) throw new Error(`wrk printed no result:\n${stdout}`);
  return JSON.parse(line.slice('RESULT '.length)) as Load;
}

/** A Redis that answers only after its data is on disk, as the comparison asks. */
export async function startRedis(directory: string): Promise<{ port: number; pid: number; stop: () => Promise<void> }> {
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const child = spawn(
    'redis-server',
    ['--port', String(port), '--dir', directory, '--appendonly', 'yes', '--appendfsync', 'always', '--save', ''],
    {
      stdio: 'ignore',
    },
  );
  for (let tries = 0; ; tries++) {
    if (await answers(port)) break;
    if (tries > 100) throw new Error('redis-server did not start.');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    port,
    pid: child.pid ?? 0,
    stop: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.once('connect', () => (socket.destroy(), resolve(true)));
    socket.once('error', () => resolve(false));
  });
}

export async function missing(program: string): Promise<boolean> {
  return run('which', [program]).then(
    () => false,
    () => true,
  );
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}
