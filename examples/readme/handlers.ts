import { type Gateway, Reject } from 'holdfast';

export default (gateway: Gateway): void =>
  gateway.handle('billing', { from: 'orders', types: ['order.*'], concurrency: 4 }, async (event, { attempt }) => {
    const { id } = event.body as { id?: string };
    if (id === undefined) throw new Reject('an order without an id'); // a dead letter; any other error is tried again
    console.log(`order ${id}, attempt ${attempt}`); // to return is to succeed
  });
