/** Where the key comes from that seals the secrets of endpoints. */
import { keyFile } from '../core/files.ts';
import { newVaultKey } from '../endpoints/vault.ts';
import type { Settings } from '../settings.ts';
import { keptSecret } from './kept-secret.ts';
import { storePath } from './token.ts';

/**
 * The keys in force, the newest first: those of the setting; else, for an embedded store, one that is made at first start
 * and kept beside it, readable by its owner only. For a store in memory one that lasts as long; for a shared store none:
 * a key of this process's own would seal what the others could not open.
 */
export async function vaultKeys(settings: Settings, directory: string): Promise<readonly string[]> {
  if (settings.encryptionKeys.length > 0) return settings.encryptionKeys;
  if (settings.store === 'memory:') return [newVaultKey()];
  const path = storePath(settings.store, directory);
  if (path === null) return [];
  const kept = await keptSecret(keyFile(path), newVaultKey);
  return kept.split('\n').map((line) => line.trim());
}
