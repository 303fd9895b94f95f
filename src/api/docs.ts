/** The OpenAPI document and a page made from it that needs nothing from outside and runs no script. */
import { createHash } from 'node:crypto';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { rawRoute, type Route } from './route.ts';

/** What {@link openApiDocument} gives (OpenAPI 3.1). */
export type OpenApiDocument = ReturnType<OpenAPIHono['getOpenAPI31Document']>;

/** The document of all registered routes. */
export function openApiDocument(app: OpenAPIHono, version: string): OpenApiDocument {
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'The admin token, or an API token with one of the scopes named; admin is always enough.',
  });
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Holdfast admin API',
      version,
      description: 'What a webhook gateway received, owes and did. Errors are problem+json with a code.',
      license: { name: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
  });
}

/** Whatever a token is good for, its bearer may know how to use it. */
const ANYBODY = { scope: ['read', 'emit', 'endpoints'], tenants: true } as const;

/** Routes that show `document`, which is made from all routes, these included: so it is asked for when needed. */
export function docRoutes(document: () => OpenApiDocument): readonly Route[] {
  const openapi = rawRoute({
    method: 'get',
    path: '/api/openapi.json',
    group: 'docs',
    ...ANYBODY,
    summary: 'This API as an OpenAPI 3.1 document.',
    media: ['application/json'],
    handle: () => Response.json(document()),
  });
  const docs = rawRoute({
    method: 'get',
    path: '/api/docs',
    group: 'docs',
    ...ANYBODY,
    summary: 'This API as a page.',
    about: 'A browser asks for a password: any user name, and the token. Only this page takes it that way.',
    access: 'browser',
    media: ['text/html'],
    handle: () => docsPage(document()),
  });
  return [openapi, docs];
}

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; text-transform: capitalize; }
details { border: 1px solid #ccc; border-radius: 6px; margin: .5rem 0; padding: .5rem .75rem; }
summary { cursor: pointer; } code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { overflow: auto; background: #f4f4f4; padding: .75rem; border-radius: 6px; }
.verb { display: inline-block; min-width: 4.5rem; font-weight: 700; } .what { color: #555; margin-left: .5rem; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top; }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #161616; } pre { background: #222; } .what { color: #aaa; } }
`;

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/** No script at all; the one style is allowed by its hash. */
const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`;

function docsPage(document: OpenApiDocument): Response {
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Holdfast admin API</title>
<meta name="viewport" content="width=device-width"><style>${STYLE}</style></head><body>
<h1>Holdfast admin API</h1><p>Version ${escape(document.info.version)}. Send <code>Authorization: Bearer</code> with the
admin token. Errors are <code>application/problem+json</code> with a <code>code</code>. The same as OpenAPI:
<code>/api/openapi.json</code>.</p>${groupsOf(document).map(groupSection).join('')}
<h2>Schemas</h2>${Object.entries(document.components?.schemas ?? {})
    .map(schemaSection)
    .join('')}</body></html>`;
  return new Response(html, {
    headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': PAGE_POLICY },
  });
}

/** What the page shows of an operation. */
interface Operation {
  readonly method: string;
  readonly path: string;
  readonly tags?: readonly string[];
  readonly summary?: string;
  readonly description?: string;
  readonly parameters?: readonly unknown[];
  readonly requestBody?: unknown;
  readonly responses?: unknown;
}

function groupsOf(document: OpenApiDocument): [string, Operation[]][] {
  const groups = new Map<string, Operation[]>();
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(item as Record<string, Omit<Operation, 'method' | 'path'>>)) {
      const group = operation.tags?.[0] ?? '';
      groups.set(group, [...(groups.get(group) ?? []), { ...operation, method, path }]);
    }
  }
  return [...groups];
}

function groupSection([group, operations]: [string, Operation[]]): string {
  return `<h2>${escape(group)}</h2>${operations.map(operationSection).join('')}`;
}

function operationSection({
  method,
  path,
  summary,
  description,
  parameters,
  requestBody,
  responses,
}: Operation): string {
  const parts = [
    description === undefined ? '' : `<p>${escape(description)}</p>`,
    parameters === undefined ? '' : `<h4>Parameters</h4>${parameterTable(parameters)}`,
    requestBody === undefined ? '' : `<h4>Body</h4>${json(requestBody)}`,
    `<h4>Answers</h4>${json(responses)}`,
  ];
  return `<details><summary><span class="verb">${method.toUpperCase()}</span><code>${escape(path)}</code>
<span class="what">${escape(summary ?? '')}</span></summary>${parts.join('')}</details>`;
}

function parameterTable(parameters: readonly unknown[]): string {
  const rows = parameters.map((parameter) => {
    const { name, in: where, required, schema } = parameter as Record<string, unknown>;
    const cells = [name, where, required === true ? 'required' : '', JSON.stringify(schema)];
    return `<tr>${cells.map((cell) => `<td><code>${escape(String(cell))}</code></td>`).join('')}</tr>`;
  });
  return `<table>${rows.join('')}</table>`;
}

function schemaSection([name, schema]: [string, unknown]): string {
  return `<details><summary><code>${escape(name)}</code></summary>${json(schema)}</details>`;
}

function json(value: unknown): string {
  return `<pre>${escape(JSON.stringify(value, null, 2))}</pre>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
