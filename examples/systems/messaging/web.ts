/** The web program: webhooks, the application's own API, and Holdfast's. */
import { serve } from '@hono/node-server';
import { getConnInfo } from '@hono/node-server/conninfo';
import { Hono } from 'hono';
import { bearerAuth } from 'hono/bearer-auth';
import { z } from 'zod';
import { startGateway } from './gateway.ts';
import { required } from './settings.ts';

const { gateway, conversations, stop } = await startGateway('gateway');

// #region mount
const app = new Hono();

app.all('/api/v1/webhooks/*', (context) => {
  const { address = '' } = getConnInfo(context).remote;
  return gateway.fetch(context.req.raw, { remoteAddress: address });
});
// #endregion

const own = new Hono();
own.use(bearerAuth({ token: required('API_TOKEN') }));

own.get('/conversations/:channel/:address', async (context) => {
  const { channel, address } = context.req.param();
  const found = await conversations.with(channel, address);
  return found === null ? context.json({ error: 'there is no such conversation' }, 404) : context.json(found);
});

const Outgoing = z.object({ channel: z.enum(['sms', 'email']), to: z.string().min(3), text: z.string().min(1) });

own.post('/messages', async (context) => {
  const outgoing = Outgoing.safeParse(await context.req.json().catch(() => null));
  if (!outgoing.success) return context.json({ error: z.prettifyError(outgoing.error) }, 400);
  return context.json({ event: await gateway.emit('message.outgoing', outgoing.data) }, 202);
});

app.route('/api/v1', own);
app.all('*', (context) => gateway.admin().fetch(context.req.raw)); // /health, /ready, /metrics, /api/queues/stats, …

const hostname = process.env['HOST'] ?? '127.0.0.1';
const server = serve({ fetch: app.fetch, port: Number(process.env['PORT'] ?? 8080), hostname }, ({ port }) =>
  console.log(`webhooks at http://${hostname}:${port}/api/v1/webhooks/twilio and …/sendgrid`),
);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    server.close();
    void stop();
  });
}
