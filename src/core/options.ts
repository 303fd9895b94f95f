/** What options may be that somebody wrote without a compiler. */
import { inspect } from 'node:util';
import { type Duration, parseDuration } from './duration.ts';
import { didYouMean } from './suggest.ts';

/** What an option may be: in words, and as a test. */
export interface Rule {
  readonly expected: string;
  readonly fits: (value: unknown) => boolean;
}

/** What is looked at where it is used, or must not be shown. */
export const anything: Rule = { expected: 'anything', fits: () => true };

export const flag: Rule = { expected: 'true or false', fits: (value) => typeof value === 'boolean' };

export const names: Rule = {
  expected: 'a list of texts',
  fits: (value) => Array.isArray(value) && value.every((one) => typeof one === 'string'),
};

export const positive: Rule = { expected: 'a number above 0', fits: (value) => typeof value === 'number' && value > 0 };

export const wholeFrom1: Rule = {
  expected: 'a whole number from 1',
  fits: (value) => Number.isInteger(value) && Number(value) >= 1,
};

export const duration: Rule = {
  expected: "a duration such as '5s', '10m' or '7d'",
  fits: (value) => durationOf(value) !== null,
};

/** A time that is no time at all would end everything as it begins. */
export const someTime: Rule = {
  expected: "a duration above 0, such as '5s', '10m' or '7d'",
  fits: (value) => (durationOf(value) ?? 0) > 0,
};

function durationOf(value: unknown): number | null {
  return typeof value === 'string' || typeof value === 'number' ? parseDuration(value satisfies Duration) : null;
}

export function oneOf(...values: readonly string[]): Rule {
  return {
    expected: values.map((value) => `'${value}'`).join(' or '),
    fits: (value) => values.includes(value as string),
  };
}

/**
 * The first thing about these options that is wrong; `null`: nothing. What is `undefined` is not given. Said of a value
 * that is no object of options, too: whoever has no compiler may have forgotten it.
 */
export function optionProblem(given: unknown, rules: Readonly<Record<string, Rule>>): string | null {
  if (typeof given !== 'object' || given === null) return `expected an object of options, got ${inspect(given)}.`;
  for (const [name, value] of Object.entries(given)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (rule === undefined) return `there is no option '${name}'.${didYouMean(name, Object.keys(rules))}`;
    if (value !== undefined && !rule.fits(value)) return `${name}: expected ${rule.expected}, got ${inspect(value)}.`;
  }
  return null;
}
