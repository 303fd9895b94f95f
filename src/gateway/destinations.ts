/** Handlers as users register them, and the destinations they become. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type Duration, durationMs } from '../core/duration.ts';
import type { Observer } from '../core/observer.ts';
import {
  duration,
  flag,
  names,
  oneOf,
  optionProblem,
  positive,
  type Rule,
  someTime,
  wholeFrom1,
} from '../core/options.ts';
import { exponential, isRetryPolicy, type RetryPolicy } from '../core/retry.ts';
import { didYouMean } from '../core/suggest.ts';
import { type BatchHandler, type Handler, inlineBatchRunner, inlineRunner } from '../deliver/handler.ts';
import type { LoopBlame } from '../deliver/loop-blame.ts';
import { processRunner } from '../deliver/process.ts';
import type { Runner } from '../deliver/runner.ts';
import { threadRunner } from '../deliver/thread.ts';
import type { BreakerPolicy, Concurrency, Destination, Priority } from '../dispatch/destination.ts';
import { HoldfastError } from '../errors.ts';
import { systemClock } from './clock.ts';

/** How a handler is fed and paced. Everything but `from` has a default. */
export interface HandlerOptions<From extends string = string, Type extends string = string> {
  /** The sources it takes events from; `emitted` for the application's own. */
  readonly from: From | readonly From[];
  /** The event types it takes; `*` at the end as a wildcard. Default: all. */
  readonly types?: readonly Type[];
  /** Earlier names of this destination: what they are owed becomes its own. */
  readonly formerly?: readonly string[];
  /** Which destinations get free slots first. Default `normal`. */
  readonly priority?: Priority;
  /** Attempts at once: a number, or a range that follows the lag. Default 10; in threads and processes 1 to the number of processors. */
  readonly concurrency?: number | { readonly min: number; readonly max: number };
  /** Most attempts per second. Default: no limit. */
  readonly ratePerS?: number;
  /** An attempt is aborted and counts as failed after this. Default 30 s. */
  readonly timeout?: Duration;
  /** Default: five attempts, exponential from 5 s with full jitter. */
  readonly retry?: RetryPolicy;
  /** `false`: none. Default: opens for 10 s after 20 failures in a row, one probe closes it. */
  readonly breaker?: false | Partial<BreakerPolicy>;
  /** Whether events with the same order key run one after the other. Default `true`. */
  readonly ordered?: boolean;
  /** What a dead letter does to its order key: let it go on (default), or hold it until it is resolved. */
  readonly onDead?: 'continue' | 'hold';
  /** Most open deliveries. Default: no bound but the disk's. */
  readonly backlogMax?: number;
  /** At that bound: a dead letter `backlog_full` (default), or a 503 to the sender. */
  readonly overflow?: 'dead' | 'refuse';
  /** Where the code runs: here (default), in threads, or in processes of its own. */
  readonly run?: 'inline' | 'thread' | 'process';
  /** The module whose default export is the handler; needed for threads and processes. */
  readonly module?: URL;
}

export interface BatchOptions<From extends string = string, Type extends string = string> extends HandlerOptions<
  From,
  Type
> {
  /** Most events in a batch. Default 100. */
  readonly size?: number;
  /** How long a part-filled batch waits. Default 1 s. */
  readonly within?: Duration;
}

const sources: Rule = {
  expected: 'the name of a source, or a list of names',
  fits: (value) => typeof value === 'string' || names.fits(value),
};

const concurrency: Rule = {
  expected: 'a whole number from 1, or { min, max }',
  fits: (value) => wholeFrom1.fits(value) || isRange(value),
};

const breaker: Rule = {
  expected: 'false, or { failures, openMs, probes }',
  fits: (value) => value === false || (typeof value === 'object' && value !== null),
};

const module: Rule = {
  expected: "a file, as new URL('./handler.ts', import.meta.url)",
  fits: (value) => value instanceof URL,
};

/** What the options of a breaker may be. */
const BREAKER_RULES: Readonly<Record<keyof BreakerPolicy, Rule>> = {
  failures: wholeFrom1,
  openMs: positive,
  probes: wholeFrom1,
};

/** What the options may be. */
const RULES: Readonly<Record<keyof BatchOptions, Rule>> = {
  from: sources,
  types: names,
  formerly: names,
  priority: oneOf('critical', 'high', 'normal', 'low'),
  concurrency,
  ratePerS: positive,
  timeout: someTime,
  retry: { expected: 'exponential(…), fixed(…), standardSchedule() or never()', fits: isRetryPolicy },
  breaker,
  ordered: flag,
  onDead: oneOf('continue', 'hold'),
  backlogMax: positive,
  overflow: oneOf('dead', 'refuse'),
  run: oneOf('inline', 'thread', 'process'),
  module,
  size: wholeFrom1,
  within: duration,
};

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/;
const BREAKER: BreakerPolicy = { failures: 20, openMs: 10_000, probes: 1 };
const CONCURRENCY = 10;

/** What `handle` or `handleBatch` was given. */
export interface Registration {
  readonly name: string;
  readonly options: BatchOptions;
  readonly handler: Handler | BatchHandler | null;
  readonly batch: boolean;
}

/** What destinations are made with. */
export interface Known {
  readonly sources: ReadonlySet<string>;
  readonly blame: LoopBlame;
  readonly observer: Observer;
}

/** @throws HoldfastError config_invalid */
export function destinationOf(registration: Registration, known: Known): Destination {
  const { name, options, batch } = registration;
  const paced = pacing(registration, known.sources);
  const problem = problemOf(registration);
  if (problem !== null) throw invalid(name, problem);
  return {
    ...paced,
    accepts: null,
    batch: batch ? { size: options.size ?? 100, withinMs: durationMs(options.within ?? '1s', 'within') } : null,
    runner: runnerOf(registration, paced.concurrency, known),
  };
}

/**
 * What all destinations have alike: where from, and how paced.
 * @param rules of options that this kind has besides
 * @throws as {@link destinationOf}
 */
export function pacing(
  { name, options }: { readonly name: string; readonly options: HandlerOptions },
  sources: ReadonlySet<string>,
  rules: Readonly<Record<string, Rule>> = {},
): Omit<Destination, 'accepts' | 'batch' | 'runner'> {
  const wrong = optionProblem(options, { ...RULES, ...rules }) ?? breakerProblem(options);
  if (wrong !== null) throw invalid(name, wrong);
  const from = typeof options.from === 'string' ? [options.from] : options.from;
  const problem = fromProblem(name, from, sources) ?? typesProblem(options);
  if (problem !== null) throw invalid(name, problem);
  return {
    name,
    formerly: options.formerly ?? [],
    from: new Set(from),
    types: options.types ?? null,
    priority: options.priority ?? 'normal',
    concurrency: concurrencyOf(options),
    ratePerS: options.ratePerS ?? null,
    timeoutMs: durationMs(options.timeout ?? '30s', 'timeout'),
    retry: options.retry ?? exponential(),
    breaker: options.breaker === false ? null : { ...BREAKER, ...options.breaker },
    ordered: options.ordered ?? true,
    onDead: options.onDead ?? 'continue',
    backlogMax: options.backlogMax ?? null,
    overflow: options.overflow ?? 'dead',
  };
}

function invalid(name: string, problem: string): HoldfastError {
  return new HoldfastError('config_invalid', { detail: `Destination '${name}': ${problem}` });
}

/** A thread or a process costs tens of megabytes, and more of them than processors gain nothing. */
function concurrencyOf({ concurrency, run = 'inline' }: HandlerOptions): Concurrency {
  if (typeof concurrency === 'object') return concurrency;
  if (concurrency === undefined && run !== 'inline') return { min: 1, max: availableParallelism() };
  return { min: concurrency ?? CONCURRENCY, max: concurrency ?? CONCURRENCY };
}

function isRange(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { min, max, ...rest } = value as Readonly<Record<string, unknown>>;
  return Object.keys(rest).length === 0 && wholeFrom1.fits(min) && wholeFrom1.fits(max) && Number(max) >= Number(min);
}

function breakerProblem({ breaker = false }: HandlerOptions): string | null {
  const problem = breaker === false ? null : optionProblem(breaker, BREAKER_RULES);
  return problem === null ? null : `breaker: ${problem}`;
}

/** Elsewhere it would be a letter of the type, and the handler would wait for what never comes. */
function typesProblem({ types = [] }: HandlerOptions): string | null {
  const wrong = types.find((type) => type.slice(0, -1).includes('*'));
  return wrong === undefined ? null : `types: a wildcard '*' stands only at the end, got '${wrong}'.`;
}

function fromProblem(name: string, from: readonly string[] | undefined, sources: ReadonlySet<string>): string | null {
  if (!NAME.test(name)) return "a name has letters, digits, '-', '_', '.' and ':'.";
  const known = `Known: ${[...sources].join(', ')}.`;
  if (from === undefined || from.length === 0) return `from: expected at least one source. ${known}`;
  const unknown = from.find((source) => !sources.has(source));
  if (unknown !== undefined) return `from: there is no source '${unknown}'.${didYouMean(unknown, sources)} ${known}`;
  return null;
}

function problemOf({ options, handler, batch }: Registration): string | null {
  const { run = 'inline', module } = options;
  if (!batch && (options.size ?? options.within) !== undefined) return 'size and within are of handleBatch.';
  if (run === 'inline') {
    return typeof handler === 'function' ? null : 'expected a handler function, or run: thread with a module.';
  }
  if (module === undefined) return `run: '${run}' needs module: new URL('./handler.ts', import.meta.url).`;
  if (handler !== null) return `run: '${run}' takes its code from module; leave the function out.`;
  if (module.protocol === 'file:' && !existsSync(fileURLToPath(module)))
    return `module: there is no file ${module.href}.`;
  return null;
}

function runnerOf(
  { name, options, handler, batch }: Registration,
  concurrency: Concurrency,
  { blame, observer }: Known,
): Runner {
  const { run = 'inline', module } = options;
  if (run !== 'inline' && module !== undefined) {
    const make = run === 'thread' ? threadRunner : processRunner;
    return make({ module, name, batch, concurrency, clock: systemClock, observer });
  }
  // `problemOf` has seen that there is one, of the kind that `handle` or `handleBatch` was given.
  return batch ? inlineBatchRunner(handler as BatchHandler, { blame }) : inlineRunner(handler as Handler, { blame });
}
