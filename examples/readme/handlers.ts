import { type Gateway, Reject } from 'holdfast';

export default (gateway: Gateway): void =>
  gateway.handle('billing', { from: 'orders', types: ['order.*'], concurrency: 4 }, async (event, { emit, attempt }) => {
    const order = event.body as { id?: string };
    if (order.id === undefined) throw new Reject('an order without an id'); // a dead letter; any other error is retried
    await emit('invoice.requested', { order: order.id, attempt }); // committed with this success, or not at all
  });
