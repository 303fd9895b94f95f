/** Which requests to simulate for a source: what `simulate` and load tests hand to `sendLoad` as `make`. */
import type { Source } from '../../ingest/source.ts';
import { findProvider } from '../../verify/catalog.ts';
import type { SourceDefaults, UnsignedRequest } from '../../verify/verifier.ts';
import { demo, genericPayload } from './payloads/demo.ts';
import { Draw } from './payloads/draw.ts';
import { payloadOf, payloads } from './payloads/index.ts';
import type { Make, Payload, ProviderPayloads } from './payloads/payload.ts';
import { type Draft, templateOf, unsigned, withType } from './template.ts';

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
  /** What the provider sends at once about one user, over and over; then there is no type. Default `false`. */
  readonly together?: boolean;
  /** Added to every request: name, value, name, value… */
  readonly headers: readonly string[];
  /** Text that no other run has, for keys. */
  readonly run: string;
  /** Milliseconds since 1970: when what is told happened. */
  readonly now: () => number;
}

const TYPE = 'holdfast.test';

/** Makes request number `index` before it is laid out for its way. */
type DraftMaker = (index: number) => Draft;

/** Makes request number `index`, each with a dedupe key of its own. */
export function makerOf(options: PlanOptions): (index: number) => UnsignedRequest {
  const { source, payload } = options;
  const path = options.path ?? source.path;
  if (payload !== null) return fileMaker(options, payload, path);
  const own = payloadsOf(source);
  const types = options.type !== null ? [options.type] : typesOf(own, options.together === true);
  const makers = new Map(types.map((type) => [type, draftMaker(options, own, type)]));
  return (index) => {
    const make = makers.get(types[index % types.length] ?? '');
    if (make === undefined) throw new RangeError('a provider has at least one payload');
    return unsigned(make(index), 'POST', path);
  };
}

/** How many requests a provider sends at once about one user; `null` where nothing of that kind is known. */
export function togetherCount(source: SimulatedSource): number | null {
  return payloadsOf(source)?.together?.length ?? null;
}

function typesOf(own: ProviderPayloads | undefined, together: boolean): readonly string[] {
  if (own === undefined) return [TYPE];
  return (together ? own.together : own.mix) ?? Object.keys(own.types);
}

/** The payloads of the source's provider, else of the provider it is named after. */
function payloadsOf(source: SimulatedSource): ProviderPayloads | undefined {
  if (source.name === 'demo') return demo;
  return payloads[providerOf(source) ?? ''];
}

/** `stripe` of a verifier that is it, or has it inside: `ipAllowList(stripe)`. */
function providerOf({ name, verifier }: SimulatedSource): string | undefined {
  const names = [...(verifier.name.match(/[\w-]+/g) ?? []), name];
  return names.find((key) => Object.hasOwn(payloads, key));
}

function draftMaker(options: PlanOptions, own: ProviderPayloads | undefined, type: string): DraftMaker {
  const found = own === undefined ? undefined : payloadOf(own, type);
  if (typeof found === 'function') return drawing(options, found, type);
  if (found !== undefined) return filling(options, found, type);
  const payload = inSplit(genericPayload(type), options.source.split);
  const make = filling(options, payload, type);
  if (!/^(?:header|query)\./.test(String(options.source.dedupeKey))) return make;
  // The key goes elsewhere: the body's own id is one too.
  const named = filling({ ...options, source: { ...options.source, dedupeKey: 'body.id' } }, payload, type);
  return (index) => ({ ...make(index), body: named(index).body });
}

/** A payload that is always the same, with its dedupe key put into it: laid out once. */
function filling(options: PlanOptions, payload: Payload, type: string): DraftMaker {
  const { source, run } = options;
  const template = templateOf(typed(draftOf(payload, options), options, type), source.dedupeKey, source.split);
  return (index) => template(keyOf(run, index));
}

/** A payload that is drawn anew, ids and all. Type and key are put where a source reads them elsewhere than its provider. */
function drawing(options: PlanOptions, make: Make, type: string): DraftMaker {
  const { source, run } = options;
  const defaults: SourceDefaults = findProvider(providerOf(source) ?? '')?.defaults ?? {};
  const readsType = source.type !== (defaults.type ?? null);
  const readsKey = source.dedupeKey !== (defaults.dedupeKey ?? null);
  const size = options.together === true ? (togetherCount(source) ?? 1) : 1;
  return (index) => {
    const subject = `${run}/${Math.floor(index / size)}`;
    const payload = make(new Draw({ seed: `${run}/${index}`, subject, type, at: options.now() }));
    const draft = draftOf(payload, options);
    const ready = readsType ? typed(draft, options, type) : draft;
    return readsKey ? templateOf(ready, source.dedupeKey, source.split)(keyOf(run, index)) : ready;
  };
}

/** A file as it is, and then with other keys. */
function fileMaker(options: PlanOptions, payload: Payload, path: string): (index: number) => UnsignedRequest {
  const { source, run, type } = options;
  const draft = type === null ? draftOf(payload, options) : typed(draftOf(payload, options), options, type);
  const template = templateOf(draft, source.dedupeKey, source.split);
  return (index) => unsigned(index === 0 ? draft : template(keyOf(run, index)), 'POST', path);
}

const keyOf = (run: string, index: number): string => `sim_${run}_${index}`;

function typed(draft: Draft, { source }: PlanOptions, name: string): Draft {
  return withType(draft, source.type, { name, split: source.split });
}

function draftOf(payload: Payload, { headers }: PlanOptions): Draft {
  const { contentType, body } = payload;
  return {
    contentType,
    headers: [...(payload.headers ?? []), ...headers],
    query: '',
    body: typeof body === 'string' ? Buffer.from(body) : Buffer.from(body),
  };
}

/** A generic event where the source expects an array of them. */
function inSplit(payload: Payload, split: string | null): Payload {
  if (split === null || typeof payload.body !== 'string') return payload;
  const steps = split === '' ? [] : split.split('.');
  const body = steps.reduceRight((inner, step) => `{${JSON.stringify(step)}:${inner}}`, `[${payload.body}]`);
  return { ...payload, body };
}
