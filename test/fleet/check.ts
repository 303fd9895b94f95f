/** What a fleet has to show for what its senders were acknowledged: by the handlers' own log. */
import type { LogLine } from './wire.ts';
import { FREE, ORDERED } from './wire.ts';
import type { Sent } from './senders.ts';

export interface Verdict {
  /** Everything that must not be. */
  readonly breaches: readonly string[];
  readonly acknowledged: number;
  /** Invocations that ended beyond the first of each delivery. */
  readonly repeated: number;
  /** Of these, those that no kill explains. */
  readonly unexplained: number;
}

/** Whether every acknowledged webhook has ended at every destination. */
export function allEnded(sent: Sent, lines: readonly LogLine[]): boolean {
  const ended = new Set(lines.flatMap((line) => (line.ended ? [`${line.destination} ${line.key}`] : [])));
  for (const keys of sent.acknowledged.values()) {
    for (const key of keys) if (!ended.has(`${ORDERED} ${key}`) || !ended.has(`${FREE} ${key}`)) return false;
  }
  return true;
}

/** @param disturbed Starts of processes that were killed, paused or cut off: what they did may be done again */
export function check(sent: Sent, lines: readonly LogLine[], disturbed: ReadonlySet<string>): Verdict {
  const breaches = [...missing(sent, lines), ...misordered(lines), ...doubled(lines)];
  const acknowledged = [...sent.acknowledged.values()].reduce((sum, keys) => sum + keys.length, 0);
  const { repeated, unexplained } = repeats(lines, disturbed);
  return { breaches, acknowledged, repeated, unexplained };
}

function missing(sent: Sent, lines: readonly LogLine[]): string[] {
  const ended = new Set(lines.flatMap((line) => (line.ended ? [`${line.destination} ${line.key}`] : [])));
  return [...sent.acknowledged.values()]
    .flat()
    .flatMap((key) => [`${ORDERED} ${key}`, `${FREE} ${key}`])
    .filter((one) => !ended.has(one))
    .map((one) => `${one} was acknowledged and never ended`);
}

/** Of each order key no webhook begins before the one before it has ended. */
function misordered(lines: readonly LogLine[]): string[] {
  const breaches: string[] = [];
  const newest = new Map<string, { readonly number: number; readonly ended: boolean }>();
  for (const { destination, order, key, ended } of lines) {
    if (destination !== ORDERED) continue;
    const number = Number(key.slice(key.indexOf(':') + 1));
    const before = newest.get(order) ?? { number: 0, ended: true };
    if (number === before.number) newest.set(order, { number, ended: before.ended || ended });
    if (number <= before.number) continue; // A late repeat: what it did before is what counts.
    if (number !== before.number + 1 || !before.ended) {
      breaches.push(`${key} began when ${order}:${before.number} had ${before.ended ? 'ended' : 'not ended'}`);
    }
    newest.set(order, { number, ended });
  }
  return breaches;
}

/** Each key is one event, whoever brought it how often: one delivery to each destination. */
function doubled(lines: readonly LogLine[]): string[] {
  const first = new Map<string, string>();
  return lines.flatMap(({ destination, key, delivery }) => {
    const known = first.get(`${destination} ${key}`);
    first.set(`${destination} ${key}`, known ?? delivery);
    return known === undefined || known === delivery ? [] : [`${destination} ${key} is two deliveries`];
  });
}

function repeats(
  lines: readonly LogLine[],
  disturbed: ReadonlySet<string>,
): { readonly repeated: number; readonly unexplained: number } {
  const by = Map.groupBy(
    lines.filter(({ ended }) => !ended),
    ({ delivery }) => delivery,
  );
  let repeated = 0;
  let unexplained = 0;
  for (const begun of by.values()) {
    repeated += begun.length - 1;
    for (let index = 1; index < begun.length; index++) {
      if (!disturbed.has(begun[index - 1]?.member ?? '')) unexplained++;
    }
  }
  return { repeated, unexplained };
}
