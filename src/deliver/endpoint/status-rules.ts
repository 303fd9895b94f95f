/** What the status of an answer means for the delivery. */
import { HoldfastError } from '../../errors.ts';
import type { StatusRules } from './target.ts';

/** `gone`: 410, the endpoint wants no more webhooks (Standard Webhooks). */
export type Meaning = 'success' | 'retry' | 'fail' | 'gone';

interface Range {
  readonly first: number;
  readonly last: number;
  readonly meaning: Meaning;
}

/** Says what a status means. */
export type ReadStatus = (status: number) => Meaning;

const DEFAULTS: readonly Range[] = [
  { first: 200, last: 299, meaning: 'success' },
  { first: 410, last: 410, meaning: 'gone' },
];

/** @throws HoldfastError `invalid_input` when a rule is not a status, a class or a range */
export function openStatusRules({ success = [], fail = [], retry = [] }: StatusRules = {}): ReadStatus {
  const ranges = [
    ...success.map((rule) => parseRule(rule, 'success')),
    ...fail.map((rule) => parseRule(rule, 'fail')),
    ...retry.map((rule) => parseRule(rule, 'retry')),
    ...DEFAULTS,
  ];
  return (status) => ranges.find(({ first, last }) => first <= status && status <= last)?.meaning ?? 'retry';
}

function parseRule(rule: string, meaning: Meaning): Range {
  const found = /^(?:(?<hundreds>[2-9])xx|(?<first>[2-9]\d\d)(?:-(?<last>[2-9]\d\d))?)$/.exec(rule)?.groups;
  if (found === undefined) {
    throw new HoldfastError('invalid_input', {
      detail: `statusRules.${meaning}: expected a status like '404', '5xx' or '400-499', got '${rule.slice(0, 20)}'.`,
    });
  }
  const { hundreds, first, last } = found;
  if (hundreds !== undefined) return { first: Number(hundreds) * 100, last: Number(hundreds) * 100 + 99, meaning };
  return { first: Number(first), last: Number(last ?? first), meaning };
}
