/**
 * A canary in every place a secret can be; then deliveries that succeed, fail, are refused and echoed, every answer of the
 * API, metrics, the live stream, the log at its most talkative, commands, and the bytes of every file. None shows up.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { eventually, Place } from './cli-program.ts';

const canaries = new Map<string, string>();

/** A secret that is nobody else's. */
function canary(name: string): string {
  const text = `canary${canaries.size}${createHmac('sha256', 'canary').update(name).digest('hex').slice(0, 26)}`;
  canaries.set(name, text);
  return text;
}

/** A secret in the form of Standard Webhooks that holds a canary. */
function standardCanary(name: string): string {
  const secret = Buffer.from(`${canary(name)}padded to a whole`).toString('base64');
  canaries.set(`${name}, encoded`, secret.slice(0, 40));
  return `whsec_${secret}`;
}

/** As text may hold it: as it is, or in base64 at any offset (basic credentials, bodies in JSON). */
function forms(text: string): readonly string[] {
  const shifted = [0, 1, 2].map((skip) => {
    const encoded = Buffer.from(' '.repeat(skip) + text).toString('base64');
    return encoded.slice(Math.ceil((skip * 4) / 3) + (skip > 0 ? 1 : 0), -4);
  });
  return [text, ...shifted, Buffer.from(text).toString('hex')];
}

/** The names of the canaries that are in there. */
function leaks(where: string, haystack: Buffer | string): string[] {
  return [...canaries]
    .filter(([, text]) => forms(text).some((form) => haystack.includes(form)))
    .map(([name]) => `${name} in ${where}`);
}

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Says back whatever it was told, headers and body, with the status that the path asks for. */
function echo(seen: string[]): Server {
  return createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      seen.push(request.rawHeaders.join('\n'));
      const said = `${request.rawHeaders.join('\n')}\n${Buffer.concat(chunks).toString()}`;
      const back = { 'x-echo': request.headers.authorization ?? '', 'x-echo-key': String(request.headers['x-key']) };
      response.writeHead(Number(request.url?.split('/')[1]), back).end(said);
    });
  });
}

/** A token server: at `/good` it gives a token, elsewhere it says back what it was told. */
function tokens(token: string): Server {
  return createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.url === '/good') {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ access_token: token, token_type: 'bearer', expires_in: 60 }));
      } else {
        response.writeHead(400).end(`${request.headers.authorization}\n${Buffer.concat(chunks).toString()}`);
      }
    });
  });
}

/** A forward proxy that asks for a password. */
function proxy(password: string): Server {
  const server = createServer();
  server.on('connect', (request, socket) => {
    const expected = `Basic ${Buffer.from(`holdfast:${password}`).toString('base64')}`;
    if (request.headers['proxy-authorization'] !== expected) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      return;
    }
    const [host, port] = (request.url ?? '').split(':');
    const way = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      way.pipe(socket).pipe(way);
    });
    way.on('error', () => socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'));
    socket.on('error', () => way.destroy());
  });
  return server;
}

const CONFIG = `import { basic, bearer, headerToken, hmac, pathToken, queryToken } from 'holdfast/verify';
const read = (env) => ({ kind: 'secret', env });
export default {
  egressAllow: ['127.0.0.1'], logLevel: 'trace', graceMs: '1s',
  sources: {
    shop: { verify: hmac({ header: 'x-signature', secrets: read('SHOP_SECRET') }), type: 'body.type' },
    byBearer: { verify: bearer({ tokens: read('BEARER_TOKEN') }) },
    byHeader: { verify: headerToken({ header: 'x-own-token', tokens: read('HEADER_TOKEN') }) },
    byQuery: { verify: queryToken({ parameter: 'key', tokens: read('QUERY_TOKEN') }) },
    byPath: { verify: pathToken({ tokens: read('PATH_TOKEN') }) },
    byBasic: { verify: basic({ credentials: read('BASIC_CREDENTIALS') }) },
  },
  handlers: './handlers.mjs',
};`;

const HANDLERS = `export default (gateway) => gateway.endpoint('crm', {
  from: ['emitted', 'shop', 'byBearer', 'byHeader', 'byQuery', 'byPath', 'byBasic'], url: process.env.CRM_URL,
  headers: { 'X-Key': process.env.CRM_HEADER }, auth: { kind: 'bearer', token: process.env.CRM_TOKEN },
  secrets: { kind: 'secret', env: 'CRM_SECRET' },
  retry: { kind: 'list', delaysMs: [10], jitter: 'none' }, breaker: false,
});`;

interface Told {
  readonly status: number;
  readonly text: string;
}

test('no secret is in a log, an answer, a metric, the stream, a command or a file', { timeout: 110_000 }, async (t) => {
  await using place = new Place();
  const heard: string[] = [];
  const accessToken = canary('OAuth2 access token');
  const proxyPassword = canary('proxy password');
  const servers = [echo(heard), tokens(accessToken), proxy(proxyPassword)];
  const [echoUrl = '', tokenUrl = '', proxyUrl = ''] = await Promise.all(servers.map(listening));
  const gone = createServer();
  const nobodyUrl = await listening(gone);
  gone.close();
  t.after(() => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });
  const admin = canary('admin token');
  const key = Buffer.from(canary('encryption key').slice(0, 32)).toString('base64');
  canaries.set('encryption key, encoded', key.slice(0, 40));
  canaries.set('encryption key', (canaries.get('encryption key') ?? '').slice(0, 32));
  const sent = {
    shop: canary('source secret'),
    bearer: canary('source bearer token'),
    header: canary('source header token'),
    query: canary('source query token'),
    path: canary('source path token'),
    basic: canary('source basic password'),
  };
  Object.assign(place.environment, {
    HOLDFAST_ADMIN_TOKEN: admin,
    HOLDFAST_ENCRYPTION_KEYS: key,
    HOLDFAST_EGRESS_PROXY: proxyUrl.replace('http://', `http://holdfast:${proxyPassword}@`),
    SHOP_SECRET: sent.shop,
    BEARER_TOKEN: sent.bearer,
    HEADER_TOKEN: sent.header,
    QUERY_TOKEN: sent.query,
    PATH_TOKEN: sent.path,
    BASIC_CREDENTIALS: `user:${sent.basic}`,
    CRM_URL: `${echoUrl}/500/crm`,
    CRM_HEADER: canary('header of an endpoint in code'),
    CRM_TOKEN: canary('bearer token of an endpoint in code'),
    CRM_SECRET: standardCanary('secret of an endpoint in code'),
  });
  place.write('holdfast.config.mjs', CONFIG);
  place.write('handlers.mjs', HANDLERS);
  const gateway = await place.start();
  const [, url = ''] = await gateway.until(/admin API +(http:\/\/127\.0\.0\.1:\d+)/);

  const answers: string[] = [];
  const ask = async (method: string, path: string, body?: unknown): Promise<Told> => {
    const headers = { authorization: `Bearer ${admin}`, 'content-type': 'application/json' };
    const given = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await fetch(`${url}${path}`, { method, headers, ...given });
    return { status: answer.status, text: `${[...answer.headers].join('\n')}\n\n${await answer.text()}` };
  };
  const bodyOf = ({ text }: Told): Record<string, never> => JSON.parse(text.split('\n\n').at(-1) ?? '') as never;
  const read = async (method: string, path: string, body?: unknown): Promise<Told> => {
    const told = await ask(method, path, body);
    answers.push(`${method} ${path} ${told.status} ${told.text}`);
    return told;
  };

  const frames: string[] = [];
  const stream = new WebSocket(`${url.replace('http', 'ws')}/api/stream`, {
    headers: { authorization: `Bearer ${admin}` },
  });
  stream.on('message', (data: Buffer) => frames.push(data.toString()));
  await once(stream, 'open');

  // Endpoints of every kind. What their makers are answered holds the secrets that were made: that once, and only there.
  const retry = { kind: 'list', delaysMs: [10], jitter: 'none' };
  const ids: string[] = [];
  const make = async (name: string, input: Record<string, unknown>): Promise<string> => {
    const told = await ask('POST', '/api/endpoints', { description: name, retry, from: ['emitted', 'shop'], ...input });
    assert.equal(told.status, 201, `${name}: ${told.text}`);
    const { endpoint, secret } = bodyOf(told) as unknown as { endpoint: { id: string }; secret: string | null };
    if (secret !== null) canaries.set(`secret made for ${name}`, secret.replace('whsec_', '').slice(0, 40));
    ids.push(endpoint.id);
    return endpoint.id;
  };
  const oauth2 = (name: string, path: string, clientAuth: string) => ({
    kind: 'oauth2',
    tokenUrl: `${tokenUrl}${path}`,
    clientId: 'client',
    clientSecret: canary(name),
    clientAuth,
  });
  const pem = (name: string): string => `-----BEGIN PRIVATE KEY-----\n${canary(name)}\n-----END PRIVATE KEY-----\n`;
  const bearer = await make('bearer', {
    url: `${echoUrl}/200/a`,
    headers: { 'X-Key': canary('custom header') },
    auth: { kind: 'bearer', token: canary('bearer token') },
    signing: { kind: 'standard', keys: 'both' },
  });
  await make('basic', {
    url: `${echoUrl}/500/b`,
    auth: { kind: 'basic', username: 'user', password: canary('basic password') },
    secret: standardCanary('given secret'),
  });
  await make('oauth2', { url: `${echoUrl}/401/c`, auth: oauth2('OAuth2 client secret', '/good', 'basic') });
  await make('oauth2 body', { url: `${echoUrl}/200/d`, auth: oauth2('OAuth2 secret in a body', '/bad', 'body') });
  await make('hmac', {
    url: `${echoUrl}/503/e`,
    signing: { kind: 'hmac', header: 'x-sig' },
    secret: canary('HMAC secret'),
  });
  await make('nobody there', { url: `${nobodyUrl}/f`, headers: { 'X-Key': canary('header never sent') } });
  await make('tls', {
    url: `${nobodyUrl}/g`,
    tls: { key: pem('TLS key'), cert: 'none', passphrase: canary('TLS passphrase') },
  });

  // What is refused is refused without a word of it.
  const refused: readonly Record<string, unknown>[] = [
    { url: `http://user:${canary('user information')}@127.0.0.1/` },
    { url: `http://10.0.0.1/`, auth: { kind: 'bearer', token: canary('token of a blocked one') } },
    { url: `${echoUrl}/200`, headers: { 'X-A': `${canary('broken header')}\n` } },
    { url: `${echoUrl}/200`, headers: { Host: canary('reserved header') } },
    { url: `${echoUrl}/200`, auth: { kind: 'bearer', token: `${canary('broken token')} x` } },
    { url: `${echoUrl}/200`, auth: { kind: 'bearer', token: { text: canary('token of a wrong type') } } },
    { url: `${echoUrl}/200`, auth: { kind: 'oauth2', clientSecret: canary('half of OAuth2') } },
    { url: `${echoUrl}/200`, secret: canary('secret of a wrong form') },
    { url: `https://127.0.0.1/`, tls: { key: pem('broken TLS key'), passphrase: canary('its passphrase') } },
  ];
  for (const input of refused) {
    const { status } = await read('POST', '/api/endpoints', input);
    assert.equal(status, 400, JSON.stringify(input));
    const { url: _, ...change } = input;
    if (Object.keys(change).length > 0 && !('secret' in change) && !('tls' in change))
      await read('PATCH', `/api/endpoints/${bearer}`, change);
  }
  await read('PATCH', `/api/endpoints/${bearer}`, { headers: { 'X-Key': canary('changed header') } });
  const rotated = bodyOf(await ask('POST', `/api/endpoints/${bearer}/rotate-secret`)) as unknown as { secret: string };
  canaries.set('rotated secret', rotated.secret.replace('whsec_', '').slice(0, 40));
  await read('POST', `/api/endpoints/${bearer}/rotate-secret`, { secret: canary('rotated to a wrong one') });
  const made = await ask('POST', '/api/tokens', { name: 'reader', scopes: ['read'] });
  const { token: apiToken } = bodyOf(made) as unknown as { token: string };
  canaries.set('API token', apiToken.slice(-40));

  // Webhooks, with credentials on them, good and bad.
  const cookies = { authorization: `Bearer ${canary('Authorization header')}`, cookie: `s=${canary('Cookie header')}` };
  const post = async (
    path: string,
    headers: Record<string, string>,
    body = '{"type":"order.paid"}',
  ): Promise<number> => {
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body });
    answers.push(`POST ${path.split(/[/?]/, 3).join('/')} ${answer.status} ${await answer.text()}`);
    return answer.status;
  };
  const signature = createHmac('sha256', sent.shop).update('{"type":"order.paid"}').digest('hex');
  assert.equal(await post('/in/shop', { ...cookies, 'x-signature': signature }), 200);
  assert.equal(await post('/in/shop', { ...cookies, 'x-signature': 'wrong' }), 401);
  assert.equal(await post('/in/byBearer', { authorization: `Bearer ${sent.bearer}` }), 200);
  assert.equal(await post('/in/byHeader', { 'x-own-token': sent.header, cookie: cookies.cookie }), 200);
  assert.equal(await post(`/in/byQuery?key=${sent.query}&other=1`, {}), 200);
  const basicAuth = `Basic ${Buffer.from(`user:${sent.basic}`).toString('base64')}`;
  assert.equal(await post('/in/byBasic', { authorization: basicAuth }), 200);
  assert.equal(await post('/in/byBearer', { authorization: `Bearer ${canary('wrong bearer token')}` }), 401);
  assert.equal(await post('/in/byHeader', { 'x-own-token': canary('wrong header token') }), 401);
  assert.equal(await post(`/in/byQuery?key=${canary('wrong query token')}`, {}), 401);
  assert.equal(await post(`/in/byPath/${sent.path}?other=1`, {}), 200);
  assert.equal(await post(`/in/byPath/${canary('wrong path token')}`, {}), 401);
  assert.notEqual(await post(`/in/nobody?token=${canary('token to nobody')}`, cookies), 200);
  assert.equal((await read('POST', '/api/events', { type: 'order.made', data: { a: 1 } })).status, 200);
  await read('POST', `/api/endpoints/${bearer}/test`);
  await fetch(`${url}/api/events`, { headers: { authorization: `Bearer ${canary('wrong admin token')}` } }).then(
    async (answer) => answers.push(`${answer.status} ${await answer.text()}`),
  );

  await eventually(async () => {
    const { rows } = bodyOf(await ask('GET', '/api/deliveries?state=ready,due,claimed,blocked&limit=1')) as never as {
      rows: unknown[];
    };
    assert.deepEqual(rows, []);
  });
  assert.ok(
    heard.some((headers) => headers.includes(accessToken)),
    'the endpoints were sent what is theirs',
  );

  // Everything that can be read.
  const openapi = bodyOf(await read('GET', '/api/openapi.json')) as unknown as {
    paths: Record<string, Record<string, unknown>>;
  };
  const gets = Object.keys(openapi.paths).filter((path) => 'get' in (openapi.paths[path] ?? {}));
  for (const path of gets.filter((one) => !one.includes('{') && one !== '/api/stream')) {
    const told = await read('GET', path);
    if (!told.text.includes('\n\n{"rows":')) continue;
    const { rows } = bodyOf(told) as unknown as { rows: { id?: string }[] };
    const details = rows.flatMap(({ id }) => (id === undefined ? [] : gets.map((detail) => [detail, id] as const)));
    for (const [detail, id] of details.filter(([detail]) => detail.startsWith(`${path}/{id}`)))
      await read('GET', detail.replace('{id}', id));
  }
  for (const id of ids) await read('GET', `/api/endpoints/${id}`);
  const commands: readonly (readonly string[])[] = [
    ['status'],
    ['events'],
    ['rejections'],
    ['dead-letters'],
    ['tokens'],
    ['audit'],
    ['doctor'],
    ['endpoints'],
    ['endpoints', 'show', bearer],
    ['endpoints', 'update', bearer, '--header', `X-Key: ${canary('header of a command')}`],
  ];
  for (const command of commands) await place.run(...command);
  await ask('DELETE', `/api/endpoints/${bearer}`);
  stream.close();
  await once(stream, 'close');
  assert.equal(await gateway.signal('SIGTERM'), 0);

  const files = readdirSync(join(place.path, 'data')).filter((file) => !/\.(?:token|key)$/.test(file));
  assert.ok(files.length >= 2, files.join(' '));
  t.diagnostic(`${canaries.size} canaries, ${answers.length} answers, ${frames.length} frames, ${files.join(' ')}`);
  const echoed = answers.filter((text) =>
    /"response":\{"status":200.*x-echo.*\[redacted\].*bodyText.*\[redacted\]/.test(text),
  );
  assert.ok(echoed.length > 0, 'what was said back is kept, without what is secret');
  assert.ok(frames.length > 0 && gateway.stdout.includes('attempt'), 'there was something to be seen');
  const found = [
    ...answers.flatMap((text) => leaks(text.slice(0, 60), text)),
    ...frames.flatMap((text) => leaks('the stream', text)),
    ...leaks('the log', gateway.stdout),
    ...leaks('standard error', gateway.stderr),
    ...leaks('the commands', place.said()),
    ...files.flatMap((file) => leaks(file, readFileSync(join(place.path, 'data', file)))),
  ];
  assert.deepEqual(found, []);
});

test('a canary is seen in every form it may have', () => {
  const text = canary('seen');
  for (const pad of ['', 'a', 'ab', 'abc']) {
    assert.deepEqual(leaks('there', Buffer.from(`${pad}${text}${pad}`).toString('base64')), ['seen in there'], pad);
  }
  assert.deepEqual(leaks('there', `x${text}x`), ['seen in there']);
  assert.deepEqual(leaks('there', 'nothing'), []);
});
