/**
 * What varies from one simulated request to the next. It is drawn from the run and the number of the request, so that
 * the same number gives the same request again, and no other number or run gives one like it.
 */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';

const BASE62 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Where a draw begins. */
export interface DrawStart {
  /** Text that no other draw has: a run and a number in it. */
  readonly seed: string;
  /** The same for requests that are about one user, order or machine. */
  readonly subject: string;
  /** The event type that was asked for. */
  readonly type: string;
  /** When what is told happened: milliseconds since 1970. */
  readonly at: number;
}

/** Draws values, each call the next ones. */
export class Draw {
  /** The event type that was asked for. */
  readonly type: string;
  /** When what is told happened. */
  readonly at: Date;
  /** 32 hex digits, the same in all requests about one subject. */
  readonly subject: string;
  readonly #seed: string;
  #block = 0;
  #bytes: Buffer = Buffer.alloc(0);

  constructor({ seed, subject, type, at }: DrawStart) {
    this.type = type;
    this.at = new Date(at);
    this.subject = digest(subject).toString('hex', 0, 16);
    this.#seed = seed;
  }

  /** Lower-case hex digits. */
  hex(length: number): string {
    return this.#take(Math.ceil(length / 2))
      .toString('hex')
      .slice(0, length);
  }

  /** Letters and digits. */
  text(length: number): string {
    let text = '';
    for (const byte of this.#take(length)) text += BASE62[byte % BASE62.length] ?? '';
    return text;
  }

  /** Decimal digits, the first no zero. */
  digits(length: number): string {
    let text = '';
    for (const byte of this.#take(length)) text += String(byte % 10);
    return text.replace(/^0/, '7');
  }

  /** A random UUID (RFC 9562, version 4). */
  uuid(): string {
    const hex = this.hex(32);
    const variant = '89ab'[Number.parseInt(hex.charAt(16), 16) & 3] ?? '8';
    const parts = [
      hex.slice(0, 8),
      hex.slice(8, 12),
      `4${hex.slice(13, 16)}`,
      variant + hex.slice(17, 20),
      hex.slice(20),
    ];
    return parts.join('-');
  }

  /** A whole number, both ends included. */
  int(min: number, max: number): number {
    return min + (this.#take(4).readUInt32BE(0) % (max - min + 1));
  }

  /** A number with so many decimals. */
  float(min: number, max: number, decimals = 1): number {
    const scale = 10 ** decimals;
    return this.int(Math.round(min * scale), Math.round(max * scale)) / scale;
  }

  pick<Item>(items: readonly [Item, ...Item[]]): Item {
    return items[this.int(0, items.length - 1)] ?? items[0];
  }

  /** Seconds since 1970, so many after it happened. */
  seconds(after = 0): number {
    return Math.floor(this.at.getTime() / 1000) + after;
  }

  /** RFC 3339 in UTC with milliseconds, so many seconds after it happened. */
  iso(after = 0): string {
    return new Date(this.at.getTime() + after * 1000).toISOString();
  }

  /** RFC 3339 in UTC to the second. */
  isoSeconds(after = 0): string {
    return this.iso(after).replace(/\.\d+/, '');
  }

  /** The start of the day, so many days after it happened. */
  day(after = 0): string {
    return new Date(this.at.getTime() + after * 86_400_000).toISOString().slice(0, 10);
  }

  /** A person who is made up, with an address that nobody has (RFC 2606). */
  person(): Person {
    const first = this.pick(['Ada', 'Bo', 'Chiara', 'Deniz', 'Eva', 'Femi', 'Greta', 'Hiro', 'Inés', 'Zoë']);
    const last = this.pick(['Okafor', 'Lindqvist', 'Moreau', 'Novák', 'Tanaka', 'Silva', 'Weiß', 'Iyer']);
    return {
      first,
      last,
      name: `${first} ${last}`,
      email: `${first.charAt(0).toLowerCase()}.${this.hex(6)}@example.com`,
    };
  }

  /** A number of the range that is kept for fiction. */
  phone(): string {
    return `+1${this.pick(['312', '415', '206', '617'])}55501${String(this.int(0, 99)).padStart(2, '0')}`;
  }

  #take(length: number): Buffer {
    while (this.#bytes.length < length) {
      this.#bytes = Buffer.concat([this.#bytes, digest(`${this.#seed}/${this.#block++}`)]);
    }
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return taken;
  }
}

export interface Person {
  readonly first: string;
  readonly last: string;
  readonly name: string;
  readonly email: string;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
