/** A TCP proxy that a test can cut: between a client and its server, at the moment that matters. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { reset } from './reset.ts';

/** The request whose connection is to break, once. */
export interface Cut {
  /** What a client said first on that connection. */
  readonly of: string;
  /** What is in the request. */
  readonly text: string;
  /** Before the server has it, or after, with the reply lost. */
  readonly when: 'before' | 'after';
}

export class TcpProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port: number;
  /** Whether what the server says is lost, and the connection with it. */
  #deaf = false;
  #lost: (() => void)[] = [];
  #cut: Cut | null = null;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.#port = port;
  }

  static async start(port: number): Promise<TcpProxy> {
    // Else what comes in pieces waits for acknowledgements: 40 ms each time.
    const server = createServer({ noDelay: true });
    const proxy = new TcpProxy(server, port);
    server.on('connection', (client) => proxy.#join(client));
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

  /** Breaks one connection at this request, and leaves all others alone. */
  cutAt(cut: Cut): void {
    this.#cut = cut;
  }

  /** New connections are good again. */
  heal(): void {
    this.#deaf = false;
  }

  /** New connections lead to another server; those there are stay. */
  lead(port: number): void {
    this.#port = port;
  }

  /** Ends every connection now. */
  cut(): void {
    for (const socket of this.#sockets) reset(socket);
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket): void {
    const server = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
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
    let first: string | null = null;
    let deaf = false;
    client.on('data', (bytes) => {
      first ??= bytes.toString('latin1');
      const cut = this.#cut;
      if (cut !== null && first.includes(cut.of) && bytes.includes(cut.text)) {
        this.#cut = null;
        if (cut.when === 'before') return end();
        deaf = true;
      }
      server.write(bytes);
    });
    server.on('data', (bytes) => {
      if (!this.#deaf && !deaf) {
        client.write(bytes);
        return;
      }
      end();
      for (const resolve of this.#lost.splice(0)) resolve();
    });
  }
}
