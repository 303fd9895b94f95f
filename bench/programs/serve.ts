/** What every program under measurement does: listen, say where, tell its figures when asked, end when told. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Figures {
  /** Events handled so far. */
  readonly processed: () => number;
  /** Milliseconds of the event loop's delay at p99 since the last question. */
  readonly loopP99Ms?: () => number;
  readonly stop?: () => Promise<void>;
}

/** Messages to and from the parent. */
export type Question = 'figures' | 'stop';
export interface Answer {
  readonly processed: number;
  readonly rssBytes: number;
  readonly loopP99Ms: number;
}

export function serve(server: Server, figures: Figures): void {
  server.listen(0, '127.0.0.1', () => tell((server.address() as AddressInfo).port, figures));
}

export function tell(port: number, figures: Figures): void {
  process.on('message', (question: Question) => {
    if (question === 'stop') void (figures.stop?.() ?? Promise.resolve()).then(() => process.exit(0));
    else process.send?.(answer(figures));
  });
  // Whoever measures has gone.
  process.on('disconnect', () => process.exit(1));
  process.send?.({ port });
}

function answer(figures: Figures): Answer {
  return { processed: figures.processed(), rssBytes: process.memoryUsage.rss(), loopP99Ms: figures.loopP99Ms?.() ?? 0 };
}
