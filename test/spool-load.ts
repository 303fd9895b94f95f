/** Senders that go on over everything, and the gateway process that is killed under them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SpoolProgram } from './spool-program.ts';
import { signed } from './spool-world.ts';

/** A gateway process; `said` is its log. */
export class SpoolingProcess {
  readonly #child: ChildProcess;
  #said = '';
  readonly #looks = new Set<() => void>();

  constructor(options: SpoolProgram) {
    const file = join(import.meta.dirname, 'spool-program.ts');
    this.#child = spawn(process.execPath, ['--conditions=holdfast-source', file, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
      for (const look of this.#looks) look();
    });
  }

  /** Resolves with the first match in what it says. */
  until(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve) => {
      const look = (): void => {
        const match = pattern.exec(this.#said);
        if (match === null) return;
        this.#looks.delete(look);
        resolve(match);
      };
      this.#looks.add(look);
      look();
    });
  }

  async url(): Promise<string> {
    return `http://127.0.0.1:${(await this.until(/LISTENING (\d+)/))[1]}`;
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }
}

/** Between two events of one order key. */
const PAUSE_MS = 200;

/** An event that was acknowledged. */
export interface Acknowledged {
  readonly order: string;
  readonly number: number;
  readonly id: string;
}

/** Senders, each with an order key of its own: sends the next when the last was acknowledged, and again what was not. */
export class Senders {
  readonly acknowledged: Acknowledged[] = [];
  url = '';
  readonly #running: Promise<void>;
  readonly #waiting = new Set<{ readonly count: number; readonly resolve: () => void }>();
  #stopped = false;

  constructor(count: number) {
    this.#running = Promise.all(Array.from({ length: count }, (_, index) => this.#run(`k${index}`))).then(
      () => undefined,
    );
  }

  /** Resolves when so many more were acknowledged. */
  more(count: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.add({ count: this.acknowledged.length + count, resolve }));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(order: string): Promise<void> {
    for (let number = 0; !this.#stopped; number++) {
      let id: string | null = null;
      while (id === null && !this.#stopped) {
        id = await this.#send({ id: `${order}-${number}`, order, number, type: 'order.paid' });
        if (id === null) await new Promise((resolve) => setTimeout(resolve, 20));
      }
      if (id === null) return;
      this.acknowledged.push({ order, number, id });
      // What one order key is owed is attempted one after the other: no faster than that.
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      // Now and then a repeat of what was acknowledged.
      if (number % 7 === 0) await this.#send({ id: `${order}-${number}`, order, number, type: 'order.paid' });
      for (const one of this.#waiting) {
        if (this.acknowledged.length < one.count) continue;
        this.#waiting.delete(one);
        one.resolve();
      }
    }
  }

  async #send(body: object): Promise<string | null> {
    try {
      const response = await fetch(`${this.url}/in/shop`, signed(body));
      const { id } = (await response.json()) as { id?: string };
      return response.status === 200 ? (id ?? null) : null;
    } catch {
      return null;
    }
  }
}

/** The numbers that were handled of each order key, each at its first time. */
export function handledOnce(path: string): ReadonlyMap<string, readonly number[]> {
  const numbers = new Map<string, Set<number>>();
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [order = '', number = ''] = line.split(' ');
    if (order === '') continue;
    numbers.set(order, (numbers.get(order) ?? new Set()).add(Number(number)));
  }
  return new Map([...numbers].map(([order, set]) => [order, [...set]]));
}
