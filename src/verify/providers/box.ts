/** Box. */
import type { HeaderList } from '../../core/event.ts';
import { HoldfastError } from '../../errors.ts';
import { optionalHeader, soleHeader } from '../headers.ts';
import { hmacKeys } from '../keys.ts';
import type { Keys } from '../keys.ts';
import { makeSignature } from '../mac.ts';
import { providerVerifier, toleranceOf, WEEK_MS } from '../provider.ts';
import type { Provider, ToleranceOptions } from '../provider.ts';
import type { Opened } from '../secret.ts';
import { checkTimestamp, formatTimestamp } from '../timestamp.ts';
import { refuse } from '../verdict.ts';
import type {
  SecretSource,
  TypedBody,
  UnsignedRequest,
  Verdict,
  Verifier,
  VerifyRequest,
  Witness,
} from '../verifier.ts';

/** Options of {@link box}; at least one kind of key. */
export interface BoxOptions extends ToleranceOptions {
  /** Default: `BOX_PRIMARY_KEY`, if set. */
  readonly primaryKeys?: SecretSource;
  /** Default: `BOX_SECONDARY_KEY`, if set. */
  readonly secondaryKeys?: SecretSource;
}

/**
 * Box: `BOX-SIGNATURE-PRIMARY` and `-SECONDARY`, each an HMAC-SHA256, in base64, of the raw body and the timestamp
 * header, with a key of its own; one of them must hold. Keys from `BOX_PRIMARY_KEY` and `BOX_SECONDARY_KEY`; tolerance
 * 600,000 ms both ways. Rule: https://developer.box.com/guides/webhooks/v2/signatures-v2/
 *
 * @throws HoldfastError `secret_missing` when there is neither key
 */
export function box<Body = unknown>(options: BoxOptions = {}): Verifier & TypedBody<Body> {
  const form = { algorithm: 'sha256', encoding: 'base64', secretEncoding: 'utf8' } as const;
  return providerVerifier(boxProvider, {
    settings: ['primaryKeys', 'secondaryKeys'],
    given: { primaryKeys: options.primaryKeys, secondaryKeys: options.secondaryKeys },
    open({ primaryKeys, secondaryKeys }) {
      if (primaryKeys.length + secondaryKeys.length === 0) {
        throw new HoldfastError('secret_missing', { detail: 'box needs BOX_PRIMARY_KEY, BOX_SECONDARY_KEY or both.' });
      }
      const slots: Slot[] = [];
      if (primaryKeys.length > 0) slots.push({ header: 'box-signature-primary', keys: hmacKeys(form, primaryKeys) });
      if (secondaryKeys.length > 0)
        slots.push({ header: 'box-signature-secondary', keys: hmacKeys(form, secondaryKeys) });
      return open(slots, toleranceOf(boxProvider, options));
    },
  });
}

/** A signature's header with the keys it is made with. */
interface Slot {
  readonly header: string;
  readonly keys: Keys;
}

const FIXED = [
  ['box-signature-version', '1'],
  ['box-signature-algorithm', 'HmacSHA256'],
] as const;

function open(slots: readonly Slot[], toleranceMs: number): Opened {
  function verify(request: VerifyRequest, now: number, witness?: Witness): Verdict {
    for (const [name, expected] of FIXED) {
      const value = soleHeader(request.headers, name);
      if (typeof value !== 'string') return value;
      if (value !== expected) return refuse('header_malformed', `${name} is not ${expected}`);
    }
    const at = soleHeader(request.headers, 'box-delivery-timestamp');
    if (typeof at !== 'string') return at;
    const parts = [request.body, at];
    for (const { header, keys } of slots) {
      const signature = optionalHeader(request.headers, header);
      if (typeof signature === 'object') return signature;
      if (signature !== undefined && keys.prove([signature], parts, witness)) {
        return checkTimestamp(at, 'rfc3339', { now, toleranceMs });
      }
    }
    return refuse('signature_mismatch', slots.map((slot) => slot.header).join(', '));
  }

  function sign(request: UnsignedRequest, now: number): HeaderList {
    const at = formatTimestamp(now, 'rfc3339');
    const signatures = slots.flatMap(({ header, keys }) => [header, makeSignature(keys, [request.body, at])]);
    return [...FIXED.flat(), 'box-delivery-timestamp', at, ...signatures];
  }

  return { verify, sign };
}

export const boxProvider: Provider = {
  key: 'box',
  title: 'Box',
  factory: 'box',
  variables: { primaryKeys: 'BOX_PRIMARY_KEY', secondaryKeys: 'BOX_SECONDARY_KEY' },
  optional: ['primaryKeys', 'secondaryKeys'],
  toleranceMs: 600_000,
  defaults: {
    type: 'body.trigger',
    dedupeKey: 'header.box-delivery-id',
    orderKey: 'body.source.id',
    deadlineMs: 30_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected:
    'The headers, the delivery id among them, and the URL: within ten minutes a captured request can be sent again under another delivery id.',
  page: {
    source: 'https://developer.box.com/guides/webhooks/v2/signatures-v2/',
    setUp:
      'Developer Console → your app → Webhooks → Manage signature keys: generate both keys. To rotate, generate one anew while the other still signs.',
    verified:
      '`BOX-SIGNATURE-PRIMARY` or `-SECONDARY`: HMAC-SHA256, in base64, of the raw body and `BOX-DELIVERY-TIMESTAMP`; version `1` and algorithm `HmacSHA256` only.',
    retries: 'About 10 times with growing gaps. Box waits 30 s.',
  },
  make: (settings) => box(settings),
};
