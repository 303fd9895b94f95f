/** The providers' own libraries, each as what it takes and, where it can, signs: for round trips and for the bench. */
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
import type { UnsignedRequest } from '../src/verify/index.ts';
import type { TrialSettings } from '../src/verify/trial.ts';

/** Where the libraries believe they are called. */
export const ORIGIN = 'https://hooks.example.com';
export const PATH = '/in/x?tenant=acme';

/** What a library is given: the request as text, its headers by lower-case name, and the receiver's settings. */
export interface Received {
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The absolute URL that was called. */
  readonly url: string;
  readonly secret: string;
  readonly publicKey: string;
}

export interface Library {
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

export const libraries: readonly Library[] = [
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

/** A request as a library is given it. */
export function received(request: UnsignedRequest, settings: TrialSettings): Received {
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
