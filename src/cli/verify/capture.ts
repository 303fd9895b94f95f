/**
 * A captured request, read from a file: raw HTTP as it went over the wire, or a rejection as the admin API gives it
 * (`GET /api/rejections/rej_…`).
 */
import { z } from 'zod';
import type { VerifyRequest } from '../../verify/verifier.ts';
import { UsageError } from '../exit.ts';

export interface Captured {
  readonly request: VerifyRequest;
  /** When it was received, where the file says so: milliseconds since 1970. */
  readonly receivedAt: number | null;
  /** What in the file may not be what was sent. */
  readonly doubts: readonly string[];
}

const rejection = z.object({
  method: z.string(),
  path: z.string(),
  query: z.string().default(''),
  headers: z.array(z.object({ name: z.string(), value: z.string() })),
  bodyText: z.string().nullable(),
  bodyBytes: z.number().int().optional(),
  receivedAt: z.iso.datetime({ offset: true }).optional(),
  remoteAddress: z.string().optional(),
  verifiable: z.boolean().default(true),
});

/** @throws UsageError when the bytes are neither */
export function readCapture(bytes: Buffer): Captured {
  return /^\s*\{/.test(bytes.toString('latin1', 0, 256)) ? fromRejection(bytes) : fromHttp(bytes);
}

function fromRejection(bytes: Buffer): Captured {
  const { data } = rejection.safeParse(parseJson(bytes));
  if (data === undefined) {
    throw new UsageError(
      '--request: the JSON is no rejection: expected method, path, headers [{ name, value }] and bodyText, as GET /api/rejections/rej_… answers.',
    );
  }
  if (data.bodyText === null) {
    throw new UsageError(
      '--request: this rejection has no bodyText (it is no text, or too long): capture it as raw HTTP.',
    );
  }
  const body = Buffer.from(data.bodyText);
  const doubts: string[] = [];
  if (!data.verifiable)
    doubts.push('A credential of this request was redacted when it was kept: it cannot verify again.');
  if (data.bodyBytes !== undefined && data.bodyBytes !== body.length) {
    doubts.push(`The body had ${data.bodyBytes} bytes, and its text has ${body.length}: it was no UTF-8.`);
  }
  return {
    request: {
      method: data.method,
      url: data.query === '' ? data.path : `${data.path}?${data.query}`,
      headers: data.headers.flatMap(({ name, value }) => [name, value]),
      body,
      ...(data.remoteAddress !== undefined && { remoteAddress: data.remoteAddress }),
    },
    receivedAt: data.receivedAt === undefined ? null : Date.parse(data.receivedAt),
    doubts,
  };
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

const REQUEST_LINE = /^([A-Z]{2,20}) (\S+)(?: HTTP\/\d(?:\.\d)?)?$/;
const HEADER_LINE = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/;

function fromHttp(bytes: Buffer): Captured {
  const end = /\r?\n\r?\n/.exec(bytes.toString('latin1'));
  const head = bytes.toString('latin1', 0, end?.index ?? bytes.length).split(/\r?\n/);
  const [first = '', ...lines] = head.filter((line) => line !== '');
  const [, method, url] = REQUEST_LINE.exec(first) ?? [];
  if (method === undefined || url === undefined) {
    throw new UsageError(`--request: the first line is no request line: expected 'POST /path HTTP/1.1'.`);
  }
  const headers = lines.flatMap((line, index) => {
    const [, name, value] = HEADER_LINE.exec(line) ?? [];
    if (name !== undefined && value !== undefined) return [name, value];
    throw new UsageError(
      `--request: line ${index + 2} is no header: expected 'Name: value', and a blank line before the body.`,
    );
  });
  const rest = end === null ? Buffer.alloc(0) : bytes.subarray(end.index + end[0].length);
  const { body, doubts } = asLong(rest, lengthOf(headers));
  return { request: { method, url, headers, body }, receivedAt: null, doubts };
}

/** What `Content-Length` says; `null` where there is none. */
function lengthOf(headers: readonly string[]): number | null {
  const at = headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'content-length');
  const text = at < 0 ? '' : (headers[at + 1] ?? '');
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** The body without the line break that an editor puts at the end of a file, where the length tells. */
function asLong(rest: Buffer, length: number | null): { readonly body: Buffer; readonly doubts: readonly string[] } {
  if (length === null || length === rest.length) return { body: rest, doubts: [] };
  const more = rest.subarray(length).toString('latin1');
  if (length < rest.length && /^[\r\n]+$/.test(more)) return { body: rest.subarray(0, length), doubts: [] };
  const doubt = `Content-Length says ${length} bytes, and the body in the file has ${rest.length}: it is not what was sent.`;
  return { body: rest, doubts: [doubt] };
}
