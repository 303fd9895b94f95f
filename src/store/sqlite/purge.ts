import type { PurgeAnswer, PurgeRequest } from '../store.ts';
import type { Txn } from './txn.ts';
export async function purge(txn: Txn, request: PurgeRequest): Promise<PurgeAnswer> {
  await txn.commit();
  void request;
  return { bodies: 0, events: 0, deadLetters: 0, dedupeKeys: 0, held: 0, more: false };
}
