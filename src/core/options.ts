/** What options may be that somebody wrote without a compiler. */
import { inspect } from 'node:util';
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

export function oneOf(...values: readonly string[]): Rule {
  return {
    expected: values.map((value) => `'${value}'`).join(' or '),
    fits: (value) => values.includes(value as string),
  };
}

/** The first thing about these options that is wrong; `null`: nothing. What is `undefined` is not given. */
export function optionProblem(given: object, rules: Readonly<Record<string, Rule>>): string | null {
  for (const [name, value] of Object.entries(given)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (rule === undefined) return `there is no option '${name}'.${didYouMean(name, Object.keys(rules))}`;
    if (value !== undefined && !rule.fits(value)) return `${name}: expected ${rule.expected}, got ${inspect(value)}.`;
  }
  return null;
}
