/** The live stream of a gateway on the terminal. */
import { WebSocket } from 'ws';
import { HoldfastError } from '../errors.ts';
import { refusedToken } from './client.ts';
import type { StreamOccurrence } from '../observe/stream.ts';
import type { Surroundings } from './command.ts';
import { exitCodes } from './exit.ts';
import type { Address } from './locate.ts';
import { Story } from './story.ts';

interface Following extends Surroundings {
  readonly options: {
    readonly json: boolean;
    readonly source?: string | undefined;
    readonly type?: string | undefined;
    readonly tenant?: string | undefined;
    readonly 'correlation-id'?: string | undefined;
  };
}

/** A frame of the stream; its times are ISO 8601. */
interface Frame {
  readonly occurrences: readonly (Readonly<Record<string, unknown>> & { readonly at: string })[];
  readonly missed: number;
}

/**
 * Shows what happens until Ctrl-C (exit code 0) or until the gateway ends the stream (3).
 * @throws HoldfastError gateway_unreachable, unauthorized
 */
export async function follow(invocation: Following, address: Address | null): Promise<number> {
  const { out, options } = invocation;
  const story = new Story(out);
  const show = (frame: Frame): void => {
    for (const occurrence of frame.occurrences) {
      if (!wanted(options, occurrence)) continue;
      if (options.json) out.json(occurrence);
      else story.tell({ ...occurrence, at: Date.parse(occurrence.at) } as unknown as StreamOccurrence);
    }
    if (frame.missed > 0) out.note(`${frame.missed} occurrences were missed: they came too fast.`);
  };
  const socket = await openStream(address, { source: options.source });
  out.note(out.paintNote('dim', 'Following; Ctrl-C ends.'));
  const signal = invocation.interruptible();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => socket.close());
    socket.on('message', (data: Buffer) => show(JSON.parse(data.toString('utf8')) as Frame));
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      story.flush();
      if (!signal.aborted) out.note('The gateway ended the stream.');
      resolve(signal.aborted ? exitCodes.ok.code : exitCodes.unreachable.code);
    });
  });
}

/** By what the stream itself does not pick by. */
function wanted(options: Following['options'], occurrence: Frame['occurrences'][number]): boolean {
  const { type, tenant, 'correlation-id': correlationId } = options;
  return (
    (type === undefined || occurrence['type'] === type) &&
    (tenant === undefined || occurrence['tenant'] === tenant) &&
    (correlationId === undefined || occurrence['correlationId'] === correlationId)
  );
}

/**
 * A connection to the live stream, open.
 * @throws HoldfastError gateway_unreachable, unauthorized, forbidden
 */
export function openStream(
  address: Address | null,
  query: Readonly<Record<string, string | undefined>>,
): Promise<WebSocket> {
  if (address === null) throw new HoldfastError('gateway_unreachable', { detail: 'No gateway runs here.' });
  const url = new URL(`${address.adminUrl.replace(/^http/, 'ws')}/api/stream`);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
  const headers = address.token === null ? {} : { authorization: `Bearer ${address.token.text}` };
  const socket = new WebSocket(url, ['holdfast.stream'], { headers, handshakeTimeout: 10_000 });
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    socket.once('unexpected-response', (_request, response) => {
      socket.terminate();
      const { statusCode } = response;
      const code = statusCode === 401 ? 'unauthorized' : statusCode === 403 ? 'forbidden' : 'gateway_unreachable';
      const detail = statusCode === 401 ? refusedToken(address.token) : `${url.host} answered ${statusCode}.`;
      reject(new HoldfastError(code, { detail }));
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      reject(
        new HoldfastError('gateway_unreachable', {
          detail: `${url.host}: ${error.code ?? error.message}`,
          cause: error,
        }),
      );
    });
  });
}
