/** Talks to the admin API, over HTTP or within the process: the commands cannot tell which. */
import { userInfo } from 'node:os';
import { type ErrorCode, errorCodes, HoldfastError } from '../errors.ts';

/** Asks the admin API. */
export type Send = (path: string, init: RequestInit) => Promise<Response>;

/** What is put into a query; `undefined` is left out. */
export type Query = Readonly<Record<string, string | number | undefined>>;

/** What the API is asked with, and where it was found: who is refused wants to know which one it was. */
export interface Token {
  readonly text: string;
  readonly from: string;
}

/** A page of a list. */
export interface Rows<Row> {
  readonly rows: readonly Row[];
  readonly cursor: string | null;
}

/** Most rows of one page. */
const PAGE = 200;

export class Client {
  readonly #send: Send;
  readonly #token: Token | null;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(send: Send, token: Token | null) {
    this.#send = send;
    this.#token = token;
    this.#headers = {
      accept: 'application/json',
      'x-holdfast-by': `cli ${userName()}`,
      ...(token !== null && { authorization: `Bearer ${token.text}` }),
    };
  }

  get<Answer>(path: string, query: Query = {}): Promise<Answer> {
    return this.#json(`${path}${queryText(query)}`, { method: 'GET' });
  }

  post<Answer>(path: string, body?: unknown): Promise<Answer> {
    if (body === undefined) return this.#json(path, { method: 'POST' });
    return this.#json(path, withBody('POST', body));
  }

  patch<Answer>(path: string, body: unknown): Promise<Answer> {
    return this.#json(path, withBody('PATCH', body));
  }

  delete<Answer>(path: string): Promise<Answer> {
    return this.#json(path, { method: 'DELETE' });
  }

  /** The bytes of an answer. */
  async bytes(path: string): Promise<Buffer> {
    return Buffer.from(await (await this.#answer(path, { method: 'GET' })).arrayBuffer());
  }

  /** Up to `limit` rows of a list, page by page. A page may be empty though more follows: only the cursor says. */
  async list<Row>(path: string, query: Query, limit: number): Promise<readonly Row[]> {
    const rows: Row[] = [];
    let cursor: string | undefined;
    while (rows.length < limit) {
      const page = await this.get<Rows<Row>>(path, { ...query, cursor, limit: Math.min(limit - rows.length, PAGE) });
      rows.push(...page.rows);
      if (page.cursor === null) break;
      cursor = page.cursor;
    }
    return rows;
  }

  async #json<Answer>(path: string, init: RequestInit): Promise<Answer> {
    const answer = await this.#answer(path, init);
    // What the API answers is what its schemas say; there is one source of both.
    return (answer.status === 204 ? undefined : await jsonOf(answer)) as Answer;
  }

  async #answer(path: string, init: RequestInit): Promise<Response> {
    const headers = { ...this.#headers, ...(init.headers as Record<string, string> | undefined) };
    const answer = await this.#send(path, { ...init, headers });
    if (answer.ok) return answer;
    throw await errorOf(answer, this.#token);
  }
}

const TIMEOUT_MS = 60_000;

/** Sends over HTTP. Its errors are `gateway_unreachable`. */
export function httpSend(adminUrl: string): Send {
  return async (path, init) => {
    try {
      return await fetch(`${adminUrl}${path}`, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'error' });
    } catch (error) {
      throw new HoldfastError('gateway_unreachable', { detail: `${adminUrl}: ${reasonOf(error)}`, cause: error });
    }
  };
}

async function jsonOf(answer: Response): Promise<unknown> {
  try {
    return await answer.json();
  } catch (error) {
    throw new HoldfastError('gateway_unreachable', { detail: 'What answers there is no Holdfast.', cause: error });
  }
}

/** The error an answer stands for: by its code where it is one of ours. */
async function errorOf(answer: Response, token: Token | null): Promise<HoldfastError> {
  const problem = await problemOf(answer);
  if (problem === null) {
    return new HoldfastError('gateway_unreachable', {
      detail: `What answers there with ${answer.status} is no Holdfast.`,
    });
  }
  const { code, detail } = problem;
  if (code === 'unauthorized') return new HoldfastError(code, { detail: refusedToken(token) });
  // Webhooks are taken there, and the admin API is on a port of its own, or below another path.
  if (code === 'source_not_found') {
    const elsewhere = 'A gateway answers there, but not its admin API: `holdfast start` prints where that is.';
    return new HoldfastError('gateway_unreachable', { detail: elsewhere });
  }
  return new HoldfastError(isCode(code) ? code : 'internal', typeof detail === 'string' ? { detail } : {});
}

/** What is wrong with the token, for whoever has to give another. */
export function refusedToken(token: Token | null): string {
  if (token === null) return 'None was found here: give one with --token-file or HOLDFAST_ADMIN_TOKEN.';
  return `The gateway does not take the one of ${token.from}; --token-file FILE gives another.`;
}

async function problemOf(answer: Response): Promise<{ readonly code: string; readonly detail?: unknown } | null> {
  try {
    const body = (await answer.json()) as { readonly code?: unknown; readonly detail?: unknown } | null;
    return typeof body?.code === 'string' ? { code: body.code, detail: body.detail } : null;
  } catch {
    return null;
  }
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}

function queryText(query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) search.set(name, String(value));
  }
  return search.size === 0 ? '' : `?${search.toString()}`;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  return cause?.code ?? cause?.message ?? error.message;
}

/** Who acts, for the record of pauses and resolutions. */
function userName(): string {
  try {
    return userInfo().username.replaceAll(/[^\x21-\x7e]/g, '?');
  } catch {
    return 'unknown';
  }
}

function withBody(method: string, body: unknown): RequestInit {
  return { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
