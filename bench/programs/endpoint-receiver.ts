/** A receiver of deliveries: answers 204 at once, or after half a minute where the path says so; keeps how late each was. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerTo } from './asked.ts';

const HANG_MS = 30_000;

let latenciesMs: number[] = [];
let received = 0;
let waiting: { readonly count: number; readonly resolve: (atMs: number) => void } | null = null;

const now = (): number => performance.timeOrigin + performance.now();

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    if (request.url === '/hang') {
      setTimeout(() => response.writeHead(204).end(), HANG_MS).unref();
      return;
    }
    const at = /"at":([\d.]+)/.exec(Buffer.concat(chunks).toString('latin1'))?.[1];
    if (at !== undefined) latenciesMs.push(now() - Number(at));
    received++;
    response.writeHead(204).end();
    if (waiting !== null && received >= waiting.count) waiting.resolve(now());
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');

answerTo({
  port: () => (server.address() as AddressInfo).port,
  /** Forgets what came before. */
  reset: () => {
    latenciesMs = [];
    received = 0;
    waiting = null;
  },
  /** When so many had come. */
  count: (count: number) =>
    received >= count ? now() : new Promise<number>((resolve) => (waiting = { count, resolve })),
  latenciesMs: () => latenciesMs,
  stop: () => void setImmediate(() => process.exit(0)),
});
