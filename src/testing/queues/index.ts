/** The suite that every queue driver passes, as data: run it with any test runner. See {@link QueueHarness}. */
import { carryingCases } from './carrying.ts';
import { failingCases } from './failing.ts';
import type { QueueConformanceCase } from './harness.ts';
import { waitingCases } from './waiting.ts';

export * from './harness.ts';

/** Every case for queues. */
export const queueConformance: readonly QueueConformanceCase[] = [...carryingCases, ...waitingCases, ...failingCases];
