/**
 * The two shapes most providers share, as one call each: an HMAC in a header, and a header that lists fields.
 */
import { openFieldScheme } from '../fields.ts';
import type { FieldScheme } from '../fields.ts';
import { hmacKeys } from '../keys.ts';
import type { HmacForm } from '../keys.ts';
import { openHeaderScheme } from '../mac.ts';
import type { HeaderScheme } from '../mac.ts';
import { providerVerifier } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import type { Opened, SyncOpened } from '../secret.ts';
import type { Verdict, Verifier, VerifyRequest } from '../verifier.ts';

const SHA256_HEX: HmacForm = { algorithm: 'sha256', encoding: 'hex', secretEncoding: 'utf8' };

/** What opens with the secrets beside the signature: handshakes that need one. */
export type Extra = (secrets: readonly string[]) => Pick<Opened, 'handshake'>;

/** An HMAC in a header; SHA-256 in hex over the body unless the scheme says otherwise. */
export interface HeaderHmac extends HeaderScheme, Partial<HmacForm> {
  readonly extra?: Extra;
  /** Checked once the signature has held. */
  readonly after?: (request: VerifyRequest, now: number) => Verdict;
}

/** A header with fields, of which one is an HMAC-SHA256 in hex. */
export interface FieldHmac extends FieldScheme {
  readonly extra?: Extra;
}

/** The verifier of a provider that sends an HMAC in a header. */
export function headerHmac(provider: Provider, scheme: HeaderHmac, options: SecretOptions): Verifier {
  const form = { ...SHA256_HEX, ...scheme };
  return providerVerifier(provider, {
    settings: ['secrets'],
    given: { secrets: options.secrets },
    open: ({ secrets }) => ({
      ...checkAfter(openHeaderScheme(scheme, hmacKeys(form, secrets)), scheme.after),
      ...scheme.extra?.(secrets),
    }),
  });
}

function checkAfter(opened: SyncOpened, after: HeaderHmac['after']): SyncOpened {
  if (after === undefined) return opened;
  return {
    ...opened,
    verify(request, now, witness) {
      const verdict = opened.verify(request, now, witness);
      return verdict.ok ? after(request, now) : verdict;
    },
  };
}

/** The verifier of a provider that sends a header with fields. */
export function fieldHmac(provider: Provider, scheme: FieldHmac, options: SecretOptions): Verifier {
  return providerVerifier(provider, {
    settings: ['secrets'],
    given: { secrets: options.secrets },
    open: ({ secrets }) => ({
      ...openFieldScheme(scheme, hmacKeys(SHA256_HEX, secrets)),
      ...scheme.extra?.(secrets),
    }),
  });
}
