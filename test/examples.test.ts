/** Every program in examples/ runs, says what it says it does, and ends by itself. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test, type TestContext } from 'node:test';

const root = join(import.meta.dirname, '..');
const examples = join(root, 'examples');
const DEADLINE_MS = 30_000;
/** The programs share most of what they load: compiled once. */
const CACHE = mkdtempSync(join(tmpdir(), 'holdfast-cache-'));
after(() => rmSync(CACHE, { recursive: true, force: true }));

/** What each program prints, line by line in any order. */
const programs: Readonly<Record<string, readonly RegExp[]>> = {
  'batches.ts': [
    /^one request of 12 events: 200$/,
    /^written: 11, at most [1-5] at once$/,
    /^the one that was to be tried later came last: yes$/,
  ],
  'order-keys.ts': [
    /^accepted: 12 of 12$/,
    /^in order: 11 of 11 updates kept$/,
    /^at once: {2}(?:some lost|all kept, by luck)$/,
  ],
  'sources.ts': [
    /^parcel.sent of north: p1, 2.5 kg$/,
    /^signed: 200 \{"id":"evt_…"\}$/,
    /^changed: 401$/,
    /^reading m7:1$/,
    /^reading m7:2$/,
    /^two at once: 202 thank you$/,
  ],
  'sync-sms.ts': [
    /^hello: 200 <Response><Message>You said: hello<\/Message><\/Response>$/,
    /^hello: 200 <Response><Message>You said: hello<\/Message><\/Response>$/,
    /^calls: 1$/,
    /^slow: 200 <Response\/>$/,
  ],
  'threads/main.ts': [/^ping handled, while the thread was busy$/, /^fingerprint made in a thread: 32 bytes$/],
  'mounting/express.ts': [
    /^billing: order.created ord_1$/,
    /^webhook: 200 evt_$/,
    /^the rest of the application: 200 own_$/,
  ],
  'mounting/fastify.ts': [
    /^billing: order.created ord_1$/,
    /^webhook: 200 evt_$/,
    /^the rest of the application: 200 own_$/,
  ],
  'mounting/next.ts': [/^billing: order.created ord_1$/, /^webhook: 200 evt_$/, /^no source: 404 source_not_found$/],
  'mounting/fetch.ts': [
    /^billing: order.created ord_1$/,
    /^webhook: 200 evt_$/,
    /^the admin API without its token: 401 unauthorized$/,
  ],
};

/** What other programs are made of, and what the command line runs. */
const parts = [
  'transactional/invoices.ts',
  'mounting/gateway.ts',
  'mounting/sender.ts',
  'threads/fingerprint.ts',
  'testing/billing.ts',
];
const setups = ['readme', 'quickstart'];

describe('examples', { concurrency: 2 }, () => {
  for (const [program, lines] of Object.entries(programs)) {
    test(`${program} runs and ends`, async (t) => {
      const { code, stdout, stderr } = await run(t, [join(examples, program)], directory(t));
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
      const said = stdout.trimEnd().split('\n');
      for (const line of lines) {
        const at = said.findIndex((one) => line.test(one));
        assert.ok(at >= 0, `${String(line)} is not in:\n${stdout}`);
        said.splice(at, 1);
      }
      assert.deepEqual(said, []);
    });
  }

  test('every file is one of them', async () => {
    const files = (await readdir(examples, { recursive: true })).filter((file) => file.endsWith('.ts'));
    const known = [...Object.keys(programs), ...parts];
    const others = files.filter(
      (file) =>
        !known.includes(file) &&
        !file.endsWith('.test.ts') &&
        !file.startsWith('systems/') && // each has a test of its own
        !setups.some((setup) => file.startsWith(`${setup}/`)),
    );
    assert.deepEqual(others, []);
  });

  for (const setup of setups) {
    test(`${setup}/ starts, takes eleven signed orders, and stops`, async (t) => {
      const cwd = directory(t);
      cpSync(join(examples, setup), cwd, { recursive: true });
      const cli = (...args: string[]): string[] => [join(root, 'bin', 'holdfast.js'), ...args];
      const gateway = start(t, cli('start', '--port', '0'), cwd);
      await said(gateway, /a 2xx means/);
      const sent = await run(t, cli('simulate', 'orders', 'order.created', '--count', '11', '--json'), cwd);
      assert.equal(sent.code, 0, sent.stderr);
      const report = JSON.parse(sent.stdout) as { statuses: Record<string, number>; events: number };
      assert.deepEqual([report.statuses, report.events], [{ '200': 11 }, 11]);
      gateway.kill('SIGTERM');
      assert.deepEqual(await once(gateway, 'exit'), [0, null]);
      const listed = await run(t, cli('events', '--source', 'orders', '--json'), cwd);
      assert.equal(listed.stdout.trim().split('\n').length, 11);
    });
  }
});

test('the README shows about fifteen lines of code', () => {
  const shown = ['holdfast.config.ts', 'handlers.ts'].map((file) =>
    readFileSync(join(examples, 'readme', file), 'utf8'),
  );
  const lines = shown
    .join('')
    .split('\n')
    .filter((line) => line.trim() !== '');
  assert.ok(lines.length <= 15, `${lines.length} lines`);
});

function directory(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'holdfast-example-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Starts Node on the sources, in an environment that has nothing of this one's settings. */
function start(t: TestContext, args: readonly string[], cwd: string): ChildProcess {
  const own = Object.entries(process.env).filter(([name]) => !/^(?:HOLDFAST_|NODE_|npm_)/.test(name));
  const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
  const env = { ...Object.fromEntries(own), ORDERS_SECRET: secret, NO_COLOR: '1', NODE_COMPILE_CACHE: CACHE };
  const child = spawn(process.execPath, ['--conditions=holdfast-source', ...args], { cwd, env });
  const late = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
  t.after(() => {
    clearTimeout(late);
    if (child.exitCode === null) child.kill('SIGKILL');
  });
  return child;
}

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(t: TestContext, args: readonly string[], cwd: string): Promise<Ran> {
  const child = start(t, args, cwd);
  const kept = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => (kept.stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (kept.stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...kept };
}

/** Resolves when the program has said so, on whichever of its two outputs; fails when it ends without. */
function said(child: ChildProcess, words: RegExp): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let heard = '';
  const hear = (chunk: Buffer): void => {
    heard += chunk.toString();
    if (words.test(heard)) resolve();
  };
  child.stdout?.on('data', hear);
  child.stderr?.on('data', hear);
  child.once('exit', (code) => reject(new Error(`It ended with ${code}, having said:\n${heard}`)));
  return promise;
}
