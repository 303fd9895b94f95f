/**
 * What each driver of ours can do beyond what every one must: what its test declines of the conformance suites is what is
 * false or missing here, and docs/reference/conformance.md prints it.
 */
import type { StoreCapabilities } from './conformance/harness.ts';
import type { QueueCapabilities } from './queues/harness.ts';

const MIB = 1024 * 1024;
const usual = { offers: true, durableTokens: true, transactions: false, rowBytesMax: 64 * MIB } as const;

export const storeDrivers = {
  // Bodies are bounded as its harness sets it.
  memory: { ...usual, embedded: true, shared: false, rowBytesMax: 64 * 1024 },
  sqlite: { ...usual, embedded: true, shared: false, durableTokens: false, offers: false },
  postgres: { ...usual, embedded: false, shared: true, transactions: true },
  mongodb: { ...usual, embedded: false, shared: true, rowBytesMax: 15 * MIB },
} as const satisfies Record<string, StoreCapabilities>;

export const queueDrivers = {
  memory: { keepsHints: true, givesOnce: true },
  redis: { keepsHints: true, givesOnce: true },
  nats: { keepsHints: true, givesOnce: true },
  // Of the server that stands in for SQS: Amazon's keeps what it has.
  sqs: { keepsHints: false, givesOnce: false },
} as const satisfies Record<string, QueueCapabilities>;
