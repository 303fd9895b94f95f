/** Everything in the schema, for moving it out of here or into here. Positions are those of the schema itself. */
import type { StoreTransfer, TransferSource } from '../transfer.ts';
import type { Committing } from './commit.ts';
import { readBatch, readDocuments, readDedupeKeys } from './transfer-read.ts';
import { transferTarget } from './transfer-write.ts';

export function postgresTransfer(to: Committing): StoreTransfer {
  const source: TransferSource = {
    read: (request) => readBatch(to, request),
    documents: () => readDocuments(to),
    dedupeKeys: (now) => readDedupeKeys(to, now),
  };
  return { source, target: transferTarget(to) };
}
