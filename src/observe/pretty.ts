/** Log lines for people: `12:00:00 warn  dead letter: every attempt failed  destination=billing`. */
import { stripVTControlCharacters } from 'node:util';
import type { DestinationStream } from 'pino';

const COLOURS: Readonly<Record<string, number>> = { trace: 90, debug: 90, info: 36, warn: 33, error: 31, fatal: 31 };

/** Takes pino's JSON lines and writes them as {@link prettyLine}; what is no JSON passes as it is. */
export function prettyStream(to: DestinationStream): DestinationStream {
  return { write: (line) => to.write(prettyLine(line)) };
}

/** One JSON line as a line for people. Control characters in values are taken out: a log must not move the cursor. */
export function prettyLine(line: string): string {
  const parsed = parseLine(line);
  if (parsed === null) return line;
  const { level, time, msg, ...fields } = parsed;
  const name = String(level);
  const clock = typeof time === 'string' ? time.slice(11, 19) : '';
  const shown = Object.entries(fields)
    .filter(([, value]) => value !== null && value !== undefined && value !== '')
    .map(([key, value]) => `${key}=${plain(value)}`);
  const head = `${clock} ${colour(name.padEnd(5), COLOURS[name] ?? 0)} ${plain(msg ?? '')}`;
  return `${head}${shown.length === 0 ? '' : `  ${colour(shown.join(' '), 90)}`}\n`;
}

function parseLine(line: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function plain(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return stripVTControlCharacters(text).replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

function colour(text: string, code: number): string {
  return `\u001b[${code}m${text}\u001b[0m`;
}
