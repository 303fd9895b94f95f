/**
 * New secrets of the form a provider wants: for `simulate` without a config, tests and load. Of a provider that signs
 * with a key pair, both halves.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { generateEcdsa } from './ecdsa.ts';
import { generateEd25519 } from './ed25519.ts';
import type { ProviderSettings } from './provider.ts';

/** Settings with which a provider's verifier can sign and verify. */
export type TrialSettings = Pick<
  ProviderSettings,
  | 'secrets'
  | 'publicKeys'
  | 'privateKeys'
  | 'primaryKeys'
  | 'credentials'
  | 'topics'
  | 'webhookId'
  | 'certificates'
  | 'publicUrl'
>;

const hex = (bytes: number): string => randomBytes(bytes).toString('hex');

/** By key, where a secret is more than random text. */
const makers: Readonly<Record<string, () => TrialSettings>> = {
  'aws-sns': () => ({
    topics: 'arn:aws:sns:eu-central-1:123456789012:orders',
    ...rsaPair('https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-trial.pem'),
  }),
  box: () => ({ primaryKeys: hex(24) }),
  discord: () => generatedKeys(generateEd25519('hex')),
  'gitlab-signing-token': whsec,
  paypal: () => ({ webhookId: 'WH-TRIAL', ...rsaPair('https://api.paypal.com/v1/notifications/certs/CERT-trial') }),
  postmark: () => ({ credentials: `holdfast:${hex(24)}` }),
  resend: whsec,
  sendgrid: () => generatedKeys(generateEcdsa()),
  'sendgrid-inbound-parse': () => generatedKeys(generateEcdsa()),
  'standard-webhooks': whsec,
  svix: whsec,
  telnyx: () => generatedKeys(generateEd25519('base64')),
};

/**
 * New settings for a provider.
 *
 * @param publicUrl the URL that is called, for schemes that sign it
 */
export function trialSettings(key: string, publicUrl: string): TrialSettings {
  return { publicUrl, ...(makers[key]?.() ?? { secrets: hex(32) }) };
}

/** Whether a provider signs with a key pair, of which nobody else has the private half. */
export function signsWithPair(key: string): boolean {
  return PAIRED.has(key);
}

const PAIRED = new Set(['aws-sns', 'discord', 'paypal', 'sendgrid', 'sendgrid-inbound-parse', 'telnyx']);

function whsec(): TrialSettings {
  return { secrets: `whsec_${randomBytes(32).toString('base64')}` };
}

function generatedKeys(pair: { readonly publicKey: string; readonly privateKey: string }): TrialSettings {
  return { publicKeys: pair.publicKey, privateKeys: pair.privateKey };
}

function rsaPair(url: string): TrialSettings {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    certificates: { [url]: pair.publicKey.export({ format: 'pem', type: 'spki' }).toString() },
    privateKeys: pair.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  };
}
