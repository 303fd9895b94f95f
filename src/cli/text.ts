/** How times, amounts and states are written for people. */
import { formatDuration } from '../core/duration.ts';
import type { Output } from './output.ts';

/** `2026-01-31 12:00:00` in local time. */
export function dateTime(iso: string): string {
  const date = new Date(iso);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** The same with milliseconds. */
export function exactTime(iso: string): string {
  return `${dateTime(iso)}.${String(new Date(iso).getMilliseconds()).padStart(3, '0')}`;
}

/** `3 min ago`, `in 5 s`. */
export function fromNow(iso: string, now: number): string {
  const ms = Date.parse(iso) - now;
  return ms > 0 ? `in ${formatDuration(ms)}` : `${formatDuration(-ms)} ago`;
}

/** `1 event`, `2 events`. */
export function amount(count: number, noun: string, plural = `${noun}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? noun : plural}`;
}

const STATE_COLOURS = {
  succeeded: 'green',
  skipped: 'green',
  dead: 'red',
  paused: 'yellow',
  absent: 'yellow',
  stopped: 'yellow',
  open: 'red',
  'half-open': 'yellow',
} as const;

/** A state in its colour. */
export function stateText(out: Output, state: string): string {
  const colour = Object.hasOwn(STATE_COLOURS, state) ? STATE_COLOURS[state as keyof typeof STATE_COLOURS] : null;
  return colour === null ? state : out.paint(colour, state);
}
