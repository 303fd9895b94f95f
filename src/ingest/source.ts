/**
 * What a source is, as the user writes it and as ingest uses it: a path, a verifier, and how to read type and keys.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { type Duration, durationMs } from '../core/duration.ts';
import { EMITTED, OPERATIONAL } from '../core/event.ts';
import { anything, duration, flag, oneOf, optionProblem, positive, type Rule } from '../core/options.ts';
import { HoldfastError } from '../errors.ts';
import { canBeSent } from './reply.ts';
import type { HttpAnswer, Outside, Reader, TypedBody, Verifier } from '../verify/verifier.ts';

/** A source in the config. Everything but `verify` has a default, the provider's own where the verifier knows it. */
export interface SourceConfig<Body = unknown> {
  /** Default `/in/<name>`. Must start with `/`. */
  readonly path?: string;
  /** Who may send. `none()` is an explicit choice. */
  readonly verify: Verifier;
  /**
   * `queued` (default): acknowledge after the commit. `sync`: run `responder` within `deadline`, answer its result. With
   * `split` the request is answered by `answer` once the responder has been run for every element, or at the deadline.
   */
  readonly mode?: 'queued' | 'sync';
  /**
   * The handler whose return value is the answer of a `sync` source; several where each takes other types. Set for a
   * `queued` source too it changes nothing, so that `mode` alone switches.
   */
  readonly responder?: string | readonly string[];
  /** How long a `sync` request waits. Default: 80 % of the provider's own deadline, else 5 s. */
  readonly deadline?: Duration;
  readonly type?: Reader;
  readonly dedupeKey?: Reader;
  readonly orderKey?: Reader;
  readonly tenant?: Reader;
  /** The body (`true`), or the array at this path in it, becomes one event per element, in one commit. */
  readonly split?: boolean | string;
  /** Any Standard Schema. A body that does not fit is stored and shown as such. */
  readonly body?: StandardSchemaV1<unknown, Body>;
  /** Whether a body that does not fit its schema is still routed. Default `false`: stored, owed to nobody. */
  readonly routeUnfit?: boolean;
  /** The answer to an accepted request. Default 200 with `{"id":"evt_…"}`. */
  readonly answer?: HttpAnswer;
  /** How long a dedupe key is remembered. Default 7 days, longer where the provider retries longer. */
  readonly dedupeWindow?: Duration;
  /** Requests per second this source takes, with bursts of as many; more are answered 429. Default: no limit. */
  readonly ratePerS?: number;
}

/** The type of a source's body, for TypeScript only: its schema's, else its verifier's. */
export type SourceBody<Given> = Given extends { readonly body: StandardSchemaV1<unknown, infer Body> }
  ? Body
  : Given extends { readonly verify: infer Proof }
    ? Proof extends Verifier
      ? BodyOfVerifier<Proof>
      : BodyOfVerifier<Given>
    : unknown;

type BodyOfVerifier<Proof> = Proof extends TypedBody<infer Body> ? Body : unknown;

/** A source as ingest uses it: every default filled in, secrets read. */
export interface Source {
  readonly name: string;
  readonly path: string;
  readonly methods: readonly string[];
  readonly verifier: Verifier;
  readonly mode: 'queued' | 'sync';
  /** Names of handlers; empty: none. */
  readonly responders: readonly string[];
  readonly deadlineMs: number;
  readonly type: Reader | null;
  readonly dedupeKey: Reader | null;
  readonly orderKey: Reader | null;
  readonly tenant: Reader | null;
  /** Path of the array to split; `null`: one event per request; `''`: the body itself. */
  readonly split: string | null;
  readonly schema: StandardSchemaV1 | null;
  readonly routeUnfit: boolean;
  readonly answer: HttpAnswer | null;
  readonly dedupeWindowMs: number;
  readonly ratePerS: number | null;
  /** Lower-case names of headers that are stored redacted. */
  readonly credentialHeaders: ReadonlySet<string>;
}

/** A request's path is compared as it comes, which is escaped and without a query. */
const path: Rule = {
  expected: "a path as it stands in a URL, '/…', escaped and without a query",
  fits: (value) => isText(value) && /^\/[\x21\x22\x24-\x3e\x40-\x7e]*$/.test(value),
};

const reader: Rule = {
  expected: 'where a value is read, as text or a function',
  fits: (value) => isText(value) || typeof value === 'function',
};

const handlers: Rule = {
  expected: 'the name of a handler, or a list of names',
  fits: (value) => isText(value) || (Array.isArray(value) && value.every(isText)),
};

const splits: Rule = {
  expected: 'true, false or a path',
  fits: (value) => typeof value === 'boolean' || isText(value),
};

const schema: Rule = {
  expected: 'a Standard Schema',
  fits: (value) => typeof (value as Partial<StandardSchemaV1> | null)?.['~standard']?.validate === 'function',
};

/** An answer that can be sent: what HTTP does not have would end the process at the first request. */
const answer: Rule = {
  expected: '{ status, headers, body }: a status from 200 to 599, headers by name, and text or bytes',
  fits: canBeSent,
};

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** What the options of a source may be. */
export const sourceOptions: Readonly<Record<keyof SourceConfig, Rule>> = {
  path,
  verify: anything,
  mode: oneOf('queued', 'sync'),
  responder: handlers,
  deadline: duration,
  type: reader,
  dedupeKey: reader,
  orderKey: reader,
  tenant: reader,
  split: splits,
  body: schema,
  routeUnfit: flag,
  answer,
  dedupeWindow: duration,
  ratePerS: positive,
};

const DAY_MS = 86_400_000;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** Reads the environment for `secret(…)`. */
export type Environment = (name: string) => string | undefined;

/** Where secrets are read, and how verifiers fetch. */
export interface Around {
  readonly environment: Environment;
  /** Default: each verifier's own way. */
  readonly outside?: Outside | undefined;
}

/**
 * Fills in a source's defaults and reads its secrets.
 * @throws HoldfastError config_invalid, secret_missing
 */
export function resolveSource(name: string, config: SourceConfig | Verifier, around: Around): Source {
  const settings: SourceConfig = isVerifier(config) ? { verify: config } : config;
  check(name, settings);
  const verifier = settings.verify.bind?.(around.environment, around.outside) ?? settings.verify;
  const { defaults } = verifier;
  const split = settings.split === true ? 'body' : settings.split === false ? undefined : settings.split;
  return {
    name,
    path: settings.path ?? `/in/${name}`,
    methods: ['POST', ...(defaults.methods ?? [])],
    verifier,
    mode: settings.mode ?? 'queued',
    responders: typeof settings.responder === 'string' ? [settings.responder] : (settings.responder ?? []),
    deadlineMs:
      settings.deadline === undefined ? (defaults.deadlineMs ?? 6250) * 0.8 : durationMs(settings.deadline, 'deadline'),
    type: settings.type ?? defaults.type ?? null,
    dedupeKey: settings.dedupeKey ?? defaults.dedupeKey ?? null,
    orderKey: settings.orderKey ?? defaults.orderKey ?? null,
    tenant: settings.tenant ?? defaults.tenant ?? null,
    split: splitPath(split ?? (settings.split === false ? undefined : defaults.split)),
    schema: settings.body ?? null,
    routeUnfit: settings.routeUnfit ?? false,
    answer: settings.answer ?? defaults.answer ?? null,
    dedupeWindowMs:
      settings.dedupeWindow === undefined
        ? (defaults.dedupeWindowMs ?? 7 * DAY_MS)
        : durationMs(settings.dedupeWindow, 'dedupeWindow'),
    ratePerS: settings.ratePerS ?? null,
    credentialHeaders: new Set(['authorization', 'cookie', 'proxy-authorization', ...verifier.credentialHeaders]),
  };
}

function check(name: string, settings: SourceConfig): void {
  const problem = problemOf(name, settings);
  if (problem !== null) throw new HoldfastError('config_invalid', { detail: `sources.${name}: ${problem}` });
}

function problemOf(name: string, settings: SourceConfig): string | null {
  if (!NAME.test(name) || name === EMITTED || name === OPERATIONAL)
    return `a source's name has letters, digits, '-', '_' and '.', and is not '${EMITTED}' or '${OPERATIONAL}'`;
  if (typeof settings === 'function' || typeof settings?.verify === 'function')
    return 'verify: expected a verifier, as stripe() makes one, got a function';
  if (typeof settings !== 'object' || settings === null || !isVerifier(settings.verify))
    return 'verify: expected a verifier; for a source that proves nothing write none()';
  const wrong = optionProblem(settings, sourceOptions);
  if (wrong !== null) return wrong;
  if (settings.mode === 'sync' && (settings.responder ?? []).length === 0)
    return "mode 'sync' needs responder: the name of a handler";
  return null;
}

function splitPath(split: string | undefined): string | null {
  if (split === undefined) return null;
  return split === 'body' ? '' : split.replace(/^body(?:\.|(?=\[))/, '');
}

function isVerifier(value: unknown): value is Verifier {
  if (typeof value !== 'object' || value === null || !('verify' in value) || typeof value.verify !== 'function')
    return false;
  return 'defaults' in value;
}
