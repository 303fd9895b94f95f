/** From what `emit` is called with to an event that can be committed: checked, encoded, bounded. */
import { TIME_MAX } from '../core/clock.ts';
import { isShort } from '../core/key.ts';
import { HoldfastError } from '../errors.ts';
import type { EmitOptions } from './emit.ts';
import type { Emitted } from './runner.ts';

/** Most bytes of one emitted body: the default limit of bodies that come in. */
const EMITTED_BODY_BYTES_MAX = 1_048_576;
/** Most events, and most bytes of bodies in all, that one attempt or one batch emits: they are one commit. */
export const EMITS_MAX = 10_000;
export const EMITS_BYTES_MAX = 16 * EMITTED_BODY_BYTES_MAX;

const TYPE_CHARACTERS_MAX = 256;
const encoder = new TextEncoder();

/**
 * The event that an `emit` call asks for. A `Uint8Array` is taken as it is (copied), anything else as JSON.
 * @throws HoldfastError invalid_input when an argument does not fit, body_too_large
 */
export function makeEmitted(type: string, body: unknown, options: EmitOptions): Emitted {
  if (typeof type !== 'string' || type === '' || type.length > TYPE_CHARACTERS_MAX) {
    throw invalid(
      `type: expected a text of 1 to ${TYPE_CHARACTERS_MAX} characters, got '${typeof type === 'string' ? type.slice(0, 300) : typeof type}'`,
    );
  }
  checkOptions(options);
  const bytes = body instanceof Uint8Array ? new Uint8Array(body) : encodeJson(body);
  if (bytes.length > EMITTED_BODY_BYTES_MAX) {
    throw new HoldfastError('body_too_large', {
      detail: `emit('${type}'): ${bytes.length} bytes, at most ${EMITTED_BODY_BYTES_MAX}.`,
    });
  }
  const contentType = body instanceof Uint8Array ? 'application/octet-stream' : 'application/json';
  return { type, body: bytes, contentType, options: taken(options) };
}

/** As they are now: they are read when the attempt ends, and whoever emits in a loop may use one object for all. */
function taken({ tenant, dedupeKey, orderKey, correlationId, at }: EmitOptions): EmitOptions {
  return {
    ...(tenant !== undefined && { tenant }),
    ...(dedupeKey !== undefined && { dedupeKey }),
    ...(orderKey !== undefined && { orderKey }),
    ...(correlationId !== undefined && { correlationId }),
    ...(at !== undefined && { at: typeof at === 'number' ? at : new Date(at) }),
  };
}

/**
 * The events that an `emitBatch` call asks for.
 * @throws HoldfastError invalid_input when one does not fit, body_too_large also when they are too many for one commit
 */
export function makeBatch(
  events: readonly (EmitOptions & { readonly type: string; readonly body: unknown })[],
): Emitted[] {
  let bytes = 0;
  const made: Emitted[] = [];
  for (const { type, body, ...options } of events) {
    const emitted = makeEmitted(type, body, options);
    bytes += emitted.body.length;
    made.push(emitted);
    if (made.length > EMITS_MAX || bytes > EMITS_BYTES_MAX) {
      const detail = `emitBatch: more than ${EMITS_MAX} events or ${EMITS_BYTES_MAX} bytes in one batch.`;
      throw new HoldfastError('body_too_large', { detail });
    }
  }
  return made;
}

function encodeJson(body: unknown): Uint8Array {
  let text: string | undefined;
  try {
    text = JSON.stringify(body);
  } catch (cause) {
    throw invalid('body: expected something JSON can hold, or a Uint8Array', cause);
  }
  if (text === undefined) throw invalid(`body: expected something JSON can hold, or a Uint8Array, got ${typeof body}`);
  return encoder.encode(text);
}

function checkOptions(options: EmitOptions): void {
  for (const name of ['tenant', 'dedupeKey', 'orderKey', 'correlationId'] as const) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== 'string')
      throw invalid(`${name}: expected a text, got ${typeof value}`);
  }
  if (options.tenant !== undefined && !isShort(options.tenant)) {
    throw invalid('tenant: expected at most 512 characters, and 1,000 bytes, of Unicode');
  }
  if (options.at !== undefined && !(Math.abs(Number(options.at)) <= TIME_MAX)) {
    throw invalid('at: expected a valid Date, or milliseconds since 1970');
  }
}

function invalid(detail: string, cause?: unknown): HoldfastError {
  return new HoldfastError('invalid_input', { detail: `emit: ${detail}.`, cause });
}
