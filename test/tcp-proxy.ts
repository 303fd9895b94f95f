/** A TCP proxy that a test can cut: between a client and its server, at the moment that matters. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export class TcpProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Whether what the server says is lost, and the connection with it. */
  #deaf = false;
  #lost: (() => void)[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(port: number): Promise<TcpProxy> {
    const server = createServer();
    const proxy = new TcpProxy(server);
    server.on('connection', (client) => proxy.#join(client, port));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** From now on requests still reach the server, and its next word on any connection ends that connection unheard. */
  loseReplies(): Promise<void> {
    this.#deaf = true;
    return new Promise((resolve) => this.#lost.push(resolve));
  }

  /** New connections are good again. */
  heal(): void {
    this.#deaf = false;
  }

  /** Ends every connection now. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket, port: number): void {
    const server = connect(port, '127.0.0.1');
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', end);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    client.on('data', (bytes) => void server.write(bytes));
    server.on('data', (bytes) => {
      if (!this.#deaf) {
        client.write(bytes);
        return;
      }
      end();
      for (const resolve of this.#lost.splice(0)) resolve();
    });
  }
}
