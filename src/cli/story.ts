/** What happens, as lines for people: of `start` in the playground and of `events --follow`. */
import type { StreamOccurrence } from '../observe/stream.ts';
import { formatDuration } from '../core/duration.ts';
import { type Output, plain } from './output.ts';

/** An occurrence in words. */
export interface Told {
  readonly word: string;
  readonly colour: 'green' | 'red' | 'yellow' | 'cyan' | 'dim';
  readonly text: string;
  /** Of the ordinary course: left out, and counted, when there is too much. */
  readonly routine: boolean;
}

/** Lines of the ordinary course per second; more are only counted. */
const ROUTINE_PER_S = 12;
/** The same for what is out of the ordinary. */
const NOTABLE_PER_S = 40;

/** Writes occurrences as lines, and sums up what comes too fast to be read. */
export class Story {
  readonly #out: Output;
  readonly #unsaid = new Map<string, number>();
  #second = 0;
  #lines = { routine: 0, notable: 0 };
  #timer: NodeJS.Timeout | null = null;

  constructor(out: Output) {
    this.#out = out;
  }

  tell(occurrence: StreamOccurrence): void {
    const told = inWords(occurrence);
    const second = Math.floor(occurrence.at / 1000);
    if (second !== this.#second) this.#nextSecond(second);
    const kind = told.routine ? 'routine' : 'notable';
    if (this.#lines[kind]++ < (told.routine ? ROUTINE_PER_S : NOTABLE_PER_S)) {
      this.#out.line(`${clockTime(occurrence.at)} ${this.#out.paint(told.colour, told.word.padEnd(9))} ${told.text}`);
      return;
    }
    this.#unsaid.set(told.word, (this.#unsaid.get(told.word) ?? 0) + 1);
    this.#timer ??= setTimeout(() => this.flush(), 1000).unref();
  }

  /** Says what was only counted. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#unsaid.size === 0) return;
    const counts = [...this.#unsaid].map(([word, count]) => `${count} ${word}`);
    this.#unsaid.clear();
    this.#out.line(this.#out.paint('dim', `         and ${counts.join(', ')} more`));
  }

  #nextSecond(second: number): void {
    this.flush();
    this.#second = second;
    this.#lines = { routine: 0, notable: 0 };
  }
}

/** `12:00:00` of the local day. */
function clockTime(at: number): string {
  return new Date(at).toTimeString().slice(0, 8);
}

export function inWords(occurrence: StreamOccurrence): Told {
  const text = (name: string): string => plain(stringOf(occurrence[name]));
  const about = `${text('type') || 'an event'} from ${text('source')}`;
  switch (occurrence.kind) {
    case 'accepted':
      return {
        word: 'accepted',
        colour: 'cyan',
        text: `${about}  ${text('eventId')}${owedText(occurrence['owed'])}`,
        routine: true,
      };
    case 'duplicate':
      return {
        word: 'duplicate',
        colour: 'dim',
        text: `${text('source')} sent ${text('eventId')} again${occurrence['differs'] === true ? ', with another body' : ''}`,
        routine: true,
      };
    case 'rejected':
      return {
        word: 'rejected',
        colour: 'yellow',
        text: `a request to ${text('source')}: ${text('reason')}`,
        routine: false,
      };
    case 'attempt':
      return attemptInWords(occurrence, text);
    case 'dead':
      return {
        word: 'dead',
        colour: 'red',
        text: `${about} at ${text('destination')}: ${text('reason')}  ${text('eventId')}`,
        routine: false,
      };
    case 'breaker':
      return {
        word: 'breaker',
        colour: 'yellow',
        text: `${text('destination')} ${text('state')}: ${text('reason')}`,
        routine: false,
      };
    default:
      return {
        word: text('level') || occurrence.kind,
        colour: noteColour(text('level')),
        text: text('message'),
        routine: false,
      };
  }
}

function attemptInWords(occurrence: StreamOccurrence, text: (name: string) => string): Told {
  const { number, durationMs } = occurrence;
  const outcome = text('outcome');
  const good = outcome === 'succeeded' || outcome === 'skipped';
  const where = `${text('type') || 'an event'} at ${text('destination')}, attempt ${String(number)}`;
  const took = typeof durationMs === 'number' ? `, ${formatDuration(durationMs)}` : '';
  const why = occurrence['error'] === null ? '' : `: ${firstLine(text('error'))}`;
  return {
    word: outcome,
    colour: good ? 'green' : 'yellow',
    text: `${where}${took}${why}  ${text('eventId')}`,
    routine: good && number === 1,
  };
}

function owedText(owed: unknown): string {
  return owed === 0 ? '  (no destination matched)' : '';
}

function noteColour(level: string): Told['colour'] {
  return level === 'error' ? 'red' : level === 'warn' ? 'yellow' : 'dim';
}

const LINE_MAX = 120;

/** The first line of an error, without its stack. */
export function firstLine(text: string): string {
  const line = text.split(/\n|\s{2,}at /, 1)[0] ?? '';
  return line.length > LINE_MAX ? `${line.slice(0, LINE_MAX - 1)}…` : line;
}

function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}
