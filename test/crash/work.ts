/** What the program's handlers do: the plan of the event, and a line in their own log before and after it. */
import { openSync, writeSync } from 'node:fs';
import { type HandlerContext, type HandlerEvent, Reject, Skip } from '../../src/index.ts';
import type { Failpoints } from './failpoints.ts';
import { type Ending, LEDGER, type LogLine, MAIL, type Plan, type ProgramOptions, sha256 } from './wire.ts';

const SLOW_MS = 15;
const LONG_MS = 8000;
/** With the control `settle-before-run`: how long after its outcome a handler begins. The process is killed before. */
const LATE_MS = 60_000;
const OVERTAKEN_MS = 1500;
const OVERTAKING_MS = 1500;

export class Work {
  readonly #options: ProgramOptions;
  readonly #points: Failpoints;
  /** Every line is one write at the end of the file: it is in the file when the call returns, whoever is killed then. */
  readonly #log: number;
  readonly #invocations = new Map<string, number>();

  constructor(options: ProgramOptions, points: Failpoints) {
    this.#options = options;
    this.#points = points;
    this.#log = openSync(options.log, 'a');
  }

  /** Handles an event; with the control `settle-before-run` it has not happened yet when this resolves. */
  readonly handle = async (event: HandlerEvent, context: HandlerContext): Promise<void> => {
    if (!this.#options.controls.includes('settle-before-run')) return this.#handle(event, context);
    setTimeout(() => void this.#handle(event, context).catch(() => undefined), LATE_MS);
  };

  async #handle(event: HandlerEvent, context: HandlerContext): Promise<void> {
    const count = (this.#invocations.get(context.deliveryId) ?? 0) + 1;
    this.#invocations.set(context.deliveryId, count);
    const line: LogLine = {
      run: this.#options.run,
      destination: context.destination,
      delivery: context.deliveryId,
      event: event.id,
      key: event.header('x-key') ?? '',
      sha: sha256(event.raw),
      attempt: context.attempt,
      invocation: `${this.#options.run}.${count}`,
      ended: null,
    };
    this.#write(line);
    this.#points.hit('in-handler');
    const plan = planFor(context.destination, event.header('x-plan') as Plan);
    if (plan === 'exit') process.exit(9);
    const ended = await this.#endOf(plan, context.attempt, count);
    this.#write({ ...line, ended });
    if (ended === 'rejected') throw new Reject('as planned');
    if (ended === 'skipped') throw new Skip('as planned');
    if (ended === 'failed') throw new Error('as planned');
  }

  async #endOf(plan: Plan, attempt: number, count: number): Promise<Ending> {
    if (plan === 'slow') await sleep(SLOW_MS);
    if (plan === 'long' && this.#options.run === 1) await sleep(LONG_MS);
    if (plan === 'overtaken') await sleep(count === 1 ? OVERTAKEN_MS : OVERTAKING_MS);
    if (plan === 'reject' || (plan === 'overtaken' && count === 1)) return 'rejected';
    if (plan === 'skip') return 'skipped';
    return plan === 'fail-once' && attempt === 1 ? 'failed' : 'succeeded';
  }

  #write(line: LogLine): void {
    writeSync(this.#log, `${JSON.stringify(line)}\n`);
  }
}

function planFor(destination: string, plan: Plan): Plan {
  if (plan === 'exit' && destination !== LEDGER) return 'succeed';
  return plan === 'overtaken' && destination !== MAIL ? 'succeed' : plan;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
