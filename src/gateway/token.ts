/** The admin token: given by a setting, or made at first start and kept beside the store, readable by its owner only. */
import { randomBytes } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import type { Settings } from '../settings.ts';
import { tokenFile } from '../core/files.ts';
import { keptSecret } from './kept-secret.ts';

const TOKEN_BYTES = 24;

/** The file of the embedded store; `null` when there is none. */
export function storePath(store: string, directory: string): string | null {
  return store.startsWith('sqlite:') ? resolve(directory, store.slice('sqlite:'.length)) : null;
}

/** The directory whose free space counts. */
export function storeDirectory(store: string, directory: string): string {
  const path = storePath(store, directory);
  return path === null ? directory : dirname(path);
}

/** The token in force. Without a store to keep it beside, it lasts as long as the process. */
export async function adminToken(settings: Settings, directory: string): Promise<string> {
  if (settings.adminToken !== null) return settings.adminToken;
  const path = storePath(settings.store, directory);
  if (path === null) return newToken();
  return keptSecret(tokenFile(path), newToken);
}

function newToken(): string {
  return `hf_${randomBytes(TOKEN_BYTES).toString('base64url')}`;
}
