import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testGateway } from 'holdfast/testing';
import { type Billing, config, register } from './billing.ts';

test('an order is charged once, however often the shop sends it', async () => {
  const charged: string[] = [];
  const billing: Billing = { charge: (customer) => Promise.resolve((charged.push(customer), 'charged')) };
  await using t = await testGateway(config, (gateway) => register(gateway, billing));

  const first = await t.send('shop', 'order.created', { customer: 'ada', amount: 5 }, { key: 'ord_1' });
  const again = await t.send('shop', 'order.created', { customer: 'ada', amount: 5 }, { key: 'ord_1' });
  await t.settled();

  assert.equal(again.eventId, first.eventId);
  assert.deepEqual(charged, ['ada']);
  assert.deepEqual(await t.outcomes(), { billing: { succeeded: 1 }, receipts: { succeeded: 1 } });
});

test('an order waits while billing is busy, and no later order of its customer overtakes it', async () => {
  const charged: number[] = [];
  let busy = true;
  const billing: Billing = {
    charge: (_customer, amount) => Promise.resolve(busy ? 'busy' : (charged.push(amount), 'charged')),
  };
  await using t = await testGateway(config, (gateway) => register(gateway, billing));

  await t.send('shop', 'order.created', { customer: 'ada', amount: 1 });
  await t.send('shop', 'order.created', { customer: 'ada', amount: 2 });
  await t.settled();
  assert.deepEqual(charged, []);

  busy = false;
  await t.advance('61s');
  assert.deepEqual(charged, [1, 2]);
});

test('what cannot be charged becomes a dead letter', async () => {
  const billing: Billing = { charge: () => Promise.reject(new Error('card refused')) };
  await using t = await testGateway(config, (gateway) => register(gateway, billing));

  await t.send('shop', 'order.created', { customer: 'ada', amount: 5 });
  await t.advance('10s');
  await t.advance('20s');

  const [letter] = await t.deadLetters();
  assert.equal(letter?.reason, 'exhausted');
  assert.equal(letter.attempts, 3);
  assert.match(letter.note ?? '', /card refused/);
});
