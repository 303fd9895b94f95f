/** What the URL of an SQS queue says. */
import { HoldfastError } from '../../errors.ts';
import { queueUrl, UrlSettings } from '../client.ts';

/** With the longest channel a name of at most 80 characters, which is SQS's limit. */
const PREFIX = /^[A-Za-z0-9_-]{1,16}$/;
const REGION = /^[a-z0-9-]{3,32}$/;
const RETENTION_MS = 24 * 3_600_000;
/** Limits of SQS: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html */
const RETENTION_RANGE = { min: 60_000, max: 14 * 24 * 3_600_000, text: '1m to 14d' };
const VISIBILITY_RANGE = { min: 1000, max: 12 * 3_600_000, text: '1s to 12h' };

export interface SqsSettings {
  readonly region: string;
  /** What the names of queues begin with. Default `holdfast`. */
  readonly prefix: string;
  /** Of something that speaks as SQS does; `null`: AWS. */
  readonly endpoint: string | null;
  /** From the URL; `null`: wherever the AWS SDK finds them (environment, profile, role). */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | null;
  /** Whether missing queues are made; else they are reported. */
  readonly create: boolean;
  /** Of queues that are made. */
  readonly retentionS: number;
  /** How long a hint that was received is nobody else's. */
  readonly visibilityMs: number;
}

/**
 * @param visibilityMs Where the URL names none.
 * @throws HoldfastError config_invalid
 */
export function sqsSettings(text: string, visibilityMs: number): SqsSettings {
  const url = queueUrl(text, ['sqs']);
  const settings = new UrlSettings(url, ['endpoint', 'create', 'retention', 'visibility']);
  const prefix = url.pathname.replace(/^\//, '') || 'holdfast';
  if (!REGION.test(url.hostname) || !PREFIX.test(prefix)) {
    throw new HoldfastError('config_invalid', {
      detail: 'queue: expected sqs://region/prefix, the prefix of 1 to 16 letters, digits, - and _.',
    });
  }
  const endpoint = settings.text('endpoint');
  if (endpoint !== null && !/^https?:\/\//.test(endpoint)) {
    throw new HoldfastError('config_invalid', { detail: 'queue: endpoint expects an http:// or https:// URL.' });
  }
  return {
    region: url.hostname,
    prefix,
    endpoint,
    credentials:
      url.username === ''
        ? null
        : {
            accessKeyId: decodeURIComponent(url.username),
            secretAccessKey: decodeURIComponent(url.password),
          },
    create: settings.oneOf('create', ['true', 'false']) === 'true',
    retentionS: wholeSeconds(settings, 'retention', { ...RETENTION_RANGE, fallback: RETENTION_MS }),
    visibilityMs: 1000 * wholeSeconds(settings, 'visibility', { ...VISIBILITY_RANGE, fallback: visibilityMs }),
  };
}

function wholeSeconds(
  settings: UrlSettings,
  name: string,
  range: { readonly min: number; readonly max: number; readonly text: string; readonly fallback: number },
): number {
  const ms = settings.duration(name, range.fallback);
  if (ms >= range.min && ms <= range.max) return Math.ceil(ms / 1000);
  throw new HoldfastError('config_invalid', { detail: `queue: ${name} expects ${range.text}: SQS takes no other.` });
}
