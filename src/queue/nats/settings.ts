/** What the URL of a NATS queue says. */
import { HoldfastError } from '../../errors.ts';
import { queueUrl, UrlSettings } from '../client.ts';

const KNOWN = ['stream', 'subject', 'storage', 'replicas', 'maxBytes', 'maxAge', 'servers', 'tls', 'token'] as const;
const SUBJECT = /^[A-Za-z0-9_-]{1,32}(?:\.[A-Za-z0-9_-]{1,32}){0,7}$/;
const MAX_BYTES = 256 * 1024 * 1024;
const MAX_AGE_MS = 24 * 3_600_000;
const PORT = '4222';

export interface NatsSettings {
  /** Hosts with ports; more are learnt from the first that answers. */
  readonly servers: readonly string[];
  readonly user: string | null;
  readonly password: string | null;
  readonly token: string | null;
  readonly tls: boolean;
  /** The stream, made when it is missing. Default `HOLDFAST`. */
  readonly stream: string;
  /** What subjects begin with: a channel is published on `<subject>.<channel>`. Default `holdfast.hints`. */
  readonly subject: string;
  // Of a stream that is made; one that is there keeps its own.
  readonly storage: 'file' | 'memory';
  readonly replicas: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

/** @throws HoldfastError config_invalid */
export function natsSettings(text: string): NatsSettings {
  const url = queueUrl(text, ['nats']);
  const settings = new UrlSettings(url, KNOWN);
  if (url.pathname !== '' && url.pathname !== '/') {
    throw new HoldfastError('config_invalid', {
      detail: 'queue: a nats:// URL has no path; name the stream: ?stream=',
    });
  }
  const more = settings.text('servers')?.split(',') ?? [];
  return {
    servers: [url.port === '' ? `${url.hostname}:${PORT}` : url.host, ...more],
    user: url.username === '' ? null : decodeURIComponent(url.username),
    password: url.password === '' ? null : decodeURIComponent(url.password),
    token: settings.text('token'),
    tls: settings.oneOf('tls', ['auto', 'required']) === 'required',
    stream: settings.name('stream', 'HOLDFAST'),
    subject: settings.name('subject', 'holdfast.hints', SUBJECT),
    storage: settings.oneOf('storage', ['file', 'memory']),
    replicas: Number(settings.oneOf('replicas', ['1', '3', '5'])),
    maxBytes: settings.bytes('maxBytes', MAX_BYTES),
    maxAgeMs: settings.duration('maxAge', MAX_AGE_MS),
  };
}
