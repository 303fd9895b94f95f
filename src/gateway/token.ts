/** The admin token: given by a setting, or made at first start and kept beside the store or, as a hash, in it. */
import { randomBytes } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import type { Settings } from '../settings.ts';
import { tokenFile } from '../core/files.ts';
import type { RegistryStore } from '../store/store.ts';
import { keptSecret } from './kept-secret.ts';
import { hashToken } from './tokens.ts';

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

/**
 * Where the token of a process comes from. `made`: it was made just now, for all processes of the store. `kept`: it was set, or
 * kept from an earlier start. `own`: it is good in this process alone, until it stops: the store is in memory, or another
 * process made the token of all, which nobody can read back.
 */
export type TokenOrigin = 'made' | 'kept' | 'own';

/** The admin token, as far as this process knows it. */
export interface AdminToken {
  /** Good in this process. */
  readonly token: string;
  /** SHA-256 of every token that is good here: that one, and the one that all processes of a shared store have. */
  readonly hashes: readonly Uint8Array[];
  readonly origin: TokenOrigin;
}

const KIND = 'admin';
const KEY = 'token';

/**
 * The token in force: that of the setting, and then no other. Else, for an embedded store, one that is made at first
 * start and kept beside it; for a shared store one that the first process makes and the registry keeps the hash of; for a
 * store in memory one that lasts as long.
 * @throws StoreError
 */
export async function adminToken(
  settings: Settings,
  directory: string,
  { registry, shared }: { readonly registry: RegistryStore; readonly shared: boolean },
): Promise<AdminToken> {
  if (settings.adminToken !== null) return only(settings.adminToken, 'kept');
  const path = storePath(settings.store, directory);
  if (path === null) return shared ? sharedToken(registry) : only(newToken(), 'own');
  let origin: TokenOrigin = 'kept';
  const token = await keptSecret(tokenFile(path), () => {
    origin = 'made';
    return newToken();
  });
  return only(token, origin);
}

function only(token: string, origin: TokenOrigin): AdminToken {
  return { token, hashes: [hashToken(token)], origin };
}

/** Of several processes that start at once on an empty store, one makes it: the document has one first version. */
async function sharedToken(registry: RegistryStore): Promise<AdminToken> {
  const token = newToken();
  const own = hashToken(token);
  const sha256 = Buffer.from(own).toString('hex');
  const before = await registry.get(KIND, KEY);
  if (before === null) {
    const answer = await registry.put({ kind: KIND, key: KEY, value: { sha256 }, ifVersion: 0 });
    if (answer.status === 'committed') return only(token, 'made');
  }
  const kept = before ?? (await registry.get(KIND, KEY));
  const theirs = Buffer.from(String((kept?.value as { readonly sha256?: unknown } | null)?.sha256), 'hex');
  // A document that is damaged opens nothing.
  return { token, hashes: theirs.length === own.length ? [own, theirs] : [own], origin: 'own' };
}

export function newToken(): string {
  return `hf_${randomBytes(TOKEN_BYTES).toString('base64url')}`;
}
