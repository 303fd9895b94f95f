/** The OpenAPI document for an application that has the admin API mounted: a choice of its paths, within its own document. */
import type { OpenApiDocument } from './docs.ts';

export interface DocumentOptions {
  /**
   * The application's own OpenAPI document. It stays as it is, and what this API has is added: of a route that is in both
   * the application's. This API's components and operation ids begin with `holdfast` in it. Default: none.
   */
  readonly into?: object;
  /** Which paths of this API are shown: those that match. Default: all. */
  readonly paths?: RegExp;
  /** Where the API is mounted: `/holdfast`. Default: at the root. */
  readonly prefix?: string;
}

interface Operation {
  readonly operationId: string;
  readonly security: readonly Readonly<Record<string, unknown>>[];
}

/** Of a document: what each of its paths or kinds of components has, by name. */
type Sections<Value> = Readonly<Record<string, Readonly<Record<string, Value>>>>;

interface Parts {
  readonly paths?: Sections<Operation>;
  readonly components?: Sections<unknown>;
}

export function documentFor(document: OpenApiDocument, options: DocumentOptions): OpenApiDocument {
  const { into, paths = /^/, prefix = '' } = options;
  const shown = Object.entries(document.paths ?? {}).filter(([path]) => path.search(paths) >= 0);
  const chosen = { ...document, paths: Object.fromEntries(shown.map(([path, item]) => [`${prefix}${path}`, item])) };
  return into === undefined ? chosen : Object.assign({}, into as OpenApiDocument, joined(into, chosen));
}

const REFERENCE = /"#\/components\/(\w+)\/(\w+)"/g;

function joined(own: Parts, document: object): object {
  const text = JSON.stringify(document).replaceAll(
    REFERENCE,
    (_all, kind: string, name: string) => `"#/components/${kind}/${renamed(name)}"`,
  );
  const { paths = {}, components = {} } = JSON.parse(text) as Parts;
  return {
    paths: merged(
      own.paths,
      withEach(paths, (method, operation) => [method, renamedOperation(operation)]),
    ),
    components: merged(
      own.components,
      withEach(components, (name, component) => [renamed(name), component]),
    ),
  };
}

function renamedOperation({ operationId, security, ...same }: Operation): Operation {
  return { ...same, operationId: renamed(operationId), security: security.map((one) => renamedKeys(one)) };
}

/** A name that is none of the application's. */
function renamed(name: string): string {
  return `holdfast${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

function renamedKeys<Value>(values: Readonly<Record<string, Value>>): Readonly<Record<string, Value>> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [renamed(name), value]));
}

function withEach<Value>(
  sections: Sections<Value>,
  change: (name: string, value: Value) => readonly [string, Value],
): Sections<Value> {
  const changed = Object.entries(sections).map(([section, values]) => [
    section,
    Object.fromEntries(Object.entries(values).map(([name, value]) => change(name, value))),
  ]);
  return Object.fromEntries(changed) as Sections<Value>;
}

function merged<Value>(own: Sections<Value> = {}, added: Sections<Value>): Sections<Value> {
  const both = Object.entries(added).map(([section, values]) => [section, { ...values, ...own[section] }]);
  return { ...own, ...(Object.fromEntries(both) as Sections<Value>) };
}
