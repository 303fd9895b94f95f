/** The rules of this repository that oxlint does not bring: the layers, one way out, and no `new Date()` in core. */
import { dirname, join, relative, sep } from 'node:path';
import { refuseWayOut } from './egress.ts';
import { type ImportKind, refuseImport, refusePackage } from './layers.ts';

interface Node {
  readonly type: string;
}
interface Named extends Node {
  readonly name?: string;
}
interface Specifier extends Node {
  readonly importKind?: string;
  readonly imported?: Named & { readonly value?: unknown };
  readonly local?: Named & { readonly value?: unknown };
}
interface ImportNode extends Node {
  readonly source: { readonly value?: unknown } | null;
  readonly importKind?: string;
  readonly exportKind?: string;
  readonly specifiers?: readonly Specifier[];
}
interface CallNode extends Node {
  readonly callee: Named;
  readonly arguments: readonly Node[];
}
interface Context {
  readonly filename: string;
  report(problem: { node: Node; message: string }): void;
}

const src = join(import.meta.dirname, '..', '..', 'src');

const layers = {
  create(context: Context) {
    const from = relative(src, context.filename).split(sep).join('/');
    if (from.startsWith('..') || from.endsWith('.test.ts')) return {};

    function refuse(specifier: string, kind: ImportKind): string | null {
      if (!specifier.startsWith('.')) return refusePackage(from, specifier);
      const to = join(dirname(from), specifier).split(sep).join('/');
      return to.startsWith('../')
        ? `src/ may not import what lies outside it: ${specifier}.`
        : refuseImport(from, to, kind);
    }

    function check(node: ImportNode, kind: ImportKind): void {
      if (typeof node.source?.value !== 'string') return;
      const message = refuse(node.source.value, kind);
      if (message !== null) context.report({ node, message });
    }

    const checkStatic = (node: ImportNode): void =>
      check(node, node.importKind === 'type' || node.exportKind === 'type' ? 'type' : 'value');

    return {
      ImportDeclaration: checkStatic,
      ExportNamedDeclaration: checkStatic,
      ExportAllDeclaration: checkStatic,
      ImportExpression: (node: ImportNode) => check(node, 'lazy'),
      TSImportType: (node: ImportNode) => check(node, 'type'),
    };
  },
};

/** What `no-restricted-globals` cannot tell apart: `new Date(time)` is pure, `new Date()` reads the clock. */
const noAmbientDate = {
  create(context: Context) {
    const check = (node: CallNode): void => {
      if (node.callee.name !== 'Date' || (node.type === 'NewExpression' && node.arguments.length > 0)) return;
      context.report({ node, message: 'This reads the clock: time is passed in (core/clock.ts).' });
    };
    return { CallExpression: check, NewExpression: check };
  },
};

/** Connections to elsewhere are opened in one place: scripts/lint/egress.ts. */
const egress = {
  create(context: Context) {
    const from = relative(src, context.filename).split(sep).join('/');
    if (from.startsWith('..') || from.endsWith('.test.ts')) return {};

    function check(node: ImportNode, names: readonly string[]): void {
      if (typeof node.source?.value !== 'string') return;
      const message = refuseWayOut(from, node.source.value, names);
      if (message !== null) context.report({ node, message });
    }

    return {
      ImportDeclaration: (node: ImportNode) => {
        if (node.importKind !== 'type') check(node, (node.specifiers ?? []).flatMap(nameOf));
      },
      ExportNamedDeclaration: (node: ImportNode) => {
        if (node.exportKind !== 'type') check(node, (node.specifiers ?? []).flatMap(nameOf));
      },
      ExportAllDeclaration: (node: ImportNode) => check(node, ['*']),
      ImportExpression: (node: ImportNode) => check(node, ['*']),
    };
  },
};

/** What a specifier takes of a module; nothing where it takes a type. */
function nameOf(specifier: Specifier): string[] {
  if (specifier.importKind === 'type') return [];
  if (specifier.type === 'ImportNamespaceSpecifier') return ['*'];
  if (specifier.type === 'ImportDefaultSpecifier') return ['default'];
  const { name, value } = specifier.imported ?? specifier.local ?? {};
  return [name ?? String(value)];
}

export default { meta: { name: 'holdfast' }, rules: { layers, egress, 'no-ambient-date': noAmbientDate } };
