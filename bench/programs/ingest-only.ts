/** The ingest path alone: listener, HMAC, type and dedupe key, and an append that is done at once. */
import { randomFillSync } from 'node:crypto';
import { IdMaker } from '../../src/core/id.ts';
import { silentObserver } from '../../src/core/observer.ts';
import { systemClock } from '../../src/gateway/clock.ts';
import { Acceptor } from '../../src/ingest/accept.ts';
import { createListener } from '../../src/ingest/listener.ts';
import { MemoryRejections } from '../../src/ingest/rejections.ts';
import { resolveSource } from '../../src/ingest/source.ts';
import type { Append, AppendAnswer } from '../../src/store/store.ts';
import { hmac } from '../../src/verify/hmac.ts';
import { tell } from './serve.ts';

const [, , secret = ''] = process.argv;
const clock = systemClock;
let processed = 0;

function append({ events }: Append): Promise<AppendAnswer> {
  processed += events.length;
  return Promise.resolve({
    status: 'committed',
    events: events.map(({ event }) => ({ status: 'committed', eventId: event.id, claims: [] })),
  });
}

const acceptor = new Acceptor({
  clock,
  ids: new IdMaker({ now: () => clock.now(), fill: (bytes) => void randomFillSync(bytes) }),
  observer: silentObserver,
  limits: {
    bodyBytesMax: 1_048_576,
    headerBytesMax: 16_384,
    headerLinesMax: 100,
    headerDeadlineMs: 10_000,
    requestDeadlineMs: 30_000,
    connectionsMax: 10_000,
    unverifiedBytesMax: 67_108_864,
    addressUnverifiedBytesMax: 8_388_608,
    addressConnectionsMax: 1000,
    bodyBytesPerSMin: 1024,
  },
  sources: [
    resolveSource(
      'bench',
      { verify: hmac({ header: 'x-signature', secrets: secret }), type: 'body.event', dedupeKey: 'body.id' },
      { environment: () => undefined },
    ),
  ],
  trustedProxies: [],
  rejections: new MemoryRejections({ countMax: 100, bytesMax: 1_048_576, perS: 10, clock }),
  gate: () => 'open',
  route: () => [],
  withdraw: () => undefined,
  append,
  awaitAnswer: () => ({ answer: Promise.resolve(null), cancel: () => undefined }),
});
const listener = createListener(acceptor);
const { port } = await listener.listen(0, '127.0.0.1');
tell(port, { processed: () => processed, stop: () => listener.close() });
