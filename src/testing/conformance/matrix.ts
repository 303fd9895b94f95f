/**
 * What the suite covers: promise × operation × condition. An empty cell has a reason, and a reason has empty cells:
 * `matrix.test.ts` fails otherwise.
 */
import type { ConformanceCase, Condition, Coverage, Operation, Promised } from './harness.ts';
import { type NotApplicable, notApplicable } from './not-applicable.ts';

/** Which operations each promise is about. */
const promisedOf: Readonly<Record<Promised, readonly Operation[]>> = {
  durable: [
    'append',
    'appendIn',
    'settle',
    'settleIn',
    'release',
    'replay',
    'resolve',
    'bury',
    'cancel',
    'rename',
    'document',
    'put',
    'close',
  ],
  fenced: ['append', 'start', 'settle', 'settleIn', 'release', 'rename', 'claim', 'renew', 'close'],
  ordered: ['append', 'settle', 'release', 'replay', 'resolve', 'bury', 'cancel', 'rename', 'claim', 'purge'],
  deduplicated: ['append', 'settle', 'purge'],
  exact: ['append', 'settle', 'put'],
  'crash-bounded': ['append', 'start', 'settle', 'claim', 'open'],
  retained: ['purge', 'resolve', 'replay'],
  truthful: [
    ...(['open', 'append', 'settle', 'replay', 'resolve', 'bury', 'cancel', 'rename', 'claim', 'wakeUps'] as const),
    ...(['event', 'events', 'delivery', 'deliveries', 'attempts', 'counts', 'get', 'list', 'watch'] as const),
  ],
};

/** Every condition, in the order of the tables. */
const conditions: readonly Condition[] = [
  'normal',
  'repeat',
  'stale claim',
  'crash before commit',
  'crash after commit',
  'reopen',
];

/** One cell of the matrix: the cases in it, or why there are none. */
export interface MatrixCell extends Coverage {
  /** Names of the cases. */
  readonly cases: readonly string[];
  /** Reasons given for its being empty; one where it is empty, none where it is not. */
  readonly reasons: readonly string[];
}

/** The matrix that these cases make, cell by cell, with the reasons of the empty ones. */
export function conformanceMatrix(
  cases: readonly ConformanceCase[],
  reasons: readonly NotApplicable[] = notApplicable,
): readonly MatrixCell[] {
  const cells: MatrixCell[] = [];
  for (const [promise, operations] of Object.entries(promisedOf) as [Promised, readonly Operation[]][]) {
    for (const operation of operations) {
      for (const condition of conditions) {
        const cell = { promise, operation, condition };
        cells.push({
          ...cell,
          cases: cases.filter((item) => isSame(item.covers, cell)).map((item) => item.name),
          reasons: reasons.filter((item) => isAbout(item, cell)).map((item) => item.reason),
        });
      }
    }
  }
  return cells;
}

/** What is wrong with a matrix, in sentences: empty when every cell has either cases or one reason. */
export function matrixProblems(
  cases: readonly ConformanceCase[],
  reasons: readonly NotApplicable[] = notApplicable,
): readonly string[] {
  const cells = conformanceMatrix(cases, reasons);
  const problems = cells.flatMap((cell) => {
    const name = cellName(cell);
    if (cell.cases.length === 0 && cell.reasons.length === 0) return [`${name} is empty without a reason.`];
    if (cell.cases.length > 0 && cell.reasons.length > 0) return [`${name} has cases and a reason to have none.`];
    return cell.reasons.length > 1 ? [`${name} has two reasons.`] : [];
  });
  const lost = cases.filter((item) => !cells.some((cell) => isSame(cell, item.covers)));
  const names = cases.map((item) => item.name);
  return [
    ...problems,
    ...lost.map((item) => `${cellName(item.covers)} is not in the matrix: "${item.name}".`),
    ...reasonsWithout(cells, reasons),
    ...names.filter((name, index) => names.indexOf(name) !== index).map((name) => `Two cases are named "${name}".`),
  ];
}

/** Reasons about cells that are not there. */
function reasonsWithout(cells: readonly MatrixCell[], reasons: readonly NotApplicable[]): readonly string[] {
  return reasons.flatMap(({ promise, operations, conditions: named }) =>
    operations
      .flatMap((operation) => named.map((condition) => ({ promise, operation, condition })))
      .filter((cell) => !cells.some((other) => isSame(other, cell)))
      .map((cell) => `${cellName(cell)} has a reason and is not in the matrix.`),
  );
}

function isSame(a: Coverage, b: Coverage): boolean {
  return a.promise === b.promise && a.operation === b.operation && a.condition === b.condition;
}

function isAbout(item: NotApplicable, cell: Coverage): boolean {
  return (
    item.promise === cell.promise &&
    item.operations.includes(cell.operation) &&
    item.conditions.includes(cell.condition)
  );
}

function cellName({ promise, operation, condition }: Coverage): string {
  return `${promise} × ${operation} × ${condition}`;
}
