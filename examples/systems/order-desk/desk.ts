/** What people and their tools ask of the desk: figures, dead letters, logs, and the page. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type NextFunction, type Request, type Response, Router } from 'express';
import { HoldfastError, type Operations } from 'holdfast';
import type { Access } from './access.ts';
import { WEBHOOKS } from './gateway.ts';

const PAGE = readFileSync(new URL('page.html', import.meta.url), 'utf8');

export function deskRoutes(operations: Operations, access: Access): Router {
  const router = Router();
  router.use((request, response, next) => {
    response.set('Cache-Control', 'no-store').set('X-Content-Type-Options', 'nosniff');
    if (access.allows(request)) next();
    else response.status(401).set('WWW-Authenticate', 'Basic realm="order desk", charset="UTF-8"').end();
  });

  router.get('/', (_request, response) => {
    const nonce = randomBytes(16).toString('base64');
    const policy = `default-src 'none'; connect-src 'self'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'`;
    response.set('Content-Security-Policy', `${policy}; base-uri 'none'; frame-ancestors 'none'`);
    response.set('Set-Cookie', access.cookie).type('html').send(PAGE.replaceAll('NONCE', nonce));
  });

  // #region stats
  router.get(`${WEBHOOKS}/queue/stats`, async (_request, response) => {
    const { status, destinations, sources } = await operations.stats();
    const queue = destinations.find(({ name }) => name === 'orders');
    const received = sources.find(({ name }) => name === 'bot')?.accepted ?? 0;
    const processed = queue?.processed ?? 0;
    response.json({
      status,
      queue_size: queue?.size ?? 0,
      queue_size_peak: queue?.peakSize ?? 0,
      total_received: received,
      total_processed: processed,
      total_failed: queue?.deadLettersTotal ?? 0,
      dead_letter_queue_size: queue?.deadLetters ?? 0,
      workers_running: queue?.workersRunning ?? 0,
      workers_total: queue?.workersTotal ?? 0,
      avg_processing_time_ms: queue?.processingMsAverage ?? 0,
      is_running: queue?.running ?? false,
      success_rate: received === 0 ? 100 : Math.min(100, Math.round((processed / received) * 10_000) / 100),
    });
  });
  // #endregion

  router.get(`${WEBHOOKS}/queue/dead-letters`, async (request, response) => {
    response.json(await operations.deadLetters({ destination: 'orders', ...pageOf(request) }));
  });

  router.post(`${WEBHOOKS}/queue/retry-failed`, async (_request, response) => {
    const { id, planned } = await operations.startReplay({ destination: 'orders' });
    response.status(202).json({ replay_id: id, planned });
  });

  /** The newest of what was accepted, with what became of it, and of what was refused. */
  router.get(`${WEBHOOKS}/logs`, async (request, response) => {
    const page = pageOf(request);
    const [accepted, refused] = await Promise.all([
      operations.deliveries({ destination: 'orders', ...page }),
      operations.rejections({ source: 'bot', ...page }),
    ]);
    response.json({ accepted: accepted.rows, refused: refused.rows, refused_and_not_kept: refused.dropped });
  });

  // oxlint-disable-next-line max-params -- Express tells an error handler by its four parameters
  router.use((error: unknown, _request: Request, response: Response, next: NextFunction) => {
    if (!(error instanceof HoldfastError)) return next(error);
    response.status(error.status).json({ code: error.code, message: error.message });
  });
  return router;
}

const pageOf = ({ query }: Request) => ({ limit: Number(query['limit'] ?? 50) });
