/** A handler whose first attempt ends its process. */
import type { HandlerContext, HandlerEvent } from '../../../src/index.ts';

export default function exits(_event: HandlerEvent, { attempt }: HandlerContext): void {
  if (attempt === 1) process.exit(3);
}
