/**
 * Secrets as they lie in the store: sealed with AES-256-GCM under a key that is not in the store, with a nonce of its own
 * for each, and bound to the place it belongs to, so that none can be moved to another endpoint.
 *
 * A sealed secret is `v1.<key id>.<nonce>.<ciphertext and tag>`, the last two in base64url. The first key seals; all of
 * them open, so that a key is rotated by putting a new one before it.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { HoldfastError } from '../errors.ts';

const VERSION = 'v1';
const KEY_BYTES = 32;
/** NIST SP 800-38D: 96 bits; drawn anew for each secret, far below the bound of 2^32 per key. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ID_CHARS = 8;

interface VaultKey {
  readonly id: string;
  readonly bytes: Uint8Array;
}

export class Vault {
  readonly #keys: readonly VaultKey[];
  readonly #seal: VaultKey | null;

  /**
   * @param keys Each 32 bytes in base64, the newest first; without any, nothing can be sealed or opened.
   * @throws HoldfastError config_invalid when one is not
   */
  constructor(keys: readonly string[]) {
    this.#keys = keys.map(keyOf);
    this.#seal = this.#keys[0] ?? null;
  }

  /**
   * @param place What the secret belongs to: it opens nowhere else.
   * @throws HoldfastError secret_missing when there is no key
   */
  seal(secret: string, place: string): string {
    if (this.#seal === null) {
      const detail =
        'HOLDFAST_ENCRYPTION_KEYS is not set: all processes of a shared store need the same key. Make one with: openssl rand -base64 32';
      throw new HoldfastError('secret_missing', { detail });
    }
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#seal.bytes, nonce);
    cipher.setAAD(Buffer.from(place, 'utf8'));
    const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return [VERSION, this.#seal.id, nonce.toString('base64url'), sealed.toString('base64url')].join('.');
  }

  /** @throws HoldfastError secret_sealed when its key is not among those given, or it was changed or moved */
  open(sealed: string, place: string): string {
    const [version, keyId, nonce, data] = sealed.split('.');
    const key = this.#keys.find(({ id }) => id === keyId);
    if (version !== VERSION || key === undefined || nonce === undefined || data === undefined) {
      throw new HoldfastError('secret_sealed', { detail: `${place}: it was sealed with the key '${keyId}'.` });
    }
    const bytes = Buffer.from(data, 'base64url');
    try {
      const decipher = createDecipheriv('aes-256-gcm', key.bytes, Buffer.from(nonce, 'base64url'));
      decipher.setAAD(Buffer.from(place, 'utf8'));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      return Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]).toString('utf8');
    } catch (cause) {
      throw new HoldfastError('secret_sealed', { detail: `${place}: it was changed, or belongs elsewhere.`, cause });
    }
  }

  /** Whether a secret is to be sealed again, since a newer key is there. */
  isOld(sealed: string): boolean {
    return this.#seal !== null && sealed.split('.')[1] !== this.#seal.id;
  }
}

/** A new key, as the setting takes it. */
export function newVaultKey(): string {
  return randomBytes(KEY_BYTES).toString('base64');
}

function keyOf(text: string): VaultKey {
  const bytes = Buffer.from(text.trim(), 'base64');
  if (bytes.length !== KEY_BYTES) {
    throw new HoldfastError('config_invalid', {
      detail: `encryptionKeys: expected 32 bytes in base64 (openssl rand -base64 32), got ${bytes.length} bytes.`,
    });
  }
  // Tells keys apart without telling anything of them.
  return { id: createHash('sha256').update(bytes).digest('base64url').slice(0, ID_CHARS), bytes };
}
