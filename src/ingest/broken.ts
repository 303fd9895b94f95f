/** Answers on a bare socket: to what is no HTTP request, or came too slowly to become one. */
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../core/clock.ts';
import type { ErrorCode } from '../errors.ts';
import type { IngestPorts } from './ports.ts';
import { endSoon, type IngestSocket } from './refusing.ts';
import { problemReply, type Reply } from './reply.ts';

/** What Node's parser and timers call what went wrong, and how it is answered. All else: 400. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'body_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/** Answers what is no request, and ends the connection. */
export function answerBroken(ports: IngestPorts, error: NodeJS.ErrnoException, socket: IngestSocket): void {
  const { code = '' } = error;
  // Every further piece of it comes here again.
  if (socket.broken === true) return;
  socket.broken = true;
  if (!socket.writable || code === 'ECONNRESET' || code === 'EPIPE' || socket.bytesRead === 0) {
    socket.destroy();
    return;
  }
  if (socket.quiet === true) {
    endSoon(ports.clock, socket);
    return;
  }
  const answer = CODES[code] ?? 'bad_request';
  ports.observer.rejected('', 'limits', answer);
  // Requests that came before it are answered first, and the last of these answers ends the connection.
  if ((socket.unanswered ?? 0) > 0) return;
  const detail = answer === 'bad_request' && code.startsWith('HPE_') ? `The parser says ${code}.` : undefined;
  answerRaw(ports.clock, socket, problemReply(answer, { detail }));
}

/** Writes an answer, and ends the connection once the other side has had time to read it. */
export function answerRaw(clock: Clock, socket: Duplex, { status, headers, body }: Reply): void {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
  for (let index = 0; index + 1 < headers.length; index += 2) head += `${headers[index]}: ${headers[index + 1]}\r\n`;
  socket.on('error', () => socket.destroy());
  socket.write(`${head}Connection: close\r\n\r\n`, 'latin1');
  socket.write(body);
  socket.resume();
  endSoon(clock, socket);
}
