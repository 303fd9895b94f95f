/**
 * Schemes that sign the URL a provider calls together with the body, without a time: Square and Trello.
 */
import { soleHeader } from './headers.ts';
import type { Keys } from './keys.ts';
import { makeSignature } from './mac.ts';
import type { PublicUrlOptions } from './provider.ts';
import { publicUrl } from './public-url.ts';
import type { SyncOpened } from './secret.ts';
import { HELD, refuse } from './verdict.ts';
import type { Part } from './verdict.ts';
import type { UnsignedRequest } from './verifier.ts';

/** Where a signature over URL and body is. */
export interface UrlScheme {
  readonly name: string;
  readonly header: string;
  readonly options: PublicUrlOptions;
  readonly base: string | undefined;
  readonly signed: (url: string, request: UnsignedRequest) => readonly Part[];
}

/**
 * Verifies and signs requests of a {@link UrlScheme}.
 *
 * @throws HoldfastError `config_invalid` when the public URL is not known
 */
export function openUrlScheme({ name, header, options, base, signed }: UrlScheme, keys: Keys): SyncOpened {
  const urlOf = publicUrl(name, options, base);
  const lowerHeader = header.toLowerCase();
  return {
    verify(request, _now, witness) {
      const signature = soleHeader(request.headers, lowerHeader);
      if (typeof signature !== 'string') return signature;
      const url = urlOf(request);
      if (typeof url !== 'string') return url;
      return keys.prove([signature], signed(url, request), witness) ? HELD : refuse('signature_mismatch', lowerHeader);
    },
    sign(request) {
      const url = urlOf(request);
      return typeof url === 'string' ? [header, makeSignature(keys, signed(url, request))] : [];
    },
  };
}
