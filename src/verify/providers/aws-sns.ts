/** Amazon SNS over HTTPS. */
import { Buffer } from 'node:buffer';
import { createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { certificateCache, isPublishedAt } from '../certificates.ts';
import type { CertificateCache, CertificateOptions } from '../certificates.ts';
import { asObject, parseJson, textOf } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { providerVerifier, WEEK_MS } from '../provider.ts';
import type { Provider } from '../provider.ts';
import { rsaHolds, rsaSign } from '../rsa.ts';
import type { RsaHash } from '../rsa.ts';
import type { Opened } from '../secret.ts';
import { HELD, refuse } from '../verdict.ts';
import type { Refusal } from '../verdict.ts';
import type {
  HandshakeAnswer,
  SecretSource,
  TypedBody,
  UnsignedRequest,
  Verdict,
  Verifier,
  VerifyRequest,
  Witness,
} from '../verifier.ts';

/** Options of {@link awsSns}. */
export interface AwsSnsOptions extends CertificateOptions {
  /** ARNs of the topics that may send; anybody with an AWS account can sign for topics of his own. Default: `AWS_SNS_TOPIC_ARN`. */
  readonly topics?: SecretSource;
  /** Calls the `SubscribeURL`, checked already to be of SNS. Default: a GET over `node:https`, without redirects, 5 s. */
  readonly confirmSubscription?: (url: string) => Promise<unknown>;
  /** A private RSA key in PEM to sign with in tests; its public half belongs into `certificates`. */
  readonly privateKeys?: SecretSource;
}

/**
 * Amazon SNS: `Signature` in the body, RSA over the values of its fields, with the certificate at `SigningCertURL`,
 * which is fetched from `sns.<region>.amazonaws.com` only. Confirms subscriptions of the allowed topics.
 * Topics from `AWS_SNS_TOPIC_ARN`.
 * Rule: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
 *
 * @throws HoldfastError `secret_missing` when no topic is named
 */
export function awsSns<Body = unknown>(options: AwsSnsOptions = {}): Verifier & TypedBody<Body> {
  return providerVerifier(awsSnsProvider, {
    settings: ['topics', 'privateKeys'],
    given: { topics: options.topics, privateKeys: options.privateKeys },
    fetches: true,
    open({ topics, privateKeys }, outside) {
      const [pem] = privateKeys;
      return open({
        topics: new Set(topics),
        certificates: certificateCache(options, outside),
        confirm: options.confirmSubscription ?? ((url) => outside.fetchText(url)),
        privateKey: pem === undefined ? null : createPrivateKey(pem),
        certUrl: Object.keys(options.certificates ?? {})[0] ?? 'https://sns.us-east-1.amazonaws.com/test.pem',
      });
    },
  });
}

interface Scheme {
  readonly topics: ReadonlySet<string>;
  readonly certificates: CertificateCache;
  readonly confirm: (url: string) => Promise<unknown>;
  readonly privateKey: KeyObject | null;
  readonly certUrl: string;
}

/** The fields that are signed, in this order; names and values each end in a line break. */
const SIGNED: ReadonlyMap<string, readonly string[]> = new Map([
  ['Notification', ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type']],
  ['SubscriptionConfirmation', ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type']],
  ['UnsubscribeConfirmation', ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type']],
]);
const HASHES: ReadonlyMap<string, RsaHash> = new Map([
  ['1', 'sha1'],
  ['2', 'sha256'],
]);
const HOST = /^sns\.[a-z0-9-]{1,32}\.amazonaws\.com(?:\.cn)?$/;

function open({ topics, certificates, confirm, privateKey, certUrl }: Scheme): Opened {
  function verify(request: VerifyRequest, now: number, witness?: Witness): Verdict | Promise<Verdict> {
    const message = asObject(parseJson(request.body));
    const text = signedText(message);
    if (typeof text !== 'string') return text;
    const signature = textOf(message, 'Signature');
    const url = textOf(message, 'SigningCertURL');
    const hash = HASHES.get(textOf(message, 'SignatureVersion') ?? '');
    if (signature === null || url === null) return refuse('body_malformed', 'Signature or SigningCertURL is missing');
    if (hash === undefined) return refuse('body_malformed', 'SignatureVersion is not 1 or 2');
    if (!isPublishedAt(url, HOST, /\.pem$/)) return refuse('certificate_refused', 'SigningCertURL is not of SNS');
    // Before anything is fetched: nobody makes this process fetch for a topic that is not ours.
    if (!topics.has(textOf(message, 'TopicArn') ?? ''))
      return refuse('topic_not_allowed', 'TopicArn is not among topics');
    const judge = (key: KeyObject | Refusal): Verdict => {
      if ('ok' in key) return key;
      const held = rsaHolds(key, { hash, signature, parts: [text] }, witness);
      return held ? HELD : refuse('signature_mismatch', 'Signature in the body');
    };
    const key = certificates.get(url, now);
    return key instanceof Promise ? key.then(judge) : judge(key);
  }

  async function answer(request: VerifyRequest): Promise<HandshakeAnswer | null> {
    if (request.body.length > 65_536) return null;
    const message = asObject(parseJson(request.body));
    const url = textOf(message, 'SubscribeURL');
    if (message['Type'] !== 'SubscriptionConfirmation' || url === null) return null;
    if (!isPublishedAt(url, HOST, /^\//)) return { status: 400 };
    try {
      await confirm(url);
      return { status: 200 };
    } catch {
      return { status: 503, headers: { 'retry-after': '30' } };
    }
  }

  const opened: Opened = { verify, handshake: { unsigned: false, answer } };
  if (privateKey === null) return opened;
  return {
    ...opened,
    sign: () => [],
    embed: (request) => signed(request, { key: privateKey, certUrl, topic: [...topics][0] ?? '' }),
  };
}

/** What is signed of a message, or why it is none. */
function signedText(message: JsonObject): string | Refusal {
  const names = SIGNED.get(textOf(message, 'Type') ?? '');
  if (names === undefined) return refuse('body_malformed', 'the body is no SNS message');
  let text = '';
  for (const name of names) {
    const value = message[name];
    if (value === undefined && name === 'Subject') continue;
    if (typeof value !== 'string') return refuse('body_malformed', `${name} is missing`);
    text += `${name}\n${value}\n`;
  }
  return text;
}

interface Signer {
  readonly key: KeyObject;
  readonly certUrl: string;
  /** Of a message that names none. */
  readonly topic: string;
}

function signed(request: UnsignedRequest, { key, certUrl, topic }: Signer): UnsignedRequest {
  const body = asObject(parseJson(request.body));
  const message = { TopicArn: topic, ...body, SignatureVersion: '2', SigningCertURL: certUrl };
  const text = signedText(message);
  const whole = typeof text === 'string' ? { ...message, Signature: rsaSign(key, 'sha256', [text]) } : message;
  return { ...request, body: Buffer.from(JSON.stringify(whole)) };
}

export const awsSnsProvider: Provider = {
  key: 'aws-sns',
  title: 'Amazon SNS',
  factory: 'awsSns',
  variables: { topics: 'AWS_SNS_TOPIC_ARN' },
  defaults: {
    type: 'body.Type',
    dedupeKey: 'body.MessageId',
    deadlineMs: 15_000,
    dedupeWindowMs: 4 * WEEK_MS,
  },
  notProtected:
    'The headers, the URL and the time: a captured message can be sent again; its `MessageId` is signed, so it is recognised.',
  page: {
    source: 'https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html',
    setUp:
      'Set `AWS_SNS_TOPIC_ARN` to the topic (several with commas), then create an HTTPS subscription with the URL. Set `SignatureVersion` of the topic to 2 for SHA-256.',
    verified:
      '`Signature` in the body: RSA with SHA-256 (version 2) or SHA-1 (version 1) over the values of the message’s fields, with the certificate at `SigningCertURL`. That must be `https://sns.<region>.amazonaws.com/….pem` (or `.cn`); certificates are kept for an hour, 32 at most. `TopicArn` must be one of `topics`.',
    retries:
      '50 times over 23 days by default. SNS waits 15 s, and gives up at once at a 4xx; a certificate that cannot be fetched is therefore answered 503.',
    handshake:
      'A verified `SubscriptionConfirmation` of an allowed topic is confirmed by a GET of its `SubscribeURL`, which must be of SNS; 503 where that fails.',
    differs:
      'A valid signature of a topic that is not listed is refused: anybody can sign with a topic of his own. `UnsubscribeConfirmation` is signed with its `Token`, as AWS documents; `sns-validator` leaves it out.',
    note: 'The body is JSON though its content type is `text/plain`. With raw message delivery SNS signs nothing: leave it off.',
  },
  make: (settings) => awsSns(settings),
};
