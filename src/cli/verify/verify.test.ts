import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { simulation } from '../../testing/simulation.ts';
import { pathToken, providers, signRequest } from '../../verify/index.ts';
import type { ProviderSettings, UnsignedRequest } from '../../verify/index.ts';
import { run } from '../fixtures/terminal.ts';
import { explain, type Explanation } from './explain.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-verify-'));
after(() => rmSync(directory, { recursive: true }));

const AT = '2025-11-03T15:00:00.000Z';
const ORIGIN = 'https://hooks.example.com';

/** A request as it went over the wire. */
function http({ method, url, headers, body }: UnsignedRequest): Buffer {
  const lines = headers.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${headers[index + 1] ?? ''}`] : []));
  const head = [`${method} ${url} HTTP/1.1`, 'Host: hooks.example.com', ...lines].join('\r\n');
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), body]);
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

/** What the command line says of a receiver with these settings. */
function options(key: string, settings: ProviderSettings): readonly string[] {
  const { secrets, publicKeys, primaryKeys, credentials, webhookId, topics, certificates = {} } = settings;
  const [pem] = Object.values(certificates);
  const secret = [secrets, publicKeys, primaryKeys, credentials, webhookId, topics].find(
    (value) => value !== undefined,
  );
  return [
    ...(typeof secret === 'string' ? ['--secret', secret] : []),
    ...(pem === undefined ? [] : ['--certificate', file(`${key}.pem`, pem)]),
    '--url',
    ORIGIN,
    '--at',
    AT,
    '--json',
  ];
}

async function judged(key: string, content: string | Uint8Array, args: readonly string[]) {
  const { code, stdout, stderr } = await run(['verify', key, '--request', file(`${key}.http`, content), ...args], {
    cwd: directory,
  });
  assert.notEqual(stdout, '', stderr);
  return { code, stdout, ...(JSON.parse(stdout) as Explanation) };
}

async function signedBy(key: string) {
  const { verifier, settings, make } = simulation(key, { publicUrl: ORIGIN, run: 'verify', now: () => Date.parse(AT) });
  return { settings, signed: await signRequest(verifier, make(0), Date.parse(AT)) };
}

/** Every text of the settings, none of which may be shown: neither secrets nor private keys. */
function secretsOf({
  publicUrl: _url,
  topics: _topics,
  publicKeys: _keys,
  certificates: _pem,
  ...rest
}: ProviderSettings) {
  return Object.values(rest).filter((value) => typeof value === 'string');
}

for (const { key } of providers) {
  test(`${key}: a captured request verifies, and with another secret it is said why not, without a secret`, async () => {
    const { settings, signed } = await signedBy(key);
    const right = await judged(key, http(signed), options(key, settings));
    assert.deepEqual([right.code, right.verified, right.reason], [0, true, null]);
    const { settings: others } = await signedBy(key);
    const wrong = await judged(
      key,
      http(signed),
      options(key, { ...others, topics: 'arn:aws:sns:eu-central-1:1:other' }),
    );
    assert.equal(wrong.code, 1);
    assert.ok(wrong.reason !== null && wrong.hints.length > 0);
    for (const secret of secretsOf(settings)) assert.ok(!right.stdout.includes(secret), 'the right secret is shown');
    for (const secret of secretsOf(others)) assert.ok(!wrong.stdout.includes(secret), 'the secret given is shown');
  });
}

describe('the explanation', () => {
  const stripeArgs = ['--secret', 'whsec_a', '--at', AT, '--json'];

  async function stripeRequest(): Promise<UnsignedRequest> {
    const { verifier, make } = simulation('stripe', { settings: { secrets: 'whsec_a' } });
    return signRequest(verifier, make(0), Date.parse(AT));
  }

  test('says what was signed, with lengths and hashes, and never the signature that would have been right', async () => {
    const request = await stripeRequest();
    const signature = /v1=(\w+)/.exec(request.headers.join(' '))?.[1] ?? assert.fail();
    const { comparisons, reason, stdout } = await judged('stripe', http(request), [
      '--secret',
      'whsec_b',
      ...stripeArgs.slice(2),
    ]);
    assert.equal(reason, 'signature_mismatch');
    const [only] = comparisons;
    assert.deepEqual(
      [only?.algorithm, only?.held, only?.signed.map(({ what, bytes, text }) => [what, bytes, text])],
      [
        'HMAC-SHA256',
        false,
        [
          ['text', 11, '1762182000.'],
          ['body', request.body.length, undefined],
        ],
      ],
    );
    assert.deepEqual(only?.signatures, [{ given: signature, characters: 64, form: 'lower-case hex' }]);
    const other = simulation('stripe', { settings: { secrets: 'whsec_b' } }).verifier;
    const expected = /v1=(\w+)/.exec(
      (await signRequest(other, { ...request, headers: [] }, Date.parse(AT))).headers.join(' '),
    )?.[1];
    assert.ok(expected !== undefined && !stdout.includes(expected));
  });

  test('tells the time from the signature', async () => {
    const request = await stripeRequest();
    for (const [at, reason] of [
      ['2025-11-03T15:06Z', 'timestamp_too_old'],
      ['2025-11-03T14:54Z', 'timestamp_in_future'],
    ] as const) {
      const said = await judged('stripe', http(request), ['--secret', 'whsec_a', '--at', at, '--json']);
      assert.deepEqual([said.code, said.reason, said.comparisons[0]?.held], [1, reason, true]);
    }
  });

  test('finds what was done to the body on its way into the file', async () => {
    const request = await stripeRequest();
    const pretty = Buffer.from(JSON.stringify(JSON.parse(Buffer.from(request.body).toString()), null, 2));
    for (const [body, hint] of [
      [Buffer.concat([request.body, Buffer.from('\n')]), /without the line break at its end/],
      [pretty, /as compact JSON/],
    ] as const) {
      const { hints } = await judged('stripe', http({ ...request, body }), stripeArgs);
      assert.match(hints[0] ?? '', hint);
    }
  });

  test('cuts what an editor put at the end, where Content-Length tells, and doubts any other length', async () => {
    const request = await stripeRequest();
    const long = { ...request, headers: [...request.headers, 'Content-Length', String(request.body.length)] };
    const ended = { ...long, body: Buffer.concat([request.body, Buffer.from('\r\n')]) };
    assert.equal((await judged('stripe', http(ended), stripeArgs)).code, 0);
    const short = await judged('stripe', http({ ...long, body: request.body.subarray(1) }), stripeArgs);
    assert.match(short.hints[0] ?? '', /Content-Length says/);
  });

  test('finds the URL that was signed, where another was given', async () => {
    const { verifier, make } = simulation('square', { settings: { secrets: 'key' }, publicUrl: `${ORIGIN}/in/square` });
    const request = await signRequest(verifier, make(0), Date.parse(AT));
    const said = await judged('square', http(request), ['--secret', 'key', '--url', 'http://10.0.0.1', '--json']);
    assert.match(said.hints[0] ?? '', /--url https:\/\/hooks\.example\.com\/in\/square/);
  });

  test('says of a signature in another form what form it should have', async () => {
    const request = {
      method: 'POST',
      url: '/',
      headers: ['X-Hub-Signature-256', `sha256=${'A'.repeat(64)}`],
      body: Buffer.from('{}'),
    };
    const { hints } = await judged('github', http(request), ['--secret', 'key', '--json']);
    assert.match(hints.join(), /64 characters of lower-case hex; the request has none/);
  });

  test('knows a handshake', async () => {
    const request = { method: 'POST', url: '/in/x?validationToken=abc', headers: [], body: Buffer.alloc(0) };
    const { hints } = await judged('ms-graph', http(request), ['--secret', 'key', '--json']);
    assert.match(hints[0] ?? '', /handshake/);
  });

  test('takes a rejection as the API gives it, judged by the time it came', async () => {
    const { method, url, headers, body } = await stripeRequest();
    const rejection = {
      id: 'rej_1',
      receivedAt: AT,
      method,
      path: url,
      query: '',
      headers: headers.flatMap((name, index) => (index % 2 === 0 ? [{ name, value: headers[index + 1] ?? '' }] : [])),
      bodyText: Buffer.from(body).toString(),
      bodyBytes: body.length,
      verifiable: true,
    };
    const right = await judged('stripe', JSON.stringify(rejection), ['--secret', 'whsec_a', '--json']);
    assert.deepEqual([right.code, right.at], [0, AT]);
    const redacted = await judged('stripe', JSON.stringify({ ...rejection, bodyText: '{}', verifiable: false }), [
      '--secret',
      'whsec_a',
      '--json',
    ]);
    assert.match(redacted.hints.join(), /redacted/);
    assert.match(redacted.hints.join(), /was no UTF-8/);
  });

  test('shows no token of a path, whosever it is', async () => {
    const judge = { verifier: pathToken({ tokens: 'right' }), hidden: ['right'], otherwise: null };
    const url = '/in/bot/of-another-source?a=1';
    const { request, verified } = await explain(judge, { method: 'POST', url, headers: [], body: Buffer.alloc(0) }, 0);
    assert.deepEqual([verified, request.url], [false, '/in/bot/[secret]?a=1']);
  });

  test('is text for people, with the reason of the rejection in it', async () => {
    const path = file('people.http', http(await stripeRequest()));
    const ran = await run(['verify', 'stripe', '--secret', 'whsec_b', '-r', path, '--at', AT], { cwd: directory });
    assert.equal(ran.code, 1);
    assert.match(ran.stdout, /^stripe: does not verify: signature_mismatch/);
    assert.match(ran.stdout, /signed {2}the raw body \(\d+ bytes, SHA-256/);
    const right = await run(
      ['verify', 'stripe', '--secret', 'whsec_b', '--secret', 'whsec_a', '-r', path, '--at', AT],
      { cwd: directory },
    );
    assert.match(right.stdout, /^stripe: verifies/);
  });

  test('a file that is no request, and a provider that is none, are said plainly', async () => {
    const cases = [
      [['verify', 'stripe', '--secret', 'x'], /--request FILE is needed/],
      [['verify', 'stripe', '--secret', 'x', '-r', '/no/such'], /--request: .*ENOENT/],
      [['verify', 'stripe', '--secret', 'x', '-r', file('a', 'hello')], /no request line/],
      [
        ['verify', 'stripe', '--secret', 'x', '-r', file('b', 'POST / HTTP/1.1\nno header\n\n{}')],
        /line 2 is no header/,
      ],
      [['verify', 'stripe', '--secret', 'x', '-r', file('c', '{"a":1}')], /no rejection/],
      [['verify', 'stripee', '--secret', 'x', '-r', file('d', 'POST / HTTP/1.1\n\n')], /Did you mean 'stripe'/],
    ] as const;
    for (const [args, said] of cases) {
      const ran = await run(args, { cwd: directory });
      assert.equal(ran.code, 2);
      assert.match(ran.stderr, said);
    }
  });
});
