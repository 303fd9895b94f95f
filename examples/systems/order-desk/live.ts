/** Orders to browsers as they come. The table is what is true; a browser that was away says what it has, and gets the rest. */
import type { IncomingMessage, Server } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';
import type { OrderTable } from './table.ts';

/** Most orders that a page is given at once; older ones it does without. */
const ORDERS_MAX = 200;
/** A browser that has so much yet to read, or is gone, is let go: it comes back and asks for what it missed. */
const BUFFERED_BYTES_MAX = 1_048_576;

export class Live {
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: 1024 });
  readonly #table: OrderTable;
  /** The newest order that browsers were told of. */
  #told: number;
  #looking = false;

  constructor(table: OrderTable) {
    this.#table = table;
    this.#told = table.newest;
  }

  /** Takes the upgrades of one path, where `allowed`. */
  attach(server: Server, path: string, allowed: (request: IncomingMessage) => boolean): void {
    server.on('upgrade', (request, socket, head) => {
      socket.on('error', () => socket.destroy());
      // Not `new URL`, which throws at what anybody may send.
      const [asked = '', query = ''] = (request.url ?? '').split('?', 2);
      const after = new URLSearchParams(query).get('after');
      if (asked !== path || !allowed(request)) socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
      else this.#server.handleUpgrade(request, socket, head, (opened) => this.#opened(opened, after));
    });
  }

  // #region live
  /** What came after what the browser has. Told from now on, too: it may get an order twice, and knows it by its id. */
  #opened(socket: WebSocket, after: string | null): void {
    socket.on('error', () => socket.terminate());
    const from = Math.max(Number(after) || 0, this.#table.newest - ORDERS_MAX);
    send(socket, JSON.stringify(this.#table.after(from, ORDERS_MAX)));
  }

  /** Something may be in the table that was not. However often it is called, it looks once a turn of the event loop. */
  look(): void {
    if (this.#looking) return;
    this.#looking = true;
    setImmediate(() => {
      this.#looking = false;
      const orders = this.#table.after(this.#told, ORDERS_MAX);
      if (orders.length === 0) return;
      this.#told = orders.at(-1)?.id ?? this.#told;
      const text = JSON.stringify(orders);
      for (const socket of this.#server.clients) send(socket, text);
      this.look(); // there may be more of them
    });
  }
  // #endregion

  close(): void {
    for (const socket of this.#server.clients) socket.close(1001, 'The desk is closing.');
  }
}

function send(socket: WebSocket, text: string): void {
  if (socket.readyState !== WebSocket.OPEN) return;
  if (socket.bufferedAmount > BUFFERED_BYTES_MAX) socket.terminate();
  else socket.send(text);
}
