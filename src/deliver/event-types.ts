/**
 * The catalogue of what an application emits: its event types, each with the schema of its body. What is checked is the
 * JSON as receivers get it, wherever the event was emitted; a schema judges and changes nothing.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { didYouMean } from '../core/suggest.ts';
import { HoldfastError } from '../errors.ts';
import type { Emitted } from './runner.ts';

/** A type of the catalogue: the schema of its body (any Standard Schema), or that with a description. */
export type EventTypeConfig =
  | StandardSchemaV1
  | {
      readonly schema?: StandardSchemaV1;
      /** One sentence for those who receive it. */
      readonly description?: string;
    };

/** The catalogue as it is written: types by name. A name that ends in `*` stands for all types that begin so. */
export type EmitsConfig = Readonly<Record<string, EventTypeConfig>>;

// -------------------------------------------------------------------------------------------- what the compiler knows

type Pattern<Name> = Name extends `${infer Start}*` ? `${Start}${string}` : Name;
type SchemaOf<Given> = Given extends StandardSchemaV1
  ? Given
  : Given extends { readonly schema: infer Schema }
    ? Schema
    : unknown;
type Input<Given> = SchemaOf<Given> extends StandardSchemaV1 ? StandardSchemaV1.InferInput<SchemaOf<Given>> : unknown;

/** The types that may be emitted with a catalogue; without one any text. */
export type EmittedType<Emits> = unknown extends Emits ? string : Pattern<keyof Emits & string>;

/** The body that events of a type have. */
export type EmittedBody<Emits, Type extends string> = unknown extends Emits
  ? unknown
  : Type extends keyof Emits
    ? Input<Emits[Type]>
    : { [Name in keyof Emits]: Type extends Pattern<Name> ? Input<Emits[Name]> : never }[keyof Emits];

// ------------------------------------------------------------------------------------------------------- the catalogue

/** A type as it is shown. */
export interface EventTypeInfo {
  readonly type: string;
  readonly description: string | null;
  /** JSON Schema of the body, where the schema's library can tell it. */
  readonly schema: Readonly<Record<string, unknown>> | null;
}

/** What does not fit, and where. */
export interface EmitIssue {
  /** Place of the event in its batch, from 0; `null` when it was emitted alone. */
  readonly index: number | null;
  /** `amount`, `items.0.sku`; '' for the whole body. */
  readonly path: string;
  readonly message: string;
}

/** `emit_unfit` with what does not fit. */
export class EmitUnfit extends HoldfastError {
  readonly issues: readonly EmitIssue[];

  constructor(type: string, issues: readonly EmitIssue[]) {
    const shown = issues
      .slice(0, SHOWN_MAX)
      .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
    if (issues.length > SHOWN_MAX) shown.push(`and ${issues.length - SHOWN_MAX} more`);
    const index = issues[0]?.index ?? null;
    const which = index === null ? `'${type}'` : `event ${index}, '${type}'`;
    super('emit_unfit', { detail: `${which}: ${shown.join('; ')}.` });
    this.issues = issues;
  }
}

const SHOWN_MAX = 5;
const ISSUES_MAX = 100;
const EXPECTED = 'a Standard Schema, or { schema, description }';

interface Known extends EventTypeInfo {
  readonly validate: StandardSchemaV1['~standard']['validate'] | null;
}

export class EventTypes {
  readonly #byName: ReadonlyMap<string, Known>;
  /** Those that end in `*`, the longest first: the nearest one judges. */
  readonly #families: readonly Known[];

  /** @throws HoldfastError config_invalid */
  constructor(emits: EmitsConfig) {
    const known = Object.entries(emits).map(([type, given]) => knownOf(type, given));
    this.#byName = new Map(known.map((one) => [one.type, one]));
    this.#families = known.filter(({ type }) => type.endsWith('*')).toSorted((a, b) => b.type.length - a.type.length);
  }

  /** All types, by name. */
  list(): readonly EventTypeInfo[] {
    const shown = [...this.#byName.values()].map(({ type, description, schema }) => ({ type, description, schema }));
    return shown.toSorted((a, b) => (a.type < b.type ? -1 : 1));
  }

  /**
   * What is wrong with types that somebody takes or emits, `*` at the end as a wildcard: one that nothing emitted has would
   * never come. `null`: nothing.
   */
  problemOf(types: readonly string[]): string | null {
    const never = types.find((type) => !this.#mayCome(type));
    if (never === undefined) return null;
    return `'${never}' is not in the catalogue (emits).${didYouMean(never, this.#byName.keys())}`;
  }

  #mayCome(type: string): boolean {
    const start = type.endsWith('*') ? type.slice(0, -1) : null;
    if (start === null) return this.#known(type) !== undefined;
    return [...this.#byName.keys()].some(
      (known) => known.startsWith(start) || (known.endsWith('*') && start.startsWith(known.slice(0, -1))),
    );
  }

  /** Resolves when all may be emitted. @throws HoldfastError event_type_unknown; {@link EmitUnfit} for the first that does not fit */
  async check(emitted: readonly Emitted[]): Promise<void> {
    for (const [index, one] of emitted.entries()) {
      const issues = await this.#issuesOf(one, emitted.length === 1 ? null : index);
      if (issues.length > 0) throw new EmitUnfit(one.type, issues);
    }
  }

  async #issuesOf({ type, body }: Emitted, index: number | null): Promise<readonly EmitIssue[]> {
    const { validate } = this.#find(type);
    if (validate === null) return [];
    const parsed = parse(body);
    if (parsed === undefined) return [{ index, path: '', message: 'the body is not JSON' }];
    const result = await validate(parsed.value);
    const issues = (result.issues ?? []).slice(0, ISSUES_MAX);
    return issues.map(({ message, path }) => ({ index, path: pathOf(path), message }));
  }

  #find(type: string): Known {
    const known = this.#known(type);
    if (known !== undefined) return known;
    throw new HoldfastError('event_type_unknown', { detail: this.problemOf([type]) ?? type });
  }

  #known(type: string): Known | undefined {
    return this.#byName.get(type) ?? this.#families.find((family) => type.startsWith(family.type.slice(0, -1)));
  }
}

function knownOf(type: string, given: EventTypeConfig): Known {
  const invalid = (expected: string): HoldfastError =>
    new HoldfastError('config_invalid', { detail: `emits.${type}: expected ${expected}.` });
  if (type === '' || type.length > 256) throw invalid('a name of 1 to 256 characters');
  if (type.slice(0, -1).includes('*')) throw invalid("'*' only at the end of a name");
  if (!isSchema(given) && (typeof given !== 'object' || given === null)) throw invalid(EXPECTED);
  const schema = isSchema(given) ? given : given.schema;
  if (schema !== undefined && !isSchema(schema)) throw invalid(EXPECTED);
  const description = isSchema(given) ? null : (given.description ?? null);
  const validate = schema === undefined ? null : (value: unknown) => schema['~standard'].validate(value);
  return { type, description, schema: schema === undefined ? null : jsonSchemaOf(schema), validate };
}

/** A schema may be an object or, with some libraries, a function. */
function isSchema(given: unknown): given is StandardSchemaV1 {
  return ((typeof given === 'object' && given !== null) || typeof given === 'function') && '~standard' in given;
}

/** https://standardschema.dev/json-schema: not every library, nor every schema of one that can, tells it. */
function jsonSchemaOf(schema: StandardSchemaV1): EventTypeInfo['schema'] {
  const { jsonSchema } = schema['~standard'] as {
    readonly jsonSchema?: { input(options: object): EventTypeInfo['schema'] };
  };
  try {
    return jsonSchema?.input({ target: 'draft-2020-12' }) ?? null;
  } catch {
    return null;
  }
}

function parse(body: Uint8Array): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) };
  } catch {
    return undefined;
  }
}

function pathOf(path: StandardSchemaV1.Issue['path']): string {
  return (path ?? []).map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
}
