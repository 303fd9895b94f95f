/** A proxy before a MongoDB server that knows where a request begins and ends, and what becomes of each. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { reset } from './reset.ts';

/**
 * `pass`: it reaches the server, and the reply the client. `unheard`: it reaches the server, and the reply ends the
 * connection. `dropped`: neither. `held`: the connection ends for the client, and the request reaches the server when
 * {@link MongoProxy.release} lets it.
 */
export type Fate = 'pass' | 'unheard' | 'dropped' | 'held';

/** Commits an entry of the log. */
export function isCommit(request: string): boolean {
  return request.includes('insert\0') && request.includes('holdfast_log\0');
}

/** Writes anything. */
export function isWrite(request: string): boolean {
  return ['insert', 'update', 'delete'].some((command) => request.includes(`\x02${command}\0`));
}

export class MongoProxy {
  /** What becomes of a request, by its bytes as latin-1 text. */
  fate: (request: string) => Fate = () => 'pass';
  /** How long a request is on its way to the server. */
  delayMs = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #held: { readonly server: Socket; readonly request: Buffer }[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Before the server that this URL names. */
  static async start(url: string): Promise<MongoProxy> {
    // Else what comes in pieces waits for acknowledgements: 40 ms each time.
    const server = createServer({ noDelay: true });
    const proxy = new MongoProxy(server);
    server.on('connection', (client) => proxy.#join(client, Number(new URL(url).port)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    return `mongodb://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  /** Ends every connection now. */
  cut(): void {
    for (const socket of this.#sockets) reset(socket);
  }

  /** Lets the requests that were held reach the server, and waits for its replies, which nobody hears. */
  async release(): Promise<void> {
    for (const { server, request } of this.#held.splice(0)) {
      server.write(request);
      await once(server, 'data');
      server.destroy();
    }
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket, port: number): void {
    const server = connect({ port, host: '127.0.0.1', noDelay: true });
    let isHeld = false;
    let isUnheard = false;
    const end = (): void => {
      client.destroy();
      if (!isHeld) server.destroy();
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', end);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    forEachMessage(client, (request) => {
      const fate = isHeld ? 'dropped' : this.fate(request.toString('latin1'));
      isUnheard ||= fate === 'unheard';
      if (fate === 'pass' || fate === 'unheard') setTimeout(() => server.write(request), this.delayMs);
      if (fate !== 'held') return;
      isHeld = true;
      this.#held.push({ server, request });
      reset(client);
    });
    server.on('data', (bytes) => {
      if (isUnheard) end();
      else if (!isHeld) client.write(bytes);
    });
  }
}

/** A message begins with its length in bytes. */
function forEachMessage(socket: Socket, run: (message: Buffer) => void): void {
  let waiting = Buffer.alloc(0);
  socket.on('data', (bytes: Buffer) => {
    waiting = Buffer.concat([waiting, bytes]);
    while (waiting.length >= 4 && waiting.length >= waiting.readInt32LE(0)) {
      const length = waiting.readInt32LE(0);
      run(waiting.subarray(0, length));
      waiting = waiting.subarray(length);
    }
  });
}
