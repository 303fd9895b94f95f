/** Orders to browsers as they come. The table is what is true; a browser that was away says what it has, and gets the rest. */
import type { IncomingMessage, Server } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';
import type { Access } from './access.ts';
import { WEBHOOKS } from './gateway.ts';
import type { OrderTable } from './table.ts';

/** Most orders that a page is given at once; older ones it does without. */
const ORDERS_MAX = 200;
/** A browser that has so much yet to read, or is gone, is let go: it comes back and asks for what it missed. */
const BUFFERED_BYTES_MAX = 1_048_576;

/** Tells whoever has `access` of the orders in the table. */
export function liveOrders(table: OrderTable, server: Server, access: Access) {
  const verifyClient = ({ req }: { readonly req: IncomingMessage }) => access.allows(req);
  const browsers = new WebSocketServer({ server, path: `${WEBHOOKS}/live`, maxPayload: 1024, verifyClient });
  /** The newest order that browsers were told of. */
  let told = table.newest();
  let looking: NodeJS.Immediate | null = null;

  // #region live
  /** What came after what the browser has. Told from now on, too: it may get an order twice, and knows it by its id. */
  browsers.on('connection', (socket, { url = '' }) => {
    socket.on('error', () => socket.terminate());
    const seen = Number(new URLSearchParams(url.split('?')[1]).get('after')) || 0;
    send(socket, JSON.stringify(table.after(Math.max(seen, table.newest() - ORDERS_MAX), ORDERS_MAX)));
  });

  /** Something may be in the table that was not. However often it is called, it looks once a turn of the event loop. */
  function look(): void {
    looking ??= setImmediate(() => {
      looking = null;
      const orders = table.after(told, ORDERS_MAX);
      if (orders.length === 0) return;
      told = orders.at(-1)?.id ?? told;
      const text = JSON.stringify(orders);
      for (const socket of browsers.clients) send(socket, text);
      look(); // there may be more of them
    });
  }
  // #endregion

  const close = (): void => browsers.clients.forEach((socket) => socket.close(1001, 'The desk is closing.'));
  return { look, close };
}

function send(socket: WebSocket, text: string): void {
  if (socket.readyState !== WebSocket.OPEN) return;
  if (socket.bufferedAmount > BUFFERED_BYTES_MAX) socket.terminate();
  else socket.send(text);
}
