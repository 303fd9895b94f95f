/** The suite that every store driver passes, as data: run it with any test runner. See {@link StoreHarness}. */
import { fenceCases } from './fence.ts';
import type { ConformanceCase } from './harness.ts';

export * from './harness.ts';

/** Every case for stores, in the order of promises. */
export const storeConformance: readonly ConformanceCase[] = [...fenceCases];
