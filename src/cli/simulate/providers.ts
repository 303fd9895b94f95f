/** Providers and schemes that `simulate` can sign as without a config: with a secret and an address. */
import { hmac } from '../../verify/hmac.ts';
import { standardWebhooks } from '../../verify/standard-webhooks.ts';
import { bearer } from '../../verify/tokens.ts';
import type { Verifier } from '../../verify/verifier.ts';

/** Makes the verifier of a provider from its secret. */
export const providers: Readonly<Record<string, (secret: string) => Verifier>> = {
  'standard-webhooks': (secret) => standardWebhooks({ secrets: secret }),
  hmac: (secret) =>
    hmac({ header: 'x-signature', secrets: secret, defaults: { type: 'body.type', dedupeKey: 'body.id' } }),
  bearer: (secret) => bearer({ tokens: secret, defaults: { type: 'body.type', dedupeKey: 'body.id' } }),
};
