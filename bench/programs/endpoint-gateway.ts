/** Holdfast that sends: endpoints are made through its API; events are emitted in it. */
import { createGateway } from 'holdfast';
import { answerTo } from './asked.ts';

const [, , store = ''] = process.argv;
const gateway = createGateway({
  store,
  port: 0,
  logLevel: 'warn',
  egressAllow: ['127.0.0.1'],
  diskReserveBytes: 0,
  sources: {},
});
await gateway.start();

const AT_ONCE = 64;
const filler = 'x'.repeat(900);
const now = (): number => performance.timeOrigin + performance.now();

async function call(method: string, path: string, body: unknown): Promise<{ endpoint?: { id: string } }> {
  const headers = { authorization: `Bearer ${gateway.adminToken}`, 'content-type': 'application/json' };
  const given = { method, headers, body: JSON.stringify(body) };
  const answer = await gateway.admin().fetch(new Request(`http://127.0.0.1${path}`, given));
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as { endpoint?: { id: string } };
}

async function each<Item>(items: readonly Item[], run: (item: Item) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < items.length; from += AT_ONCE)
    await Promise.all(items.slice(from, from + AT_ONCE).map(run));
}

const emit = (type: string): Promise<string> => gateway.emit(type, { at: now(), filler });

answerTo({
  endpoints: async (inputs: readonly Record<string, unknown>[]) => {
    const ids: string[] = [];
    await each(inputs, async (input) => ids.push((await call('POST', '/api/endpoints', input)).endpoint?.id ?? ''));
    return ids;
  },
  change: ({ id, ...change }: { readonly id: string }) => call('PATCH', `/api/endpoints/${id}`, change),
  emit: ({ type, count }: { readonly type: string; readonly count: number }) =>
    each(Array.from({ length: count }), () => emit(type)),
  /** So many a second, for so long. */
  load: async ({ type, perS, seconds }: { readonly type: string; readonly perS: number; readonly seconds: number }) => {
    const began = now();
    const open: Promise<unknown>[] = [];
    for (let sent = 0; sent < perS * seconds; sent++) {
      const waitMs = began + (sent * 1000) / perS - now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      open.push(emit(type));
    }
    await Promise.all(open);
  },
  drained: async () => {
    for (;;) {
      const path = '/api/deliveries?state=ready,claimed,due,blocked&limit=1';
      const headers = { authorization: `Bearer ${gateway.adminToken}` };
      const answer = await gateway.admin().fetch(new Request(`http://127.0.0.1${path}`, { headers }));
      const { rows } = (await answer.json()) as { readonly rows: readonly unknown[] };
      if (rows.length === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
  rssBytes: () => process.memoryUsage.rss(),
  stop: async () => {
    await gateway.stop({ graceMs: 0 });
    setImmediate(() => process.exit(0));
  },
});
