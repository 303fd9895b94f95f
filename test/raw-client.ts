/** A client that sends exactly these bytes, and reads what comes back. */
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface RawResult {
  readonly answers: readonly RawAnswer[];
  /** Whether the other side ended the connection. */
  readonly ended: boolean;
}

export type Send = string | Uint8Array | ((socket: Socket) => void);

export interface RawOptions {
  /** Stop once so many answers are whole. Default 1; `Infinity`: only when the connection ends. */
  readonly answers?: number;
}

/** Sends, and resolves when the answers are there or the connection has ended. */
export function sendRaw(port: number, send: Send, { answers: wanted = 1 }: RawOptions = {}): Promise<RawResult> {
  const { promise, resolve } = Promise.withResolvers<RawResult>();
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  let received = Buffer.alloc(0);
  let ended = false;
  const finish = (): void => {
    socket.destroy();
    resolve({ answers: parse(received), ended });
  };
  // A reset after the answer ends the connection just as well.
  socket.on('error', () => (ended = true));
  socket.on('end', () => ((ended = true), finish()));
  socket.on('close', finish);
  socket.on('data', (piece) => {
    received = Buffer.concat([received, piece]);
    const answers = parse(received);
    const last = answers.at(-1);
    // One that announces the end of the connection is waited for until it comes.
    if (answers.length >= wanted && last?.headers.get('connection') !== 'close') finish();
  });
  socket.on('connect', () => {
    if (typeof send === 'function') send(socket);
    else socket.write(send);
  });
  return promise;
}

/** The whole answers in the bytes. */
function parse(bytes: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf('\r\n\r\n', at);
    if (end < 0) break;
    const [line = '', ...lines] = bytes.toString('latin1', at, end).split('\r\n');
    const headers = new Map(
      lines.map((text) => [text.slice(0, text.indexOf(':')).toLowerCase(), text.slice(text.indexOf(':') + 2)]),
    );
    const length = Number(headers.get('content-length') ?? 0);
    if (end + 4 + length > bytes.length) break;
    answers.push({
      status: Number(line.split(' ')[1]),
      headers,
      body: bytes.toString('utf8', end + 4, end + 4 + length),
    });
    at = end + 4 + length;
  }
  return answers;
}

/** A request from its lines and body; `Host` is there unless the lines are given whole. */
export function request(lines: readonly string[], body: string | Uint8Array = ''): Buffer {
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body as Uint8Array)]);
}

/** A POST with these headers besides Host. */
export function post(path: string, headers: readonly string[] = [], body: string | Uint8Array = ''): Buffer {
  return request([`POST ${path} HTTP/1.1`, 'Host: gateway.test', ...headers], body);
}
