/** What somebody writes without a compiler, or with a cast, is refused at start: with a code, the place, and what is expected. */
import assert from 'node:assert/strict';
import { registerHooks } from 'node:module';
import { describe, test } from 'node:test';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { createGateway, defineConfig, exponential, fixed } from 'holdfast';
import { none, stripe } from 'holdfast/verify';

const quiet = { store: 'memory:', logLevel: 'silent', port: 0 } as const;
const anybody = { open: none() };

/** Whatever body: what matters here is which types there are. */
const schema: StandardSchemaV1 = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } };

type Loose = Record<'handle' | 'handleBatch' | 'endpoint' | 'endpoints' | 'every', (...given: unknown[]) => void>;

async function refused(register: (gateway: Loose) => void, says: RegExp, emits: object = {}): Promise<void> {
  const gateway = createGateway({ ...quiet, sources: anybody, ...emits });
  register(gateway as unknown as Loose);
  await assert.rejects(gateway.start(), { code: 'config_invalid', message: says });
  await gateway.stop();
}

describe('a handler is refused with', () => {
  const cases: readonly (readonly [given: object, says: RegExp])[] = [
    [{ concurrency: '4' }, /concurrency: expected a whole number from 1, or \{ min, max \}, got '4'/],
    [{ concurrency: { min: 3, max: 1 } }, /got \{ min: 3, max: 1 \}/],
    [{ concurrency: { min: 3 } }, /concurrency: .*got \{ min: 3 \}/],
    [{ timeout: '10 sec' }, /'h': timeout: expected a duration above 0, such as '5s'.*got '10 sec'/],
    [{ timeout: 0 }, /timeout: expected a duration above 0/],
    [{ breaker: { failure: 3 } }, /breaker: there is no option 'failure'\. Did you mean 'failures'\?/],
    [{ breaker: { openMs: '10s' } }, /breaker: openMs: expected a number above 0, got '10s'/],
    [{ breaker: { failures: 0 } }, /breaker: failures: expected a whole number from 1/],
    [{ breaker: true }, /breaker: expected false, or \{ failures, openMs, probes \}, got true/],
    [{ types: ['a.*.b'] }, /types: a wildcard '\*' stands only at the end, got 'a\.\*\.b'/],
    [{ size: 3 }, /size and within are of handleBatch/],
    [{ from: undefined }, /from: expected at least one source\. Known: open/],
    [{ from: 'opne' }, /there is no source 'opne'\. Did you mean 'open'\? Known: open/],
    [{ run: 'thread', module: './h.ts' }, /module: expected a file, as new URL/],
  ];
  for (const [given, says] of cases) {
    const run = 'run' in given ? [] : [() => undefined];
    test(JSON.stringify(given), () =>
      refused((gateway) => gateway.handle('h', { from: 'open', ...given }, ...run), says),
    );
  }

  test('a module that is not there', () =>
    refused((gateway) => {
      gateway.handle('h', { from: 'open', run: 'thread', module: new URL('no-such.ts', import.meta.url) });
    }, /module: there is no file file:.*no-such\.ts/));

  test('options and function in each other’s place, or none', async () => {
    const says = /expected an object of options, got/;
    await refused((gateway) => gateway.handle('h', () => undefined, { from: 'open' }), says);
    await refused((gateway) => gateway.handle('h'), says);
    await refused((gateway) => gateway.handle('h', { from: 'open' }, 'no function'), /expected a handler function/);
  });

  test('a wait of a batch that is none', () =>
    refused(
      (gateway) => gateway.handleBatch('h', { from: 'open', within: 'soon' }, () => undefined),
      /within: expected a duration such as '5s'.*got 'soon'/,
    ));
});

test('an endpoint is refused with a URL that is not given, and a function that is none', async () => {
  await refused((gateway) => gateway.endpoint('e', { from: 'open', uri: 'https://example.com' }), /no option 'uri'/);
  await refused((gateway) => gateway.endpoint('e', { from: 'open' }), /url: expected a URL like/);
  const given = { from: 'open', url: 'https://example.com', transform: 'body' };
  await refused((gateway) => gateway.endpoint('e', given), /transform: expected a function, got 'body'/);
});

test('a schedule is refused with a period that is none, or another option', async () => {
  const every = { period: '1h', type: 't', body: {} };
  await refused((gateway) => gateway.every('s', { ...every, period: '1x' }), /Schedule 's': period: .*got '1x'/);
  await refused((gateway) => gateway.every('s', { ...every, period: '10ms' }), /period: expected at least 1 s/);
  await refused((gateway) => gateway.every('s', { ...every, interval: '1h' }), /no option 'interval'/);
  await refused((gateway) => gateway.every('s', { type: 't', body: {} }), /period: expected a duration/);
});

describe('a type that nothing emitted has', () => {
  const emits = { emits: { 'payment.succeeded': schema, 'audit.*': schema } };

  test('is refused of who takes emitted events alone, with the name that was probably meant', () =>
    refused(
      (gateway) => gateway.handle('h', { from: 'emitted', types: ['payment.sucseeded'] }, () => undefined),
      /'h': types: 'payment\.sucseeded' is not in the catalogue \(emits\)\. Did you mean 'payment\.succeeded'\?/,
      emits,
    ));

  test('is refused of an endpoint, of a wildcard, and of what is emitted at intervals', async () => {
    const url = 'https://example.com/hooks';
    const says = /is not in the catalogue/;
    await refused((gateway) => gateway.endpoint('e', { from: 'emitted', types: ['paid'], url }), says, emits);
    await refused((gateway) => gateway.handle('h', { from: 'emitted', types: ['pay.*'] }, () => 0), says, emits);
    await refused((gateway) => gateway.every('s', { period: '1h', type: 'swept', body: {} }), says, emits);
  });

  test('is not looked for beside a source, whose types nobody knows; wildcards meet wildcards', async () => {
    const gateway = createGateway({ ...quiet, sources: anybody, ...emits });
    gateway.handle('both', { from: ['open', 'emitted'], types: ['order.paid'] }, () => undefined);
    gateway.handle(
      'wild',
      { from: 'emitted', types: ['payment.*', 'audit.login', 'audit.log*', 'aud*', '*'] },
      () => 0,
    );
    await gateway.start();
    await gateway.stop();
  });

  test('is refused in the catalogue itself, where a wildcard stands within it', () => {
    const config = { ...quiet, sources: {}, emits: { 'a.*.b': schema } };
    assert.throws(() => createGateway(config), {
      code: 'config_invalid',
      message: /emits\.a\.\*\.b: expected '\*' only/,
    });
  });
});

describe('a config is refused', () => {
  const cases: readonly (readonly [name: string, given: unknown, says: RegExp])[] = [
    ['that is none', undefined, /Expected a config such as .*got undefined/],
    ['without sources', {}, /sources: expected sources by name/],
    ['whose source is a function that was not called', { sources: { a: stripe } }, /sources\.a: .*got a function/],
    ['whose verifier is', { sources: { a: { verify: stripe, path: '/a' } } }, /sources\.a: .*got a function/],
  ];
  for (const [name, given, says] of cases) {
    test(name, () => assert.throws(() => createGateway(given as never), { code: 'config_invalid', message: says }));
  }
});

test('a source where the admin API is, on one port, is refused; on a port of its own each has its paths', async () => {
  const taken = { health: { verify: none(), path: '/health' } };
  const shared = createGateway({ ...quiet, sources: taken });
  await assert.rejects(shared.listen(), {
    code: 'config_invalid',
    message: /sources\.health: \/health is a path of the/,
  });
  await shared.stop();
  await using apart = createGateway({ ...quiet, sources: taken, adminPort: 0 });
  const { ingest, admin } = await apart.listen();
  const statusOf = async (port: number, init: RequestInit): Promise<number> =>
    (await fetch(`http://127.0.0.1:${port}/health`, init)).status;
  assert.equal(await statusOf(ingest.port, { method: 'POST', body: '{}' }), 200);
  assert.equal(await statusOf(admin.port, {}), 200);
});

test('a store whose client is not installed says what to install', async () => {
  const notInstalled = registerHooks({
    resolve: (specifier, context, next) => {
      if (specifier !== 'pg' && specifier !== 'mongodb') return next(specifier, context);
      throw Object.assign(new Error(`Cannot find package '${specifier}'`), { code: 'ERR_MODULE_NOT_FOUND' });
    },
  });
  try {
    for (const [store, client] of Object.entries({
      'postgres://127.0.0.1/x': 'pg',
      'mongodb://127.0.0.1/x': 'mongodb',
    })) {
      const gateway = createGateway({ ...quiet, store, sources: {} });
      await assert.rejects(gateway.start(), { code: 'client_missing', message: new RegExp(`npm install ${client}$`) });
    }
  } finally {
    notInstalled.deregister();
  }
});

test('a retry policy is refused with an option that is none, or a delay in place of a list', () => {
  assert.throws(() => exponential({ attempts: 4 } as never), /no option 'attempts'\. Did you mean 'maxAttempts'\?/);
  assert.throws(() => fixed('10s' as never), /fixed: expected a list of delays, got 10s/);
});

test('a request to a gateway that nobody started is answered 503 not_started, one to a stopped gateway stopping', async () => {
  const gateway = createGateway(defineConfig({ ...quiet, sources: anybody }));
  const codeOf = async (): Promise<unknown> => {
    const answer = await gateway.fetch(new Request('http://host/in/open', { method: 'POST', body: '{}' }));
    assert.equal(answer.headers.get('retry-after') === null, answer.status === 200);
    return [answer.status, ((await answer.json()) as { readonly code?: string }).code];
  };
  assert.deepEqual(await codeOf(), [503, 'not_started']);
  await gateway.start();
  assert.deepEqual(await codeOf(), [200, undefined]);
  await gateway.stop();
  assert.deepEqual(await codeOf(), [503, 'stopping']);
  await gateway.start();
  assert.deepEqual(await codeOf(), [200, undefined]);
  await gateway.stop();
});
