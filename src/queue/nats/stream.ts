/** The stream and its consumers: made when they are missing, looked at when they are there. */
import type * as JetStream from '@nats-io/jetstream';
import { HoldfastError } from '../../errors.ts';
import { HINT_BYTES_MAX } from '../hints.ts';
import type { NatsSettings } from './settings.ts';

const NANOS_PER_MS = 1_000_000;
/** JetStream's own answer to these: https://github.com/nats-io/nats-server/blob/main/server/errors.json */
const SUBJECTS_OVERLAP = 10_065;
const CONSUMER_LIMIT = 10_026;
const NOT_UNIQUE = 10_100;
const NOT_FILTERED = 10_099;

/** A consumer that nobody pulls from for so long goes; what waits in the stream stays for the next one. */
const IDLE_MS = 24 * 3_600_000;

/** Bounded by the dispatcher, not here: a hint that is held back waits behind no other. */
const GIVEN_MAX = 100_000;

/** What the driver was opened with. */
export interface StreamParts {
  readonly package: typeof JetStream;
  readonly manager: JetStream.JetStreamManager;
  readonly settings: NatsSettings;
  readonly visibilityMs: number;
}

/** The subject of a channel. */
export function subjectOf({ subject }: NatsSettings, channel: string): string {
  return `${subject}.${channel}`;
}

/** The durable consumer of a channel. */
export function consumerOf({ subject }: NatsSettings, channel: string): string {
  return `${subject.replaceAll('.', '_')}_${channel}`;
}

/** The stream as it is, or `null`. */
export async function streamInfo(
  { package: js, manager, settings }: StreamParts,
  options?: { readonly subjects_filter: string },
): Promise<JetStream.StreamInfo | null> {
  try {
    return await manager.streams.info(settings.stream, options);
  } catch (error) {
    if (js.JetStreamApiCodes.StreamNotFound === codeOf(js, error)) return null;
    throw error;
  }
}

/** Makes the stream where it is missing and checks it where it is there. @throws HoldfastError queue_unfit */
export async function ensureStream(parts: StreamParts): Promise<JetStream.StreamInfo> {
  const { package: js, manager, settings } = parts;
  const known = (await streamInfo(parts)) ?? (await makeStream(parts));
  const problems = streamProblems(js, known.config, settings);
  if (problems.length === 0) return known;
  throw new HoldfastError('queue_unfit', { detail: `Stream ${settings.stream}: ${problems.join('; ')}.` });

  async function makeStream({ package: { DiscardPolicy, RetentionPolicy, StorageType } }: StreamParts) {
    try {
      return await manager.streams.add({
        name: settings.stream,
        subjects: [`${settings.subject}.>`],
        retention: RetentionPolicy.Workqueue,
        storage: settings.storage === 'memory' ? StorageType.Memory : StorageType.File,
        discard: DiscardPolicy.New,
        max_bytes: settings.maxBytes,
        max_age: settings.maxAgeMs * NANOS_PER_MS,
        num_replicas: settings.replicas,
      });
    } catch (error) {
      if (codeOf(js, error) !== SUBJECTS_OVERLAP) throw error;
      const owner = await manager.streams.find(`${settings.subject}.x`).catch(() => 'another stream');
      throw new HoldfastError('queue_unfit', {
        detail: `${settings.subject}.> belongs to ${owner} already: set ?stream=${owner}, or another ?subject=.`,
        cause: error,
      });
    }
  }
}

/** Why this stream cannot carry hints, in words that name the setting. */
function streamProblems(
  { RetentionPolicy }: typeof JetStream,
  config: JetStream.StreamConfig,
  { subject }: NatsSettings,
): readonly string[] {
  const problems: string[] = [];
  // A channel is one token: `webhook.*.*` carries `webhook.hints.<channel>`.
  if (!config.subjects.some((one) => covers(one, `${subject}.*`))) {
    problems.push(`subjects are ${config.subjects.join(', ')}: add ${subject}.>, or set ?subject=`);
  }
  if (config.retention === RetentionPolicy.Interest) {
    problems.push('retention is interest, which drops what nobody reads yet: it must be workqueue (or limits)');
  }
  if (config.retention === RetentionPolicy.Limits && config.max_age === 0 && config.max_bytes <= 0) {
    problems.push('retention is limits without max_age or max_bytes, which keeps every hint for ever: set max_age');
  }
  if (config.no_ack === true) problems.push('no_ack is true: nobody would know whether a push was stored');
  if (config.sealed) problems.push('it is sealed');
  if (config.max_msg_size > 0 && config.max_msg_size < HINT_BYTES_MAX) {
    problems.push(`max_msg_size is ${config.max_msg_size}: hints take up to ${HINT_BYTES_MAX} bytes`);
  }
  return problems;
}

/** What works worse than it could, in sentences that name the setting. */
export function streamWarnings(
  { DiscardPolicy, RetentionPolicy }: typeof JetStream,
  config: JetStream.StreamConfig,
): string[] {
  const warnings: string[] = [];
  if (config.discard === DiscardPolicy.Old && (config.max_bytes > 0 || config.max_msgs > 0)) {
    warnings.push('discard is old: a full stream drops its oldest hints, which are then late; set discard new.');
  }
  if (config.max_msgs_per_subject > 0 && !config.discard_new_per_subject) {
    warnings.push(`max_msgs_per_subject is ${config.max_msgs_per_subject}: older hints of a channel are dropped.`);
  }
  if (config.retention === RetentionPolicy.Limits) {
    warnings.push('retention is limits: acknowledged hints use space until max_age; workqueue removes them at once.');
  }
  return warnings;
}

/** Whether everything that matches `wanted` matches `subject` too: `*` is one token, `>` all that follow. */
function covers(subject: string, wanted: string): boolean {
  const [left, right] = [subject.split('.'), wanted.split('.')];
  for (const [index, token] of left.entries()) {
    const other = right[index];
    if (token === '>') return other !== undefined;
    if (other === undefined || other === '>' || (token !== '*' && token !== other)) return false;
  }
  return left.length === right.length;
}

/** Makes or corrects the consumer of a channel. @throws HoldfastError queue_unfit */
export async function ensureConsumer(parts: StreamParts, channel: string): Promise<void> {
  const { package: js, manager, settings, visibilityMs } = parts;
  const name = consumerOf(settings, channel);
  const wanted = {
    ack_wait: visibilityMs * NANOS_PER_MS,
    max_ack_pending: GIVEN_MAX,
    max_deliver: -1,
    inactive_threshold: IDLE_MS * NANOS_PER_MS,
  };
  const known = await consumerInfo(parts, channel);
  if (known === null) {
    await manager.consumers
      .add(settings.stream, {
        durable_name: name,
        filter_subject: subjectOf(settings, channel),
        ack_policy: js.AckPolicy.Explicit,
        deliver_policy: js.DeliverPolicy.All,
        ...wanted,
      })
      .catch((error: unknown) => {
        throw asUnfit(js, error, settings.stream);
      });
    return;
  }
  const { config } = known;
  if (config.deliver_subject !== undefined || config.ack_policy !== js.AckPolicy.Explicit) {
    throw new HoldfastError('queue_unfit', {
      detail: `Consumer ${name} of ${settings.stream} is not a pull consumer with explicit acknowledgement: delete it.`,
    });
  }
  if (config.ack_wait === wanted.ack_wait && config.max_ack_pending === wanted.max_ack_pending) return;
  await manager.consumers.update(settings.stream, name, { ...config, ...wanted });
}

/** The consumer of a channel as it is, or `null`. */
export async function consumerInfo(parts: StreamParts, channel: string): Promise<JetStream.ConsumerInfo | null> {
  const { package: js, manager, settings } = parts;
  try {
    return await manager.consumers.info(settings.stream, consumerOf(settings, channel));
  } catch (error) {
    const code = codeOf(js, error);
    if (code === js.JetStreamApiCodes.ConsumerNotFound || code === js.JetStreamApiCodes.StreamNotFound) return null;
    throw error;
  }
}

function asUnfit(js: typeof JetStream, error: unknown, stream: string): unknown {
  const code = codeOf(js, error);
  if (code === CONSUMER_LIMIT) {
    return new HoldfastError('queue_unfit', { detail: `Stream ${stream}: max_consumers is too low.`, cause: error });
  }
  if (code !== NOT_UNIQUE && code !== NOT_FILTERED) return error;
  return new HoldfastError('queue_unfit', {
    detail: `Stream ${stream} has a consumer of somebody else that reads the same subjects: use a stream of its own.`,
    cause: error,
  });
}

/** The code of an answer of the JetStream API; `null` for any other error. */
function codeOf(js: typeof JetStream, error: unknown): number | null {
  return error instanceof js.JetStreamApiError ? error.code : null;
}
