/**
 * Hints without a broker: their channels, how they are cut, and how they are written. Pure.
 */
import { createHash } from 'node:crypto';
import { formatId, idBytes } from '../core/id.ts';
import { type Hint, HINT_IDS_MAX } from './queue.ts';

/** Into how many channels the endpoints of a gateway are sharded. All processes must agree: it is not a setting. */
export const ENDPOINT_SHARDS = 64;

const PLAIN_NAME = /^[A-Za-z0-9_-]{1,60}$/;
const READABLE_CHARACTERS = 32;
const DIGEST_CHARACTERS = 24;

/**
 * The channel of a handler destination: `h-` and its name, or, where a broker would not take the name in one of its
 * own, `x-` with what is readable of it and a digest. Different names have different channels.
 */
export function handlerChannel(destination: string): string {
  if (PLAIN_NAME.test(destination)) return `h-${destination}`;
  const digest = createHash('sha256').update(destination).digest('hex').slice(0, DIGEST_CHARACTERS);
  return `x-${destination.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, READABLE_CHARACTERS)}-${digest}`;
}

/**
 * The channel of an endpoint: one of {@link ENDPOINT_SHARDS}, by a digest of its id. Endpoints come and go by the
 * thousand; a broker's streams and consumers must not.
 */
export function endpointChannel(endpointId: string): string {
  return shardChannel(createHash('sha256').update(endpointId).digest().readUInt32BE(0) % ENDPOINT_SHARDS);
}

/** All channels of endpoints, for a process that delivers to any of them. */
export function endpointChannels(): readonly string[] {
  return Array.from({ length: ENDPOINT_SHARDS }, (_, shard) => shardChannel(shard));
}

function shardChannel(shard: number): string {
  return `e-${String(shard).padStart(2, '0')}`;
}

/** A delivery that is ready, and the channel of its destination. */
export interface Ready {
  readonly channel: string;
  readonly id: string;
}

/** Cuts what is ready into hints: one channel each, full ones first, ids in the order given. */
export function hintsOf(ready: Iterable<Ready>): readonly Hint[] {
  const byChannel = Map.groupBy(ready, ({ channel }) => channel);
  return [...byChannel].flatMap(([channel, of]) => {
    const ids = of.map(({ id }) => id);
    const count = Math.ceil(ids.length / HINT_IDS_MAX);
    return Array.from({ length: count }, (_, index) => ({
      channel,
      ids: ids.slice(index * HINT_IDS_MAX, (index + 1) * HINT_IDS_MAX),
    }));
  });
}

// -------------------------------------------------------------------------------------------------- how it is written

/** Of the format below. A process skips a version it does not know: the store offers those deliveries again. */
const VERSION = 1;
const HEAD_BYTES = 2;
const ID_BYTES = 16;

/** What no hint exceeds, in bytes; brokers whose limit for a payload is lower are unfit. */
export const HINT_BYTES_MAX = HEAD_BYTES + HINT_IDS_MAX * (1 + ID_BYTES);

/**
 * The ids of a hint in bytes: version, count less one, the first id whole, then for each one how many of its leading
 * bytes are those of the one before, and the others. Ids made together share 6 or 7 of their 16 bytes (time, counter),
 * so a hint of 128 takes about 1.3 KB; a hint of one takes 18 bytes. The channel is known from where it is kept.
 * @throws RangeError when there are none or more than {@link HINT_IDS_MAX}, or one is not an id: a fault of the caller
 */
export function encodeIds(ids: readonly string[]): Buffer {
  if (ids.length === 0 || ids.length > HINT_IDS_MAX) {
    throw new RangeError(`A hint carries 1 to ${HINT_IDS_MAX} ids, not ${ids.length}.`);
  }
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + ids.length * (1 + ID_BYTES));
  bytes[0] = VERSION;
  bytes[1] = ids.length - 1;
  let at = HEAD_BYTES;
  let before: Uint8Array | null = null;
  for (const id of ids) {
    const current = idBytes(id);
    if (current === null) throw new RangeError(`'${id}' is not an id.`);
    const shared = before === null ? 0 : sharedBytes(before, current);
    if (before !== null) bytes[at++] = shared;
    bytes.set(current.subarray(shared), at);
    at += ID_BYTES - shared;
    before = current;
  }
  return bytes.subarray(0, at);
}

/** The ids of a hint; `null` when these bytes are none: cut short, too long, of another version, of somebody else. */
export function decodeIds(bytes: Uint8Array): readonly string[] | null {
  if (bytes.length < HEAD_BYTES + ID_BYTES || bytes[0] !== VERSION) return null;
  const count = (bytes[1] ?? 0) + 1;
  if (count > HINT_IDS_MAX) return null;
  const ids: string[] = [];
  const current = new Uint8Array(ID_BYTES);
  let at = HEAD_BYTES;
  for (let index = 0; index < count; index++) {
    const shared = index === 0 ? 0 : (bytes[at++] ?? ID_BYTES + 1);
    const end = at + ID_BYTES - shared;
    if (shared > ID_BYTES || end > bytes.length) return null;
    current.set(bytes.subarray(at, end), shared);
    at = end;
    ids.push(formatId('dlv', current));
  }
  return at === bytes.length ? ids : null;
}

function sharedBytes(left: Uint8Array, right: Uint8Array): number {
  let shared = 0;
  while (shared < ID_BYTES && left[shared] === right[shared]) shared++;
  return shared;
}
