/** A handler with a thread of its own: it may burn CPU, the gateway does not notice. */
import { scryptSync } from 'node:crypto';
import type { HandlerContext, HandlerEvent } from 'holdfast';

export default async function fingerprint(event: HandlerEvent, { emit }: HandlerContext): Promise<void> {
  const made = scryptSync(event.raw, event.id, 32, { N: 2 ** 16, maxmem: 2 ** 27 });
  await emit('fingerprint.made', { hex: made.toString('hex') });
}
