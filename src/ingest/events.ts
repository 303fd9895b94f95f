/** Events from a request that has been verified: one, or one per element of a body that is split. */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { StoredEvent } from '../core/event.ts';
import { formatId, type IdMaker } from '../core/id.ts';
import type { VerifyRequest } from '../verify/verifier.ts';
import type { Intake } from './intake.ts';
import { type Read, RequestInput } from './read.ts';
import { elementSpans } from './scan.ts';
import { correlationOf, makeTraceparent, traceparentOf } from './trace.ts';

/** A request as every adapter hands it to ingest. */
export interface IngestRequest extends VerifyRequest {
  /** After trusted proxies; '' where the host does not give it. */
  readonly remoteAddress: string;
}

/** Most events that one request may become. */
export const SPLIT_MAX = 10_000;
const OPEN_ARRAY = 0x5b;
const UNFIT_CHARS_MAX = 1000;
const ISSUES_MAX = 5;

/** Why a request cannot become events. */
export type NotEvents = 'split_not_array' | 'body_too_large';

/** What will become events: the whole request, or the elements of the array it is split into. */
export function inputsOf({ split, finder }: Intake, request: IngestRequest): RequestInput[] | NotEvents {
  const { headers, body } = request;
  const query = queryOf(request.url);
  const whole = new RequestInput({ headers, query, body, finder });
  if (split === null) return [whole];
  // Parsed whole once: what is stored as the elements of an array is an array, and is JSON.
  if (whole.json === undefined) return 'split_not_array';
  const [start = -1, end = -1] = split.find(body);
  if (start < 0 || body[start] !== OPEN_ARRAY) return 'split_not_array';
  const array = body.subarray(start, end);
  const spans = elementSpans(array);
  if (spans.length > SPLIT_MAX * 2) return 'body_too_large';
  const inputs: RequestInput[] = [];
  for (let index = 0; index + 1 < spans.length; index += 2) {
    // A copy: a slice would keep the whole body in memory as long as one of its elements.
    const element = Buffer.from(array.subarray(spans[index], spans[index + 1]));
    inputs.push(new RequestInput({ headers, query, body: element, finder }));
  }
  return inputs;
}

export interface EventOptions {
  readonly ids: IdMaker;
  readonly receivedAt: number;
  /** Why each input does not fit the source's schema; `null`: there is none. */
  readonly unfit: readonly (string | null)[] | null;
}

export function makeEvents(
  { intake, request }: { readonly intake: Intake; readonly request: IngestRequest },
  inputs: readonly RequestInput[],
  options: EventOptions,
): StoredEvent[] {
  const { ids, receivedAt, unfit } = options;
  const { url, method } = request;
  const mark = url.indexOf('?');
  const path = intake.redactPath(mark < 0 ? url : url.slice(0, mark));
  const query = intake.redactQuery(mark < 0 ? '' : url.slice(mark + 1));
  const headers = intake.redactHeaders(request.headers);
  let correlationId = correlationOf(headers);
  let traceparent = traceparentOf(headers);
  const events: StoredEvent[] = [];
  for (let index = 0; index < inputs.length; index++) {
    const input = inputs[index];
    if (input === undefined) break;
    const bytes = ids.bytes();
    const id = formatId('evt', bytes);
    correlationId ??= id;
    traceparent ??= makeTraceparent(bytes);
    const keys = new Keys(intake, input);
    events.push({
      id,
      source: intake.source.name,
      type: keys.type ?? '',
      tenant: keys.tenant,
      dedupeKey: keys.dedupeKey,
      orderKey: keys.orderKey,
      receivedAt,
      method,
      path,
      query,
      headers,
      body: input.body,
      correlationId,
      traceparent,
      unfit: keys.problem ?? unfit?.[index] ?? null,
      duplicateOf: null,
    });
  }
  return events;
}

/** The values read of one input. What a reader throws makes the event unfit: it is stored and seen, not lost. */
class Keys {
  problem: string | null = null;
  readonly type: string | null;
  readonly tenant: string | null;
  readonly dedupeKey: string | null;
  readonly orderKey: string | null;

  constructor(intake: Intake, input: RequestInput) {
    this.type = intake.type === null ? null : this.#read(intake.type, input);
    this.tenant = intake.tenant === null ? null : this.#read(intake.tenant, input);
    this.dedupeKey = intake.dedupeKey === null ? null : this.#read(intake.dedupeKey, input);
    this.orderKey = intake.orderKey === null ? null : this.#read(intake.orderKey, input);
  }

  #read(read: Read, input: RequestInput): string | null {
    try {
      return read(input);
    } catch (error) {
      this.problem = cut(`A reader threw: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  }
}

/** Why each input does not fit; `null` where it does. */
export function judge(schema: StandardSchemaV1, inputs: readonly RequestInput[]): Promise<(string | null)[]> {
  return Promise.all(inputs.map((input) => unfitOf(schema, input)));
}

async function unfitOf(schema: StandardSchemaV1, input: RequestInput): Promise<string | null> {
  const { json, form } = input;
  if (json === undefined && form === undefined) return 'The body is not JSON.';
  try {
    // What a handler is given: a form by its type, whatever else its bytes could be read as; `null` as it is.
    const result = await schema['~standard'].validate(form === undefined ? json : Object.fromEntries(form));
    return result.issues === undefined ? null : cut(issuesText(result.issues));
  } catch (error) {
    return cut(`The schema threw: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function issuesText(issues: readonly StandardSchemaV1.Issue[]): string {
  const lines = issues.slice(0, ISSUES_MAX).map(({ message, path }) => {
    const where = (path ?? []).map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
    return where === '' ? message : `${where}: ${message}`;
  });
  if (issues.length > ISSUES_MAX) lines.push(`and ${issues.length - ISSUES_MAX} more`);
  return lines.join('; ') || 'It does not fit.';
}

function cut(text: string): string {
  return text.length <= UNFIT_CHARS_MAX ? text : `${text.slice(0, UNFIT_CHARS_MAX - 1)}…`;
}

function queryOf(url: string): string {
  const mark = url.indexOf('?');
  return mark < 0 ? '' : url.slice(mark + 1);
}
