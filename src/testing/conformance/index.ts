/** The suite that every store driver passes, as data: run it with any test runner. See {@link StoreHarness}. */
import { claimCases } from './claims.ts';
import { crashCases } from './crash.ts';
import { dedupeCases } from './dedupe.ts';
import { durableCases } from './durable.ts';
import { exactCases } from './exact.ts';
import { fenceCases } from './fence.ts';
import type { ConformanceCase } from './harness.ts';
import { heldCases } from './held.ts';
import { historyCases } from './history.ts';
import { orderCases } from './order.ts';
import { outcomeCases } from './outcomes.ts';
import { registryCases } from './registry.ts';
import { retentionCases } from './retention.ts';
import { transactionCases } from './transactions.ts';

export * from './harness.ts';
export { conformanceMatrix, type MatrixCell, matrixProblems } from './matrix.ts';
export { type NotApplicable, notApplicable } from './not-applicable.ts';

/** Every case for stores, in the order of promises. */
export const storeConformance: readonly ConformanceCase[] = [
  ...durableCases,
  ...fenceCases,
  ...orderCases,
  ...heldCases,
  ...dedupeCases,
  ...exactCases,
  ...crashCases,
  ...retentionCases,
  ...claimCases,
  ...outcomeCases,
  ...historyCases,
  ...registryCases,
  ...transactionCases,
];
