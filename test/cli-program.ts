/** The command line as a process of its own, in a folder of its own, and what it says. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { type Ran, run } from '../src/cli/fixtures/terminal.ts';

const bin = join(import.meta.dirname, '..', 'bin', 'holdfast.js');
/** No promise: what takes longer hangs, also on a busy machine that compiles the first start of all. */
const DEADLINE_MS = 60_000;
/** The processes load the same modules: compiled once. */
const CACHE = mkdtempSync(join(tmpdir(), 'holdfast-cache-'));
after(() => rmSync(CACHE, { recursive: true, force: true }));

/** A process whose output can be awaited. */
export class Program {
  readonly child: ChildProcess;
  readonly exit: Promise<number | null>;
  stdout = '';
  stderr = '';
  readonly #waiting = new Set<() => void>();

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#said((this.stdout += text)));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#said((this.stderr += text)));
    this.exit = new Promise((resolve) => {
      child.once('close', (code) => {
        resolve(code);
        this.#said('');
      });
    });
  }

  /** The first match in what it says, on either stream. Fails when it ends or takes too long without it. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    const found = (): RegExpExecArray | null => pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
    const match = await withDeadline(`${pattern}`, () => found() ?? (this.child.exitCode === null ? null : undefined), {
      changed: (look) => {
        this.#waiting.add(look);
        return () => this.#waiting.delete(look);
      },
    });
    return (
      match ??
      assert.fail(`It ended with ${this.child.exitCode} before saying ${pattern}:\n${this.stdout}${this.stderr}`)
    );
  }

  /** Sends a signal and answers the exit code. */
  async signal(name: 'SIGINT' | 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    this.child.kill(name);
    return this.exit;
  }

  #said(_text: string): void {
    for (const look of this.#waiting) look();
  }
}

interface Changes {
  /** Calls `look` whenever something changed; answers how to stop it. */
  readonly changed: (look: () => void) => () => void;
}

/** What `look` gives once it is not null. @throws when that takes too long */
function withDeadline<Found>(what: string, look: () => Found | null, { changed }: Changes): Promise<Found> {
  return new Promise((resolve, reject) => {
    const deadline = setTimeout(() => end(() => reject(new Error(`Waited too long for ${what}`))), DEADLINE_MS);
    const attempt = (): void => {
      const found = look();
      if (found !== null) end(() => resolve(found));
    };
    const stop = changed(attempt);
    const end = (settle: () => void): void => {
      clearTimeout(deadline);
      stop();
      settle();
    };
    attempt();
  });
}

/** Asks until the answer is good. @throws the last failure when that takes too long */
export async function eventually<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  for (const deadline = performance.now() + DEADLINE_MS; ;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** A folder in which commands run; everything any of them said is kept. */
export class Place implements AsyncDisposable {
  readonly path = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
  readonly #programs: Program[] = [];
  readonly #ran: Ran[] = [];
  /** Variables of the commands that run here. */
  readonly environment: Record<string, string> = {};

  write(path: string, text: string): string {
    writeFileSync(join(this.path, path), text);
    return join(this.path, path);
  }

  read(path: string): string {
    return readFileSync(join(this.path, path), 'utf8');
  }

  folder(path: string): Promise<string | undefined> {
    return mkdir(join(this.path, path), { recursive: true });
  }

  /** A process of its own. */
  spawn(...args: readonly string[]): Program {
    const { PATH, HOME } = process.env;
    const child = spawn(process.execPath, ['--conditions=holdfast-source', bin, ...args], {
      cwd: this.path,
      env: { PATH, HOME, NODE_COMPILE_CACHE: CACHE, ...this.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const program = new Program(child);
    this.#programs.push(program);
    return program;
  }

  /** The same within this process, which is faster. */
  async run(...args: readonly string[]): Promise<Ran> {
    const ran = await run(args, { cwd: this.path, environment: this.environment });
    this.#ran.push(ran);
    return ran;
  }

  /** Runs it, expects success, and reads the JSON lines it wrote. */
  async json<Row>(...args: readonly string[]): Promise<readonly Row[]> {
    const { code, stdout, stderr } = await this.run(...args, '--json');
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    return linesOf(stdout).map((line) => JSON.parse(line) as Row);
  }

  /** A gateway that is ready. */
  async start(...args: readonly string[]): Promise<Program> {
    const program = this.spawn('start', '--port', '0', ...args);
    await program.until(/admin API +http:\/\/127\.0\.0\.1:\d+/);
    return program;
  }

  /** Everything that was said here, for what must never be. */
  said(): string {
    return [...this.#ran, ...this.#programs].map(({ stdout, stderr }) => stdout + stderr).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs) {
      if (program.child.exitCode === null) await program.signal('SIGKILL');
    }
    rmSync(this.path, { recursive: true, force: true });
  }
}

export function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
