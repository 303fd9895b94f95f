/**
 * The only file that decides what a log line looks like. Lines about single events are at `debug` and are not even
 * built above it; at `info` there is what a person wants to know: state changes, dead letters and refusals (a few of
 * each kind per minute, then only their number), and once per type what matched no destination.
 *
 * Never logged: bodies, headers, query strings. Fields of notes whose names sound like a secret are redacted.
 */
import { type DestinationStream, type Level, type Logger, pino } from 'pino';
import type { Clock } from '../core/clock.ts';
import { type DeadReason, deadReasons } from '../core/delivery.ts';
import { REDACTED, type StoredEvent } from '../core/event.ts';
import { formatDuration } from '../core/duration.ts';
import { HoldfastError } from '../errors.ts';
import type { PartialObserver } from './combine.ts';
import { destinationLabel, isManaged } from './destination-label.ts';
import { prettyStream } from './pretty.ts';

export type LogLevel = Level | 'silent';

const LEVELS: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

export interface LogOptions {
  /** Least level that is written. Default `info`. */
  readonly level?: LogLevel;
  /** `json`: one object a line, for programs; `pretty`: for people. Default: `pretty` on a terminal. */
  readonly format?: 'json' | 'pretty';
  /** Where lines go. Default: standard output, written at once, so that the last line before a crash is there. */
  readonly stream?: DestinationStream;
  readonly clock: Clock;
}

/** Lines of one kind about one thing per minute; further ones are counted and told with the next. */
const LINES_PER_MINUTE = 5;
/** Kinds of lines, and types that matched nothing, that are told apart. */
const KEYS_MAX = 1000;
const TEXT_MAX = 2000;

/** Writes log lines. Take `observer` into the gateway's observer; `logger` is for the program around it. */
export class Log {
  readonly logger: Logger;
  readonly observer: PartialObserver;
  readonly #limiter: LineLimiter;
  readonly #unmatched = new Set<string>();

  /** @throws HoldfastError config_invalid, when the level is none: it comes from the environment */
  constructor(options: LogOptions) {
    const level = options.level ?? 'info';
    if (!LEVELS.includes(level)) {
      throw new HoldfastError('config_invalid', { detail: `logLevel: expected ${LEVELS.join(', ')}, got '${level}'.` });
    }
    const format = options.format ?? (options.stream === undefined && process.stdout.isTTY ? 'pretty' : 'json');
    const raw = options.stream ?? pino.destination({ fd: 1, sync: true });
    this.logger = pino(
      {
        level,
        base: null,
        timestamp: () => `,"time":"${new Date(options.clock.now()).toISOString()}"`,
        formatters: { level: (label) => ({ level: label }) },
      },
      format === 'pretty' ? prettyStream(raw) : raw,
    );
    this.#limiter = new LineLimiter(options.clock);
    this.observer = { ...this.#always(), ...(this.logger.isLevelEnabled('debug') ? this.#perEvent() : {}) };
  }

  #always(): PartialObserver {
    const { logger } = this;
    return {
      accepted: (event, owed) => {
        if (owed === 0) this.#unmatchedEvent(event);
      },
      rejected: (source, step, reason) => {
        this.#limited(`rejected ${source} ${reason}`, { source, step, reason }, 'request refused');
      },
      died: (...[destination, event, reason, note]) => this.#died(destination, event, { reason, note }),
      commitFailed: (failure, message) => {
        this.#limited(`commit ${failure}`, { failure, error: cut(message) }, 'commit failed');
      },
      breaker: (destination, state, reason) => {
        const level = state === 'open' ? 'warn' : 'info';
        const left = isManaged(destination) ? this.#limiter.take(`breaker ${state}`) : 0;
        if (left === null) return;
        logger[level](
          { destination, state, reason: cut(reason), ...(left === 0 ? {} : { unsaid: left }) },
          `circuit breaker ${state}`,
        );
      },
      loopBlocked: (ms, destination) => {
        const fields = { destination, ms: Math.round(ms) };
        this.#limited(`loop ${destination ?? ''}`, fields, `event loop stood still for ${formatDuration(ms)}`);
      },
      note: (level, message, fields) => logger[level](redactFields(fields ?? {}), message),
    };
  }

  /** Only made when `debug` is enabled: the level is fixed for the life of the process. */
  #perEvent(): PartialObserver {
    const { logger } = this;
    return {
      accepted: (event, owed) => {
        if (owed === 0) this.#unmatchedEvent(event);
        logger.debug({ ...about(event), owed }, 'accepted');
      },
      duplicate: (source, eventId, differs) => logger.debug({ source, eventId, differs }, 'duplicate'),
      rejected: (source, step, reason) => logger.debug({ source, step, reason }, 'request refused'),
      answered: (source, status, durationMs) => logger.debug({ source, status, ms: round(durationMs) }, 'answered'),
      committed: (rows, durationMs) => logger.debug({ rows, ms: round(durationMs) }, 'committed'),
      attemptStarted: (destination, size) => logger.trace({ destination, size }, 'attempt started'),
      attemptEnded: (...[destination, event, { number, outcome, durationMs, status, error }, lagMs]) => {
        const figures = { attempt: number, ms: round(durationMs), lagMs: round(lagMs), status };
        const problem = error === null ? {} : { error: cut(error) };
        logger.debug({ ...about(event), destination, ...figures, ...problem }, `attempt ${outcome}`);
      },
    };
  }

  #unmatchedEvent(event: StoredEvent): void {
    if (event.duplicateOf !== null || event.unfit !== null) return;
    const key = `${event.source} ${event.type}`;
    if (this.#unmatched.has(key) || this.#unmatched.size >= KEYS_MAX) return;
    this.#unmatched.add(key);
    this.logger.info(about(event), 'stored, no destination matched (said once per type)');
  }

  #died(
    destination: string,
    event: StoredEvent | null,
    { reason, note }: { readonly reason: DeadReason; readonly note: string | null },
  ): void {
    const fields = {
      ...(event === null ? {} : about(event)),
      destination,
      reason,
      note: note === null ? null : cut(note),
    };
    this.#limited(`died ${destinationLabel(destination)} ${reason}`, fields, `dead letter: ${deadReasons[reason]}`);
  }

  #limited(key: string, fields: Readonly<Record<string, unknown>>, message: string): void {
    const left = this.#limiter.take(key);
    if (left === null) return;
    this.logger.warn(left === 0 ? fields : { ...fields, unsaid: left }, message);
  }
}

/** Lets a few lines of each kind through per minute and counts the others. */
class LineLimiter {
  readonly #clock: Clock;
  readonly #kinds = new Map<string, { minute: number; lines: number; unsaid: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `null`: say nothing; else say it, with how many of its kind were left out since the last one said. */
  take(key: string): number | null {
    const minute = Math.floor(this.#clock.monotonic() / 60_000);
    const kind = this.#kindOf(key);
    if (kind.minute !== minute) {
      kind.minute = minute;
      kind.lines = 0;
    }
    if (kind.lines >= LINES_PER_MINUTE) {
      kind.unsaid++;
      return null;
    }
    kind.lines++;
    const { unsaid } = kind;
    kind.unsaid = 0;
    return unsaid;
  }

  #kindOf(key: string): { minute: number; lines: number; unsaid: number } {
    const known = this.#kinds.size < KEYS_MAX ? key : '';
    let kind = this.#kinds.get(key) ?? this.#kinds.get(known);
    if (kind === undefined) {
      kind = { minute: -1, lines: 0, unsaid: 0 };
      this.#kinds.set(known, kind);
    }
    return kind;
  }
}

function about(event: StoredEvent): Readonly<Record<string, unknown>> {
  return { correlationId: event.correlationId, eventId: event.id, source: event.source, type: event.type };
}

function cut(text: string): string {
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX)}…`;
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

const SECRET_NAME = /secret|token|passw|credential|authorization|cookie|signature|api[-_]?key|private[-_]?key/i;
const DEPTH_MAX = 4;

/** A copy of fields in which values under names that sound like a secret are redacted, down to four levels. */
export function redactFields(fields: Readonly<Record<string, unknown>>, depth = 0): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      SECRET_NAME.test(name) ? REDACTED : redactValue(value, depth),
    ]),
  );
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return cut(value);
  if (value instanceof Error) return { name: value.name, message: cut(value.message), stack: cut(value.stack ?? '') };
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEPTH_MAX) return '[deep]';
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => redactValue(item, depth + 1));
  return redactFields(value as Record<string, unknown>, depth + 1);
}
