import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { conformanceMatrix, matrixProblems, notApplicable, storeConformance } from './conformance/index.ts';

describe('the matrix of the conformance suite', () => {
  it('has cases or one reason in every cell', () => {
    assert.deepEqual(matrixProblems(storeConformance), []);
  });

  it('names a cell that has lost its cases', () => {
    const without = storeConformance.filter((item) => item.covers.condition !== 'stale claim');
    assert.ok(matrixProblems(without).includes('fenced × settle × stale claim is empty without a reason.'));
  });

  it('names a reason for a cell that has cases', () => {
    const [reason] = notApplicable;
    assert.ok(reason !== undefined);
    const wrong = { ...reason, conditions: ['normal'] as const };
    const problems = matrixProblems(storeConformance, [...notApplicable, wrong]);
    assert.ok(problems.includes(`durable × append × normal has cases and a reason to have none.`));
  });

  it('names a reason for a cell that is not there, two reasons for one, and two cases of one name', () => {
    const [one] = storeConformance;
    const [reason] = notApplicable;
    assert.ok(one !== undefined && reason !== undefined);
    const problems = matrixProblems(
      [...storeConformance, one],
      [...notApplicable, reason, { ...reason, promise: 'retained', operations: ['get'] }],
    );
    assert.ok(problems.includes(`Two cases are named "${one.name}".`));
    assert.ok(problems.includes('durable × append × stale claim has two reasons.'));
    assert.ok(problems.includes('retained × get × stale claim has a reason and is not in the matrix.'));
  });

  it('counts every case once', () => {
    const cells = conformanceMatrix(storeConformance);
    assert.equal(cells.flatMap((cell) => cell.cases).length, storeConformance.length);
  });
});
