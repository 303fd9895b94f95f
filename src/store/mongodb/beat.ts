/**
 * Documents that say that a process lives. They do not go through the log: every process would have to read each of
 * them, and work out anew what it was about to commit. One document is atomic by itself, and no entry is about these.
 */
import type { DocumentAnswer, DocumentWrite } from '../store.ts';
import { documentId } from './actions.ts';
import { isDuplicateKey } from './apply.ts';
import type { Collections } from './collections.ts';

/** Of no entry of the log: nobody is told of it. */
const NO_ENTRY = 0;

export async function beatDocument(
  { documents }: Collections,
  { kind, key, value, ifVersion }: DocumentWrite,
  by: string,
): Promise<DocumentAnswer> {
  const _id = documentId(kind, key);
  const text = value === null ? null : JSON.stringify(value);
  for (;;) {
    const old = await documents.findOne({ _id });
    const version = old?.version ?? 0;
    const current = old === null || old.value === null ? 0 : version;
    if (ifVersion !== null && ifVersion !== current) return { status: 'refused', reason: 'conflict' };
    if (text === null && current === 0) return { status: 'committed', version };
    const written = { value: text, version: version + 1, by };
    if (old !== null) {
      const { matchedCount } = await documents.updateOne({ _id, version }, { $set: written });
      if (matchedCount === 1) return { status: 'committed', version: version + 1 };
      continue;
    }
    try {
      await documents.insertOne({ _id, rev: NO_ENTRY, kind, key, ...written });
      return { status: 'committed', version: 1 };
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      // Another process wrote the first one meanwhile.
    }
  }
}
