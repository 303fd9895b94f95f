/** Which requests to simulate for a source: what `simulate` and load tests hand to `sendLoad` as `make`. */
import type { Source } from '../../ingest/source.ts';
import type { UnsignedRequest } from '../../verify/verifier.ts';
import { genericPayload, type Payload, payloads } from './payloads.ts';
import { type Draft, type Template, templateOf, unsigned, withType } from './template.ts';

/** What of a source decides how its requests look. */
export type SimulatedSource = Pick<Source, 'name' | 'path' | 'verifier' | 'type' | 'dedupeKey' | 'split'>;

export interface PlanOptions {
  readonly source: SimulatedSource;
  /** Path to send to, where it is not the source's. */
  readonly path?: string;
  /** Event type; `null`: the provider's mix, else `holdfast.test`. */
  readonly type: string | null;
  /** Sent instead of the provider's payloads; the first request has it byte for byte, unless a type is given. */
  readonly payload: Payload | null;
  /** Added to every request: name, value, name, value… */
  readonly headers: readonly string[];
  /** Text that no other run has, for keys. */
  readonly run: string;
}

const TYPE = 'holdfast.test';

/** Makes request number `index`, each with a dedupe key of its own. */
export function makerOf(options: PlanOptions): (index: number) => UnsignedRequest {
  const { source, payload, run } = options;
  const path = options.path ?? source.path;
  const drafts = payload === null ? draftsOf(options) : [fileDraft(options, payload)];
  const templates = drafts.map((draft): Template => templateOf(draft, source.dedupeKey, source.split));
  const [first] = drafts;
  return (index) => {
    if (index === 0 && payload !== null && first !== undefined) return unsigned(first, 'POST', path);
    const template = templates[index % templates.length];
    if (template === undefined) throw new RangeError('a provider has at least one payload');
    return unsigned(template(`sim_${run}_${index}`), 'POST', path);
  };
}

/** The payloads in the order they are sent; request n has the one at n modulo their number. */
function draftsOf(options: PlanOptions): readonly Draft[] {
  const { source, type } = options;
  const own = payloads[source.name] ?? payloads[source.verifier.name];
  const types = type !== null ? [type] : (own?.mix ?? [TYPE]);
  const made = new Map<string, Draft>();
  return types.map((name) => {
    const draft = made.get(name) ?? typed(draftOf(own?.types[name] ?? genericPayload(name), options), options, name);
    made.set(name, draft);
    return draft;
  });
}

function fileDraft(options: PlanOptions, payload: Payload): Draft {
  const draft = draftOf(payload, options);
  return options.type === null ? draft : typed(draft, options, options.type);
}

function typed(draft: Draft, { source }: PlanOptions, name: string): Draft {
  return withType(draft, source.type, { name, split: source.split });
}

function draftOf(payload: Payload, { headers, source }: PlanOptions): Draft {
  const { body } = payload;
  const bytes = typeof body === 'string' ? Buffer.from(inSplit(body, source.split)) : Buffer.from(body);
  return {
    contentType: payload.contentType,
    headers: [...(payload.headers ?? []), ...headers],
    query: '',
    body: bytes,
  };
}

/** A generic event where the source expects an array of them. */
function inSplit(body: string, split: string | null): string {
  if (split === null || body.startsWith('[')) return body;
  const steps = split === '' ? [] : split.split('.');
  return steps.reduceRight((inner, step) => `{${JSON.stringify(step)}:${inner}}`, `[${body}]`);
}
