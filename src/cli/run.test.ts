import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createGateway } from '../index.ts';
import { commands } from './commands.ts';
import { run } from './fixtures/terminal.ts';

describe('the program', () => {
  test('without a command says how it is used, with exit code 2', async () => {
    const { code, stdout } = await run([]);
    assert.equal(code, 2);
    for (const { name, summary } of commands)
      assert.ok(stdout.includes(name) && stdout.includes(summary.slice(0, 40)), name);
  });

  test('--help, -h and help are answered with exit code 0', async () => {
    for (const args of [['--help'], ['-h'], ['help']]) assert.equal((await run(args)).code, 0, args.join(' '));
  });

  for (const { name, options } of commands) {
    test(`${name} --help and help ${name} list every option`, async () => {
      const [first, second] = [await run([name, '--help']), await run(['help', name])];
      assert.deepEqual(first, second);
      assert.equal(first.code, 0);
      for (const option of Object.keys(options)) assert.ok(first.stdout.includes(`--${option}`), option);
    });
  }

  test('an unknown command names the nearest, with exit code 2', async () => {
    const { code, stdout, stderr } = await run(['dead-leters']);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /no command 'dead-leters'\. Did you mean 'dead-letters'\?/);
  });

  test('an error says its code and what to do; with --json as JSON', async () => {
    const human = await run(['events', '--config', 'missing.config.ts']);
    assert.equal(human.code, 1);
    assert.match(
      human.stderr,
      /holdfast: The config file was not found\. .*missing\.config\.ts \[config_not_found\]\n {2}Run `holdfast init`/,
    );
    const { code, stdout, stderr } = await run(['events', '--config', 'missing.config.ts', '--json']);
    assert.deepEqual([code, stdout], [1, '']);
    assert.equal((JSON.parse(stderr) as { error: { code: string } }).error.code, 'config_not_found');
  });

  test('a command that needs a gateway where none runs exits with 3', async () => {
    for (const args of [['pause', 'x'], ['events'], ['status'], ['events', '--follow'], ['replay', '--dead']]) {
      const { code, stderr } = await run(args);
      assert.equal(code, 3, args.join(' '));
      assert.match(stderr, /gateway_unreachable/);
    }
  });

  test('doctor says of a port that is none what it says of others that cannot be used, and goes on', async () => {
    const environment = { HOLDFAST_PORT: '99999', HOLDFAST_STORE: 'memory:' };
    const { code, stdout } = await run(['doctor'], { cwd: tmpdir(), environment });
    assert.equal(code, 1);
    assert.match(stdout, /^ok +runtime/m);
    assert.match(stdout, /^fail +port +127\.0\.0\.1:99999 cannot be used \(ERR_SOCKET_BAD_PORT\)/m);
  });

  test('a store that is no file is said to be none, whichever it is', async () => {
    for (const [store, says] of [
      ['postgres://db.example/x', /The store is postgres:\/\/…, and no file: copy it with the tools of its server/],
      ['memory:', /The store is in memory/],
    ] as const) {
      for (const command of ['backup', 'restore']) {
        const { code, stderr } = await run([command, 'a.db'], {
          cwd: tmpdir(),
          environment: { HOLDFAST_STORE: store },
        });
        assert.equal(code, 1);
        assert.match(stderr, says);
      }
    }
  });

  test('where nobody answers the address is told, and a store that is away is no matter of Retry-After', async () => {
    const environment = { HOLDFAST_STORE: 'postgres://127.0.0.1:1/x', HOLDFAST_PORT: '1' };
    const asked = await run(['events'], { cwd: tmpdir(), environment });
    assert.match(asked.stderr, /No gateway answers at this address\. http:\/\/127\.0\.0\.1:1\./);
    const { stdout } = await run(['doctor'], { cwd: tmpdir(), environment });
    assert.match(stdout, /\[store_unavailable\]\n +Start its server, or correct the setting store \(HOLDFAST_STORE\)/);
  });

  test('a store whose gateway listens nowhere is not said to be free, nor that nobody runs', async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'holdfast-owned-'));
    const environment = { HOLDFAST_STORE: `sqlite:${join(cwd, 'owned.db')}` };
    const gateway = createGateway({ store: environment.HOLDFAST_STORE, logLevel: 'silent', sources: {} });
    await gateway.start();
    try {
      const { code, stderr } = await run(['events'], { cwd, environment });
      assert.equal(code, 3);
      assert.match(stderr, /A process has .*owned\.db, and listens nowhere: it starts, stops, or is mounted/);
      assert.doesNotMatch(stderr, /No gateway runs here/);
    } finally {
      await gateway.stop();
      rmSync(cwd, { recursive: true, force: true });
    }
  });

  test('what can be seen to be wrong is refused before a gateway is asked', async () => {
    const wrong: [string[], RegExp][] = [
      [['show', 'evt_1'], /is no id/],
      [['show', 'dlv_00000000000000000000000000', '--body'], /--body needs the id of an event/],
      [['dead-letters', 'resolv'], /Did you mean 'resolve'/],
      [['dead-letters', 'resolve', 'dlv_00000000000000000000000000'], /--note/],
      [['dead-letters', '--reason', 'exausted'], /Did you mean 'exhausted'/],
      [['rejections', 'evt_1', '--verify-again'], /is no rejection/],
      [['rejections', '--verify-again', '--since', '1h'], /not --since/],
      [['rejections', '--verify-again', '--reason', 'header_missing'], /not --reason/],
      [['events', '--follow', '--since', '1h'], /not with --since/],
      [['events', '--follow', '--unmatched'], /not with --unmatched/],
      [['simulate', 'stripee'], /Did you mean 'stripe'/],
      [['simulate', 'dmo'], /no source 'dmo', nor a provider\. Did you mean 'demo'/],
      [['simulate', 'demo', '--secret', 'x'], /with its own/],
      [['simulate', 'stripe', '--secret', 'x', '--url', 'localhost'], /--url: expected http/],
      [['simulate', 'stripe', '--secret', 'x', '--header', 'no colon'], /--header: expected/],
      [['simulate', 'stripe', '--secret', 'x', '--payload', '/no/such/file'], /--payload: .*ENOENT/],
    ];
    for (const [args, message] of wrong) {
      const { code, stderr } = await run(args);
      assert.equal(code, 2, `${args.join(' ')}: ${stderr}`);
      assert.match(stderr, message);
    }
  });
});
