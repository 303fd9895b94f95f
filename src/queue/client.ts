/** What drivers do alike around their broker's client: loading its package (stores, too), reading the URL, not waiting for ever. */
import type { Clock } from '../core/clock.ts';
import { parseBytes, parseDuration } from '../core/duration.ts';
import { didYouMean } from '../core/suggest.ts';
import { HoldfastError } from '../errors.ts';
import { QueueError } from './queue.ts';

/**
 * Loads the client of a broker or a store: an optional peer dependency, which is not there until a user installs it.
 * @throws HoldfastError client_missing
 */
export async function loadClient<Module>(packageName: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND' || !message.includes(`'${packageName}'`)) throw error;
    throw new HoldfastError('client_missing', { detail: `Run: npm install ${packageName}`, cause: error });
  }
}

/** The query of a queue's URL: `?name=value`, each name known to its driver. */
export class UrlSettings {
  readonly #values: URLSearchParams;

  /** @throws HoldfastError config_invalid for a name the driver does not know */
  constructor(url: URL, known: readonly string[]) {
    this.#values = url.searchParams;
    for (const name of url.searchParams.keys()) {
      if (known.includes(name)) continue;
      throw new HoldfastError('config_invalid', {
        detail: `queue: '${name}' is no setting of ${url.protocol}//…; there are ${known.join(', ')}.${didYouMean(name, known)}`,
      });
    }
  }

  /** A name of ours in the broker. */
  name(setting: string, fallback: string, pattern: RegExp = /^[A-Za-z0-9_-]{1,32}$/): string {
    return (
      this.#read(setting, `a name such as '${fallback}'`, (value) => (pattern.test(value) ? value : null)) ?? fallback
    );
  }

  oneOf<const Value extends string>(setting: string, values: readonly [Value, ...Value[]]): Value {
    const read = this.#read(setting, values.join(', '), (value) => values.find((one) => one === value) ?? null);
    return read ?? values[0];
  }

  text(setting: string): string | null {
    return this.#values.get(setting);
  }

  /** Milliseconds. */
  duration(setting: string, fallbackMs: number): number {
    return this.#read(setting, "a duration such as '24h'", parseDuration) ?? fallbackMs;
  }

  bytes(setting: string, fallback: number): number {
    return this.#read(setting, "a size such as '256MiB'", parseBytes) ?? fallback;
  }

  #read<Value>(setting: string, expected: string, parse: (value: string) => Value | null): Value | null {
    const value = this.#values.get(setting);
    if (value === null) return null;
    const parsed = parse(value);
    if (parsed !== null) return parsed;
    throw new HoldfastError('config_invalid', {
      detail: `queue: ${setting} expects ${expected}, got '${value}'.`,
    });
  }
}

/**
 * The URL of a queue.
 * @throws HoldfastError config_invalid, without what the URL says: it may hold a password
 */
export function queueUrl(text: string, schemes: readonly string[]): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && schemes.includes(url.protocol.slice(0, -1)) && isDecodable(url)) return url;
  const begins = schemes.map((scheme) => `${scheme}://`).join(' or ');
  throw new HoldfastError('config_invalid', {
    detail: `queue: expected a URL that begins with ${begins}, its user and password percent-encoded (% is %25, / is %2F).`,
  });
}

function isDecodable({ username, password }: URL): boolean {
  try {
    decodeURIComponent(username + password);
    return true;
  } catch {
    return false;
  }
}

/**
 * What a call answers, unless it takes longer: then its answer is nobody's any more.
 * @throws QueueError after `limitMs`
 */
export function within<Answer>(clock: Clock, limitMs: number, call: Promise<Answer>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const timer = clock.schedule(limitMs, () => reject(new QueueError(`No answer within ${limitMs} ms.`)));
    call.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** Any failure of a client as the port's; its own message says what the broker said. */
export function unavailable(error: unknown): QueueError {
  if (error instanceof QueueError) return error;
  const { name, message } = error as Error;
  return new QueueError(message === '' ? name : message, error);
}

/** Calls `run` for each, at most `limit` at a time. Rejects with the first failure once all that had begun are over. */
export async function forEachOf<Item>(
  items: readonly Item[],
  limit: number,
  run: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  const worker = async (): Promise<void> => {
    for (const item of rest) await run(item);
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, worker));
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
}

/** Cuts into parts of at most `size`, in order. */
export function inParts<Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, part) =>
    items.slice(part * size, (part + 1) * size),
  );
}
