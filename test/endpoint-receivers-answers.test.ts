/** Answers that ask for something: wait (Retry-After), stop (410), show who you are (401). */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { retryAfterMs } from '../src/deliver/endpoint/retry-after.ts';
import type { Auth } from '../src/deliver/endpoint/target.ts';
import { answering, type Behaviour, deliver, loopbackEgress, OK, Receiver, sender } from './endpoint-world.ts';

const egress = loopbackEgress();
after(() => egress.close());
const DAY_MS = 86_400_000;
const now = Date.UTC(2026, 10, 23, 12, 0, 0);

describe('Retry-After', () => {
  const values: readonly [value: string, delayMs: number | null][] = [
    ['1', 1000],
    ['120', 120_000],
    ['0120', 120_000],
    [' 5 ', 5000],
    ['Mon, 23 Nov 2026 12:01:00 GMT', 60_000],
    ['Monday, 23-Nov-26 12:01:00 GMT', 60_000],
    ['Mon Nov 23 12:01:00 2026', 60_000],
    ['Tue, 24 Nov 2026 00:00:00 GMT', 43_200_000],
    // Capped.
    ['86401', DAY_MS],
    ['315360000', DAY_MS],
    ['99999999999999999999999', DAY_MS],
    ['Mon, 23 Nov 2036 12:00:00 GMT', DAY_MS],
    ['Sat, 31 Dec 9999 23:59:59 GMT', DAY_MS],
    // Nothing that can be obeyed: the policy decides.
    ['0', null],
    ['-1', null],
    ['-120', null],
    ['+5', null],
    ['1.5', null],
    ['1e3', null],
    ['0x10', null],
    ['12 apples', null],
    ['soon', null],
    ['', null],
    ['NaN', null],
    ['Infinity', null],
    ['120, 240', null],
    ['Mon, 23 Nov 2026 11:59:59 GMT', null],
    ['Thu, 01 Jan 1970 00:00:00 GMT', null],
    ['Mon, 99 Nov 2026 12:01:00 GMT', null],
    ['Mon, 23 Nov 2026 12:01:00 CET', null],
    ['2026-11-23T12:01:00Z', null],
  ];
  for (const [value, delayMs] of values) {
    test(`'${value}' is ${delayMs === null ? 'left to the policy' : `${delayMs} ms`}`, () => {
      assert.equal(retryAfterMs(value, { now, maxMs: DAY_MS }), delayMs);
    });
  }

  test('delays the next attempt after 429 and 503, and after nothing else', async () => {
    for (const [status, header, delayMs] of [
      [429, '7', 7000],
      [503, '7', 7000],
      [503, '315360000', DAY_MS],
      [503, 'garbage', null],
      [500, '7', null],
      [404, '7', null],
      [302, '7', null],
    ] as const) {
      await using receiver = await Receiver.start(
        answering(`HTTP/1.1 ${status} No\r\nRetry-After: ${header}\r\nContent-Length: 0\r\n\r\n`),
      );
      const { result } = await deliver({ egress, target: { url: receiver.url } });
      assert.deepEqual(result, { kind: 'failed', error: `status: the endpoint answered ${status}`, delayMs, status });
    }
  });

  test('as a date is read by the clock of the gateway, and the cap is that of the endpoint', async () => {
    const date = new Date(Date.now() + 3_600_000).toUTCString();
    await using receiver = await Receiver.start(
      answering(`HTTP/1.1 429 No\r\nretry-after: ${date}\r\nContent-Length: 0\r\n\r\n`),
    );
    const { result } = await deliver({ egress, target: { url: receiver.url } });
    assert.ok(
      result.kind === 'failed' && result.delayMs !== null && result.delayMs > 3_500_000 && result.delayMs <= 3_600_000,
    );
    const capped = await deliver({ egress, target: { url: receiver.url, retryAfterMaxMs: 1000 } });
    assert.ok(capped.result.kind === 'failed' && capped.result.delayMs === 1000);
  });
});

/** A token server that numbers its tokens. */
function tokenServer(answer: (count: number) => string): { behave: Behaviour; readonly count: number } {
  let count = 0;
  return {
    behave: (socket) => {
      const body = answer(++count);
      socket.write(
        body.startsWith('HTTP/') ? body : `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    },
    get count() {
      return count;
    },
  };
}
const tokenJson = (token: string, expiresIn = 3600): string =>
  JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: expiresIn });

/** Takes requests with this token only. */
const wanting =
  (token: () => string): Behaviour =>
  (socket, head) =>
    void socket.write(
      head.includes(`authorization: Bearer ${token()}\r\n`) ? OK : 'HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n',
    );

describe('an endpoint with OAuth2', () => {
  const auth = (url: string, more: object = {}): Auth => ({
    kind: 'oauth2',
    tokenUrl: url,
    clientId: 'the client:1',
    clientSecret: 'its secret+%',
    ...more,
  });

  test('gets a token that is fetched once, as RFC 6749 says, and used until it expires', async () => {
    const tokens = tokenServer((count) => tokenJson(`token-${count}`));
    await using issuer = await Receiver.start(tokens.behave);
    await using receiver = await Receiver.start(wanting(() => 'token-1'));
    const target = { url: receiver.url, auth: auth(issuer.url, { scope: 'a b', audience: 'hooks' }) };
    const send = sender({ egress, target });
    const results = await Promise.all(Array.from({ length: 5 }, () => send()));
    assert.ok(results.every(({ result }) => result.kind === 'succeeded'));
    assert.equal(tokens.count, 1);
    const basic = Buffer.from('the+client%3A1:its+secret%2B%25').toString('base64');
    assert.equal(issuer.header('authorization'), `Basic ${basic}`);
    assert.equal(issuer.header('content-type'), 'application/x-www-form-urlencoded');
    assert.deepEqual(Object.fromEntries(new URLSearchParams(issuer.bodies[0]?.toString())), {
      grant_type: 'client_credentials',
      scope: 'a b',
      audience: 'hooks',
    });
  });

  test('may send its credentials in the body', async () => {
    const tokens = tokenServer(() => tokenJson('t'));
    await using issuer = await Receiver.start(tokens.behave);
    await using receiver = await Receiver.start(wanting(() => 't'));
    const { result } = await sender({
      egress,
      target: { url: receiver.url, auth: auth(issuer.url, { clientAuth: 'body' }) },
    })();
    assert.equal(result.kind, 'succeeded');
    assert.equal(issuer.header('authorization'), undefined);
    assert.deepEqual(Object.fromEntries(new URLSearchParams(issuer.bodies[0]?.toString())), {
      grant_type: 'client_credentials',
      client_id: 'the client:1',
      client_secret: 'its secret+%',
    });
  });

  test('that answers 401 gets one more try with a new token, and only one', async () => {
    const tokens = tokenServer((count) => tokenJson(`token-${count}`));
    await using issuer = await Receiver.start(tokens.behave);
    let wanted = 'token-1';
    await using receiver = await Receiver.start(wanting(() => wanted));
    const send = sender({ egress, target: { url: receiver.url, auth: auth(issuer.url) } });
    assert.equal((await send()).result.kind, 'succeeded');
    wanted = 'token-2';
    assert.equal((await send()).result.kind, 'succeeded');
    assert.equal(tokens.count, 2);
    wanted = 'none';
    const { result, exchange } = await send();
    assert.ok(result.kind === 'failed' && result.status === 401);
    assert.equal(tokens.count, 3);
    assert.equal(receiver.heads.length, 5);
    assert.ok(!JSON.stringify(exchange).includes('token-'));
  });

  test('keeps a token for a while where the server does not say how long it is good', async () => {
    for (const said of [undefined, null, '', ' ', 'soon', -1, true, '3600']) {
      const tokens = tokenServer((count) => {
        const answer = { access_token: `token-${count}`, token_type: 'Bearer', expires_in: said };
        return JSON.stringify(answer);
      });
      await using issuer = await Receiver.start(tokens.behave);
      await using receiver = await Receiver.start(answering(OK));
      const send = sender({ egress, target: { url: receiver.url, auth: auth(issuer.url) } });
      for (let round = 0; round < 3; round++) await send();
      assert.equal(tokens.count, 1, JSON.stringify(said));
    }
  });

  test('fetches a token anew shortly before it expires', async () => {
    const tokens = tokenServer((count) => tokenJson(`token-${count}`, count === 1 ? 0 : 3600));
    await using issuer = await Receiver.start(tokens.behave);
    await using receiver = await Receiver.start(answering(OK));
    const send = sender({ egress, target: { url: receiver.url, auth: auth(issuer.url) } });
    for (let round = 0; round < 4; round++) await send();
    assert.equal(tokens.count, 2);
    assert.equal(receiver.header('authorization'), 'Bearer token-2');
  });

  for (const [what, answer, code] of [
    ['refuses the client', 'HTTP/1.1 401 No\r\nContent-Length: 14\r\n\r\nits secret+%!!', 'auth_failed'],
    ['redirects', 'HTTP/1.1 302 No\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n', 'auth_failed'],
    ['answers no JSON', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno', 'auth_failed'],
    ['answers without a token', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull', 'auth_failed'],
    ['answers a token that would break the header', tokenJson('a\r\nX: 1'), 'auth_failed'],
    ['answers a token of another type', JSON.stringify({ access_token: 'a', token_type: 'mac' }), 'auth_failed'],
    [
      'answers more than it may',
      `HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100_000)}`,
      'response_too_large',
    ],
  ] as const) {
    test(`whose token server ${what} is sent nothing: ${code}`, async () => {
      await using issuer = await Receiver.start(tokenServer(() => answer).behave);
      await using receiver = await Receiver.start(answering(OK));
      const { result, exchange } = await sender({ egress, target: { url: receiver.url, auth: auth(issuer.url) } })();
      assert.ok(result.kind === 'failed' && result.error.startsWith(`${code}: `), JSON.stringify(result));
      assert.equal(exchange?.code, code);
      assert.equal(receiver.connections, 0);
      assert.ok(!JSON.stringify([result, exchange]).includes('its secret'));
    });
  }

  test('whose token server lies in a private network is sent nothing: the guard stands there too', async () => {
    await using receiver = await Receiver.start(answering(OK));
    const { exchange } = await sender({
      egress,
      target: { url: receiver.url, auth: auth('http://169.254.169.254/token') },
    })();
    assert.equal(exchange?.code, 'blocked_target');
    assert.equal(receiver.connections, 0);
  });

  test('whose token server keeps silent ends with the attempt', async () => {
    await using issuer = await Receiver.start(() => undefined);
    await using receiver = await Receiver.start(answering(OK));
    const { result } = await sender({ egress, target: { url: receiver.url, auth: auth(issuer.url) } })({
      timeoutMs: 100,
    });
    assert.equal(result.kind, 'timeout');
  });
});
