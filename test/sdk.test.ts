/**
 * Signing round trips against the providers' own libraries: what is signed here they accept, what they sign verifies
 * here, and a changed body neither takes.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { sign as signGithub, verify as verifyGithub } from '@octokit/webhooks-methods';
import { Paddle } from '@paddle/paddle-node-sdk';
import sendgridSdk from '@sendgrid/eventwebhook';
import bolt from '@slack/bolt';
import discordSdk from 'discord-interactions';
import squareSdk from 'square';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Stripe } from 'stripe';
import { Webhook as SvixWebhook } from 'svix';
import Telnyx from 'telnyx';
import twilioSdk from 'twilio';
import { simulation } from 'holdfast/testing';
import { payloads } from '../src/cli/simulate/payloads/index.ts';
import { findProvider, signRequest } from '../src/verify/index.ts';
import type { UnsignedRequest, Verifier } from '../src/verify/index.ts';
import { type TrialSettings, trialSettings } from '../src/verify/trial.ts';

const ORIGIN = 'https://hooks.example.com';
const PATH = '/in/x?tenant=acme';

/** What a library is given: the request as text, its headers by lower-case name, and the receiver's settings. */
interface Received {
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The absolute URL that was called. */
  readonly url: string;
  readonly secret: string;
  readonly publicKey: string;
}

interface Library {
  readonly provider: string;
  readonly library: string;
  /** Whether it takes the request; it may throw instead of saying no. */
  takes(received: Received): unknown;
  /** The headers it signs a body with. Absent where it only verifies. */
  readonly signs?: (given: { readonly text: string; readonly url: string; readonly secret: string }) => unknown;
}

const stripe = new Stripe('sk_test_unused');
const paddle = new Paddle('unused');
const telnyx = new Telnyx({ apiKey: 'unused' });
const formOf = (text: string): Record<string, string> => Object.fromEntries(new URLSearchParams(text));

const standard = (prefix: string, Webhook: typeof StandardWebhook | typeof SvixWebhook) => ({
  takes({ text, headers, secret }: Received) {
    new Webhook(secret).verify(text, { ...headers });
    return true;
  },
  signs({ text, secret }: { text: string; secret: string }) {
    const at = new Date();
    return {
      [`${prefix}-id`]: 'msg_sdk',
      [`${prefix}-timestamp`]: String(Math.floor(at.getTime() / 1000)),
      [`${prefix}-signature`]: new Webhook(secret).sign('msg_sdk', at, text),
    };
  },
});

const libraries: readonly Library[] = [
  {
    provider: 'stripe',
    library: 'stripe',
    takes: ({ text, headers, secret }) =>
      stripe.webhooks.constructEvent(text, headers['stripe-signature'] ?? '', secret).object === 'event',
    signs: ({ text, secret }) => ({
      'stripe-signature': stripe.webhooks.generateTestHeaderString({ payload: text, secret }),
    }),
  },
  {
    provider: 'twilio',
    library: 'twilio',
    takes: ({ text, headers, url, secret }) =>
      twilioSdk.validateRequest(secret, headers['x-twilio-signature'] ?? '', url, formOf(text)),
    signs: ({ text, url, secret }) => ({
      'x-twilio-signature': twilioSdk.getExpectedTwilioSignature(secret, url, formOf(text)),
    }),
  },
  {
    provider: 'twilio-json',
    library: 'twilio',
    takes: ({ text, headers, url, secret }) =>
      twilioSdk.validateRequestWithBody(secret, headers['x-twilio-signature'] ?? '', url, text),
  },
  { provider: 'svix', library: 'svix', ...standard('svix', SvixWebhook) },
  { provider: 'resend', library: 'svix', ...standard('svix', SvixWebhook) },
  { provider: 'standard-webhooks', library: 'standardwebhooks', ...standard('webhook', StandardWebhook) },
  { provider: 'gitlab-signing-token', library: 'standardwebhooks', ...standard('webhook', StandardWebhook) },
  {
    provider: 'github',
    library: '@octokit/webhooks-methods',
    takes: ({ text, headers, secret }) => verifyGithub(secret, text, headers['x-hub-signature-256'] ?? ''),
    signs: async ({ text, secret }) => ({ 'x-hub-signature-256': await signGithub(secret, text) }),
  },
  {
    provider: 'sendgrid',
    library: '@sendgrid/eventwebhook',
    takes({ text, headers, publicKey }) {
      const { EventWebhook, EventWebhookHeader } = sendgridSdk;
      const webhook = new EventWebhook();
      const header = (name: string): string => headers[name.toLowerCase()] ?? '';
      return webhook.verifySignature(
        webhook.convertPublicKeyToECDSA(publicKey),
        text,
        header(EventWebhookHeader.SIGNATURE()),
        header(EventWebhookHeader.TIMESTAMP()),
      );
    },
  },
  {
    provider: 'telnyx',
    library: 'telnyx',
    takes: ({ text, headers, publicKey }) => telnyx.webhooks.unwrap(text, { headers: { ...headers }, key: publicKey }),
  },
  {
    provider: 'square',
    library: 'square',
    takes: ({ text, headers, url, secret }) =>
      squareSdk.WebhooksHelper.verifySignature({
        requestBody: text,
        signatureHeader: headers['x-square-hmacsha256-signature'] ?? '',
        signatureKey: secret,
        notificationUrl: url,
      }),
  },
  {
    provider: 'paddle',
    library: '@paddle/paddle-node-sdk',
    takes: ({ text, headers, secret }) =>
      paddle.webhooks.isSignatureValid(text, secret, headers['paddle-signature'] ?? ''),
  },
  {
    provider: 'discord',
    library: 'discord-interactions',
    takes: ({ text, headers, publicKey }) =>
      discordSdk.verifyKey(
        text,
        headers['x-signature-ed25519'] ?? '',
        headers['x-signature-timestamp'] ?? '',
        publicKey,
      ),
  },
  {
    provider: 'slack',
    library: '@slack/bolt',
    takes: ({ text, headers, secret }) =>
      bolt.isValidSlackRequest({
        signingSecret: secret,
        body: text,
        headers: {
          'x-slack-signature': headers['x-slack-signature'] ?? '',
          'x-slack-request-timestamp': Number(headers['x-slack-request-timestamp']),
        },
      }),
  },
];

function receiverOf(provider: string): { readonly verifier: Verifier; readonly settings: TrialSettings } {
  const settings = trialSettings(provider, ORIGIN);
  return { verifier: findProvider(provider)?.make(settings) ?? assert.fail(provider), settings };
}

function received(request: UnsignedRequest, settings: TrialSettings): Received {
  const { headers, url, body } = request;
  const entries = headers.flatMap((name, index) => (index % 2 === 0 ? [[name.toLowerCase(), headers[index + 1]]] : []));
  return {
    text: Buffer.from(body).toString('utf8'),
    headers: Object.fromEntries(entries) as Record<string, string>,
    url: new URL(url, ORIGIN).href,
    secret: textOf(settings.secrets),
    publicKey: textOf(settings.publicKeys),
  };
}

const textOf = (setting: unknown): string => (typeof setting === 'string' ? setting : '');

/** Whether a library takes a request: it says so, answers what it read, or throws. */
async function taken(library: Library, given: Received): Promise<boolean> {
  try {
    return Boolean(await library.takes(given));
  } catch {
    return false;
  }
}

const simulated = (provider: string, type?: string): UnsignedRequest =>
  simulation(provider, { path: PATH, publicUrl: ORIGIN, ...(type !== undefined && { type }) }).make(0);

/** The request with other digits in its body, which leave JSON and forms what they are. */
function changed(request: UnsignedRequest): UnsignedRequest {
  const text = Buffer.from(request.body).toString('utf8');
  return { ...request, body: Buffer.from(text.replaceAll(/\d/g, (digit) => String((Number(digit) + 1) % 10))) };
}

for (const library of libraries) {
  describe(`${library.provider}, and ${library.library}`, () => {
    test('it takes each type that is simulated here, and not what was changed or signed with another secret', async () => {
      const { verifier, settings } = receiverOf(library.provider);
      const stranger = receiverOf(library.provider).settings;
      for (const type of Object.keys(payloads[library.provider]?.types ?? {})) {
        const signed = await signRequest(verifier, simulated(library.provider, type), Date.now());
        assert.equal(await taken(library, received(signed, settings)), true, type);
        assert.equal(await taken(library, received(changed(signed), settings)), false, type);
        assert.equal(await taken(library, received(signed, stranger)), false, type);
      }
    });

    const { signs } = library;
    if (signs === undefined) return;
    test('what it signs verifies here, and not once it was changed', async () => {
      const { verifier, settings } = receiverOf(library.provider);
      const sample = simulated(library.provider);
      const { text, url, secret } = received(sample, settings);
      const made = (await signs({ text, url, secret })) as Record<string, string>;
      const own = new Set(Object.keys(made));
      const kept = sample.headers.filter((_, index) => !own.has(sample.headers[index - (index % 2)] ?? ''));
      const request = { ...sample, headers: [...kept, ...Object.entries(made).flat()] };
      assert.deepEqual(await verifier.verify(request, Date.now()), { ok: true });
      assert.equal((await verifier.verify(changed(request), Date.now())).ok, false);
    });
  });
}

test('random bodies: whatever either side signs, the other takes', async () => {
  const { verifier, settings } = receiverOf('github');
  for (let bytes = 1; bytes < 50; bytes++) {
    const text = randomBytes(bytes).toString('base64');
    const request = { ...simulated('github'), body: Buffer.from(text) };
    const { secret, headers } = received(await signRequest(verifier, request, Date.now()), settings);
    assert.equal(headers['x-hub-signature-256'], await signGithub(secret, text));
  }
});
