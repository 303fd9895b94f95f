/** What the compiler knows of a handler's event. A mistake here is an error of `npm run check`, not of this run. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGateway, defineConfig } from 'holdfast';
import { none, stripe } from 'holdfast/verify';
import type { Stripe } from 'stripe';
import { z } from 'zod';

/** Stands in for a provider's union of event types. */
type ShopEvent =
  | { readonly type: 'invoice.paid'; readonly data: { readonly amount: number } }
  | { readonly type: 'customer.created'; readonly data: { readonly name: string } };

const config = defineConfig({
  store: 'memory:',
  sources: {
    shop: stripe<ShopEvent>({ secrets: 'whsec_test' }),
    nested: { verify: stripe<ShopEvent>({ secrets: 'whsec_test' }) },
    checked: { verify: none(), body: z.object({ id: z.string() }) },
    open: { verify: none() },
    payments: stripe<Stripe.Event>({ secrets: 'whsec_test' }),
  },
});

function same<Expected>(): <Actual>(
  actual: [Actual] extends [Expected] ? ([Expected] extends [Actual] ? Actual : never) : never,
) => void {
  return () => undefined;
}

test('a handler knows its sources, and the bodies of the types it takes', () => {
  const gateway = createGateway(config);
  gateway.handle('narrowed', { from: 'shop', types: ['invoice.paid'] }, (event) => {
    same<number>()(event.body.data.amount);
  });
  gateway.handle('union', { from: 'nested' }, (event) => {
    same<'invoice.paid' | 'customer.created'>()(event.body.type);
  });
  gateway.handle('schema', { from: 'checked' }, (event) => {
    same<string>()(event.body.id);
  });
  gateway.handleBatch('unknown', { from: ['open', 'emitted'] }, (batch) => {
    same<unknown>()(batch.events[0]?.body);
  });
  gateway.handleBatch('each', { from: 'checked' }, async (batch) => {
    same<Promise<void>>()(batch.each(async (event) => same<string>()(event.body.id)));
    same<void>()(batch.each((event) => event.body.id));
  });
  // @ts-expect-error -- there is no such source
  gateway.handle('nobody', { from: 'nobody' }, () => undefined);
  assert.equal(gateway.report, null);
});

test('emitted events are typed by the catalogue', () => {
  const emits = {
    'payment.succeeded': z.object({ id: z.string(), amount: z.number() }),
    'payment.refunded': { schema: z.object({ id: z.string() }), description: 'Money went back.' },
    'audit.*': z.object({ who: z.string() }),
    'audit.export': z.object({ rows: z.number() }),
    'user.created': { description: 'Anything.' },
  };
  const gateway = createGateway({ sources: { shop: none() }, emits });
  gateway.handle('billing', { from: 'shop' }, async (_event, { emit }) => {
    await emit('payment.succeeded', { id: 'pi_1', amount: 1 });
    await emit('audit.login', { who: 'anna' });
    // @ts-expect-error -- the amount is missing
    await emit('payment.succeeded', { id: 'pi_1' });
  });
  gateway.handle('own', { from: 'emitted', types: ['payment.succeeded', 'payment.refunded'] }, (event) => {
    same<string>()(event.body.id);
  });
  gateway.handle('family', { from: 'emitted', types: ['payment.*'] }, (event) => {
    same<{ id: string; amount: number } | { id: string }>()(event.body);
  });
  gateway.handle('families', { from: 'emitted', types: ['payment.s*', 'audit.*'] }, (event) => {
    same<{ id: string; amount: number } | { who: string } | { rows: number }>()(event.body);
  });
  gateway.handle('within a family', { from: 'emitted', types: ['audit.login.*'] }, (event) => {
    same<{ who: string }>()(event.body);
  });
  gateway.handle('of no family', { from: 'emitted', types: ['order.*'] }, (event) => {
    same<unknown>()(event.body);
  });
  gateway.handle('any', { from: 'emitted' }, (event) => {
    same<unknown>()(event.body);
  });
  const checkedByTheCompiler = async (): Promise<void> => {
    await gateway.emit('payment.refunded', { id: 'pi_1' }, { tenant: 'acme' });
    await gateway.emit('user.created', 1);
    await gateway.emit('user.created', 1, { tx: undefined });
    await gateway.emit('payment.succeeded', new Uint8Array());
    await gateway.emitBatch([
      { type: 'payment.succeeded', body: { id: 'pi_1', amount: 1 }, dedupeKey: 'pi_1' },
      { type: 'audit.login', body: { who: 'anna' } },
    ]);
    // @ts-expect-error -- there is no such type
    await gateway.emit('payment.suceeded', { id: 'pi_1', amount: 1 });
    // @ts-expect-error -- the amount is a text
    await gateway.emit('payment.succeeded', { id: 'pi_1', amount: '1' });
    // @ts-expect-error -- who is missing
    await gateway.emit('audit.login', {});
    // @ts-expect-error -- the body is that of another type
    await gateway.emitBatch([{ type: 'payment.succeeded', body: { who: 'anna' } }]);
  };
  assert.equal(typeof checkedByTheCompiler, 'function');
});

test('the real union of Stripe narrows by the types a handler takes', () => {
  const gateway = createGateway(config);
  gateway.handle('paid', { from: 'payments', types: ['invoice.paid'] }, (event) => {
    same<'invoice.paid'>()(event.body.type);
    same<Stripe.Invoice>()(event.body.data.object);
  });
  gateway.handle('either', { from: 'payments', types: ['customer.created', 'charge.refunded'] }, (event) => {
    same<'customer.created' | 'charge.refunded'>()(event.body.type);
    same<Stripe.Customer | Stripe.Charge>()(event.body.data.object);
    if (event.body.type === 'charge.refunded') same<Stripe.Charge>()(event.body.data.object);
  });
  gateway.handleBatch('all', { from: 'payments' }, (batch) => {
    for (const event of batch.events) same<Stripe.Event>()(event.body);
  });
  gateway.handle('wildcard', { from: 'payments', types: ['invoice.*'] }, (event) => {
    same<Stripe.Event>()(event.body);
  });
  assert.equal(gateway.report, null);
});

test('a config has no other settings and options than there are, and its readers know what they read', () => {
  // @ts-expect-error -- the setting is called port
  assert.deepEqual(defineConfig({ sources: {}, prot: 1 }).sources, {});
  // @ts-expect-error -- the setting is called port
  assert.throws(() => createGateway({ sources: {}, prot: 1 }), { code: 'config_unknown_setting' });
  // @ts-expect-error -- the option is called dedupeKey
  const misspelt = defineConfig({ sources: { shop: { verify: none(), dedupKey: 'body.id' } } });
  // @ts-expect-error -- it still is
  assert.throws(() => createGateway(misspelt), { code: 'config_invalid' });
  const read = defineConfig({
    sources: {
      shop: { verify: none(), tenant: ({ headers, json }) => (json === null ? null : (headers.at(1) ?? null)) },
    },
  });
  assert.equal(typeof read.sources.shop.tenant, 'function');
});

test('what is emitted at intervals knows the time it is for, with a catalogue and without', () => {
  const open = createGateway({ sources: {}, store: 'memory:' });
  open.every('sweep', { period: '1h', type: 'sweep.due', body: (dueAt) => ({ before: dueAt.toISOString() }) });
  open.every('tick', { period: '1h', type: 'tick', body: null });
  const listed = createGateway({ sources: {}, emits: { 'sweep.due': z.object({ before: z.string() }) } });
  listed.every('sweep', { period: '1h', type: 'sweep.due', body: (dueAt) => ({ before: dueAt.toISOString() }) });
  // @ts-expect-error -- the body is that of another type
  listed.every('wrong', { period: '1h', type: 'sweep.due', body: (dueAt) => ({ until: dueAt.toISOString() }) });
  assert.equal(open.report, null);
});
