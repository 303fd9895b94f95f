/** Which destinations answer the requests of `sync` sources. */
import type { Responders } from '../dispatch/answers.ts';
import type { Destination } from '../dispatch/destination.ts';
import { HoldfastError } from '../errors.ts';
import type { Source } from '../ingest/source.ts';

/**
 * Those of the `sync` sources.
 * @throws HoldfastError config_invalid when one does not take from its source, or two take the same type
 */
export function respondersOf(sources: readonly Source[], destinations: readonly Destination[]): Responders {
  const of = new Map<string, ReadonlySet<string>>();
  const splitting = new Set<string>();
  for (const { name, mode, responders, split } of sources) {
    const found = responders.map((responder) => {
      const destination = destinations.find((one) => one.name === responder && one.from.has(name));
      if (destination === undefined) throw invalid(name, `no handler '${responder}' takes from '${name}'.`);
      return destination;
    });
    checkTypes(name, found);
    if (mode !== 'sync') continue;
    of.set(name, new Set(responders));
    if (split !== null) splitting.add(name);
  }
  return { of, split: splitting };
}

/** An event has one answer. */
function checkTypes(source: string, responders: readonly Destination[]): void {
  for (const [index, one] of responders.entries()) {
    const other = responders.slice(index + 1).find(({ types }) => overlap(one.types, types));
    if (other === undefined) continue;
    const problem = `'${one.name}' and '${other.name}' take the same types: an event has one answer. Tell them apart by 'types'.`;
    throw invalid(source, problem);
  }
}

/** Whether a type can be among both; `null`: all are. */
function overlap(some: readonly string[] | null, others: readonly string[] | null): boolean {
  if (some === null || others === null) return true;
  return some.some((one) => others.some((other) => meet(one, other)));
}

function meet(one: string, other: string): boolean {
  const [start, otherStart] = [one.replace(/\*$/, ''), other.replace(/\*$/, '')];
  if (start === one && otherStart === other) return one === other;
  if (start === one) return one.startsWith(otherStart);
  if (otherStart === other) return other.startsWith(start);
  return start.startsWith(otherStart) || otherStart.startsWith(start);
}

function invalid(source: string, problem: string): HoldfastError {
  return new HoldfastError('config_invalid', { detail: `sources.${source}.responder: ${problem}` });
}
