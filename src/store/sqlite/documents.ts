/** Documents of the registry, in the transaction of whatever else happens. */
import type { DocumentAnswer, DocumentWrite } from '../store.ts';
import type { Txn } from './txn.ts';

/** Writes one document, if it has the version asked for. One that was deleted keeps its version. */
export async function writeDocument(txn: Txn, { kind, key, value, ifVersion }: DocumentWrite): Promise<DocumentAnswer> {
  const text = value === null ? null : JSON.stringify(value);
  const [row] = await txn.query('SELECT version, value FROM document WHERE kind = ? AND key = ?', kind, key);
  const version = Number(row?.['version'] ?? 0);
  const isThere = row !== undefined && row['value'] !== null;
  if (ifVersion !== null && ifVersion !== (isThere ? version : 0)) return { status: 'refused', reason: 'conflict' };
  if (text === null && !isThere) return { status: 'committed', version };
  const sql = 'INSERT OR REPLACE INTO document (kind, key, version, value) VALUES (?, ?, ?, ?)';
  txn.step({ statement: { sql }, params: [kind, key, version + 1, text] });
  return { status: 'committed', version: version + 1 };
}
