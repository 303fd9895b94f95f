/**
 * Signing what is sent. Keys are prepared once for an endpoint; for each attempt there is one pass over the body and key.
 */
import { HoldfastError } from '../../errors.ts';
import { ed25519Keys } from '../../verify/ed25519.ts';
import { hmacKeys, hmacKeysOf, type Keys } from '../../verify/keys.ts';
import { standardSecretBytes, withoutPrefix } from '../../verify/standard-keys.ts';
import type { HmacSigning, Signing, StandardSigning } from './target.ts';

export type { HmacAlgorithm, SecretEncoding as EncodedSecrets } from '../../verify/keys.ts';

/** What is signed. */
export interface Message {
  /**
   * The event's id: the same for every attempt, every replay and every endpoint, since it is what a receiver tells
   * repeats by (Standard Webhooks, "webhook-id").
   */
  readonly id: string;
  /** Milliseconds since 1970, of this attempt. */
  readonly now: number;
  readonly body: Uint8Array;
}

/** Makes the headers of a signature. */
export interface Signer {
  /** Lower-case names of the headers it makes. */
  readonly names: readonly string[];
  /** Adds name, value, name, value… to the list. */
  sign(message: Message, into: string[]): void;
}

/** Prefixes of the headers of Standard Webhooks. */
const HEADER_PREFIX = 'webhook-';
const FORWARDED_PREFIX = 'holdfast-webhook-';

/** Two signers of one endpoint: for most requests, and for forwarded ones that have headers of these names already. */
export interface Signers {
  readonly usual: Signer;
  readonly beside: Signer;
}

/**
 * Prepares the keys of an endpoint.
 *
 * @throws HoldfastError `secret_missing` when there is no secret, or one does not decode
 */
export function openSigners(signing: Signing): Signers {
  switch (signing.kind) {
    case 'standard': {
      const keys = standardKeys(signing);
      return {
        usual: standardSigner(signing.headerPrefix ?? HEADER_PREFIX, keys),
        beside: standardSigner(signing.forwardedPrefix ?? FORWARDED_PREFIX, keys),
      };
    }
    case 'hmac': {
      const signer = hmacSigner(signing);
      return { usual: signer(HEADER_PREFIX), beside: signer(FORWARDED_PREFIX) };
    }
    case 'none':
      return { usual: idSigner(HEADER_PREFIX), beside: idSigner(FORWARDED_PREFIX) };
    default:
      return signing satisfies never;
  }
}

interface VersionedKeys {
  /** `v1,` or `v1a,`. */
  readonly version: string;
  readonly keys: Keys;
}

function standardKeys({ secrets, privateKeys = [] }: StandardSigning): readonly VersionedKeys[] {
  const hmacForm = { algorithm: 'sha256', encoding: 'base64' } as const;
  const edForm = { keyEncoding: 'base64', signatureEncoding: 'base64' } as const;
  requireSome([...secrets, ...privateKeys]);
  const v1 = secrets.map((text) => hmacKeysOf(hmacForm, [standardSecretBytes(text)]));
  const v1a = privateKeys.map((text) => ed25519Keys(edForm, [], [withoutPrefix(text, 'whsk_')]));
  return [...v1.map((keys) => ({ version: 'v1,', keys })), ...v1a.map((keys) => ({ version: 'v1a,', keys }))];
}

function standardSigner(prefix: string, keys: readonly VersionedKeys[]): Signer {
  const [id, at, signature] = [`${prefix}id`, `${prefix}timestamp`, `${prefix}signature`];
  return {
    names: [id, at, signature].map((name) => name.toLowerCase()),
    sign(message, into) {
      const seconds = String(Math.floor(message.now / 1000));
      const parts = [`${message.id}.${seconds}.`, message.body];
      let list = '';
      for (const { version, keys: one } of keys)
        list += `${list === '' ? '' : ' '}${version}${one.sign?.(parts) ?? ''}`;
      into.push(id, message.id, at, seconds, signature, list);
    },
  };
}

function hmacSigner(signing: HmacSigning): (prefix: string) => Signer {
  const { header, prefix = '', algorithm = 'sha256', encoding = 'hex', secretEncoding = 'utf8', timestamp } = signing;
  requireSome(signing.secrets);
  const keys = hmacKeys({ algorithm, encoding, secretEncoding }, signing.secrets);
  const joiner = timestamp?.joiner ?? '.';
  return (idPrefix) => ({
    names: [header, ...(timestamp === undefined ? [] : [timestamp.header]), `${idPrefix}id`].map((name) =>
      name.toLowerCase(),
    ),
    sign({ id, now, body }, into) {
      const seconds = String(Math.floor(now / 1000));
      const parts = timestamp === undefined ? [body] : [seconds + joiner, body];
      into.push(`${idPrefix}id`, id, header, prefix + (keys.sign?.(parts) ?? ''));
      if (timestamp !== undefined) into.push(timestamp.header, seconds);
    },
  });
}

function requireSome(secrets: readonly string[]): void {
  if (secrets.length > 0 && secrets.every((secret) => secret.trim() !== '')) return;
  throw new HoldfastError('secret_missing', { detail: 'signing: there is no secret, or an empty one.' });
}

/** No signature; the id goes out all the same, since repeats are told by it. */
function idSigner(prefix: string): Signer {
  const name = `${prefix}id`;
  return { names: [name], sign: ({ id }, into) => void into.push(name, id) };
}
