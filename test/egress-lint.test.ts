/** The rule that there is one way out, on programs that try others. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync, copyFileSync, cpSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { refuseWayOut } from '../scripts/lint/egress.ts';

const root = join(import.meta.dirname, '..');

describe('one way out', () => {
  const refused: readonly [module: string, ...names: string[]][] = [
    ['node:http', 'request'],
    ['node:http', 'createServer', 'get'],
    ['http', 'request'],
    ['node:https', 'get'],
    ['node:https', '*'],
    ['node:http', 'default'],
    ['node:http2', 'connect'],
    ['node:net', 'connect'],
    ['node:net', 'createConnection'],
    ['node:net', 'Socket'],
    ['node:tls', 'connect'],
    ['node:dgram', 'createSocket'],
    ['node:dns', 'lookup'],
    ['node:dns/promises', 'resolve4'],
    ['undici', 'request'],
    ['undici', '*'],
  ];
  for (const [module, ...names] of refused) {
    test(`${names.join(', ')} of ${module} is for the egress alone`, () => {
      for (const file of [
        'gateway.ts',
        'ingest/accept.ts',
        'verify/providers/paypal.ts',
        'api/docs.ts',
        'deliver/endpoint/runner.ts',
        'observe/log.ts',
      ])
        assert.ok(refuseWayOut(file, module, names), file);
      for (const file of ['deliver/egress/dial.ts', 'cli/client.ts', 'verify/fetch.ts'])
        assert.equal(refuseWayOut(file, module, names), null);
    });
  }

  test('what listens, and what only names addresses, is free', () => {
    for (const [module, name] of [
      ['node:http', 'createServer'],
      ['node:http', 'STATUS_CODES'],
      ['node:net', 'isIP'],
      ['node:net', 'BlockList'],
      ['node:tls', 'createServer'],
      ['ws', 'WebSocketServer'],
      ['pg', 'Pool'],
    ] as const)
      assert.equal(refuseWayOut('api/listener.ts', module, [name]), null);
  });

  test('the linter holds it, in every way to write an import, and for the globals', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-lint-'));
    const write = (file: string, text: string): void => {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    };
    const tries = {
      'src/observe/a.ts': "import { request } from 'node:http';\nexport const a = request;\n",
      'src/observe/b.ts': "import * as net from 'node:net';\nexport const b = net;\n",
      'src/observe/c.ts': "export { connect } from 'node:tls';\n",
      'src/observe/d.ts': "export const d = () => import('undici');\n",
      'src/observe/e.ts': "export const e = () => fetch('http://10.0.0.1/');\n",
      'src/observe/f.ts': "export const f = () => new WebSocket('ws://10.0.0.1/');\n",
      'src/observe/g.ts': "import { get as createServer } from 'node:https';\nexport const g = createServer;\n",
    };
    const free = {
      'src/observe/ok.ts':
        "import type { Socket } from 'node:net';\nimport { createServer, type Agent } from 'node:http';\nexport const ok = (socket: Socket, agent: Agent) => [createServer(), socket, agent];\n",
      'src/deliver/egress/ok.ts': "import { connect } from 'node:net';\nexport const ok = connect;\n",
      'src/cli/ok.ts': "export const ok = () => fetch('http://127.0.0.1/');\n",
    };
    try {
      for (const [file, text] of Object.entries({ ...tries, ...free })) write(file, text);
      copyFileSync(join(root, '.oxlintrc.json'), join(folder, '.oxlintrc.json'));
      cpSync(join(root, 'scripts', 'lint'), join(folder, 'scripts', 'lint'), { recursive: true });
      symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
      const found = await lint(folder);
      assert.deepEqual([...found].toSorted(), Object.keys(tries));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** Files with something against them by these rules. */
function lint(folder: string): Promise<Set<string>> {
  const { promise, resolve } = Promise.withResolvers<Set<string>>();
  const program = join(root, 'node_modules', '.bin', 'oxlint');
  const env = { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}:${process.env['PATH'] ?? ''}` };
  execFile(
    program,
    ['--disable-nested-config', '--format', 'unix', 'src'],
    { cwd: folder, env, timeout: 60_000 },
    (_error, stdout) => {
      const lines = stdout.split('\n').filter((line) => /One way out/.test(line));
      resolve(new Set(lines.map((line) => line.slice(0, line.indexOf(':')))));
    },
  );
  return promise;
}
