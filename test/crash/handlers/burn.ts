/** A handler that burns CPU for as long as the event says, and lets nothing else run in its thread. */
import type { HandlerEvent } from '../../../src/index.ts';

export default function burn(event: HandlerEvent): void {
  const end = performance.now() + Number(event.text());
  while (performance.now() < end);
}
