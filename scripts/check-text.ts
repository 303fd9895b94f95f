/** What a linter cannot hold because it obeys it: suppressions without a reason, and notes for later instead of work. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const self = 'scripts/check-text.ts';
const code = /\.(?:[cm]?[jt]sx?|sql|sh|css|html|ya?ml|json)$|^\.ci\//;

const refused: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  {
    pattern: /(?:oxlint|eslint)-disable(?!.* -- \S)/,
    why: 'a suppression carries its reason: oxlint-disable… rule -- why',
  },
  { pattern: /@ts-(?:ignore|nocheck)/, why: 'use @ts-expect-error with a description' },
  { pattern: /(?:oxfmt|prettier)-ignore(?!.* -- \S)/, why: 'a suppression carries its reason: oxfmt-ignore -- why' },
  { pattern: /\b(?:TODO|FIXME|HACK|XXX)\b/, why: 'nothing is left for later in main: do it, or open an issue' },
  { pattern: /\b(?:test|it|describe)\.only\(/, why: 'a focused test hides the others' },
];

const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root });
const files = listed
  .toString()
  .split('\n')
  .filter((file) => code.test(file) && file !== self && existsSync(join(root, file)));

let found = 0;
for (const file of files) {
  for (const [index, line] of readFileSync(join(root, file), 'utf8').split('\n').entries()) {
    for (const { pattern, why } of refused.filter((rule) => rule.pattern.test(line))) {
      console.error(`${file}:${index + 1}: ${pattern.exec(line)?.[0]}: ${why}`);
      found++;
    }
  }
}
process.exitCode = found === 0 ? 0 : 1;
