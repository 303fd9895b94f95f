/** The answers that providers demand before or besides events. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { cloudevents } from './providers/cloudevents.ts';
import { discord } from './providers/discord.ts';
import { dropbox } from './providers/dropbox.ts';
import { meta } from './providers/meta.ts';
import { msGraph } from './providers/ms-graph.ts';
import { okta } from './providers/okta.ts';
import { slack } from './providers/slack.ts';
import { trello } from './providers/trello.ts';
import { xero } from './providers/xero.ts';
import { zoom } from './providers/zoom.ts';
import type { HandshakeAnswer, Verifier } from './verifier.ts';

const now = 1_762_182_000_000;
const plainText = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };

interface Asked {
  readonly method?: string;
  readonly url?: string;
  readonly headers?: readonly string[];
  readonly body?: unknown;
}

async function answerOf(verifier: Verifier, asked: Asked): Promise<HandshakeAnswer | null> {
  const { method = 'POST', url = '/in/x', headers = [], body } = asked;
  const bytes = body === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(body));
  return (await verifier.handshake?.answer({ method, url, headers, body: bytes }, now)) ?? null;
}

test('Slack: a challenge is echoed as text, and only after the signature has held', async () => {
  const verifier = slack({ secrets: 'key' });
  assert.equal(verifier.handshake?.unsigned, false);
  const answer = await answerOf(verifier, { body: { type: 'url_verification', challenge: '<b>c</b>' } });
  assert.deepEqual([answer?.status, answer?.body], [200, '<b>c</b>']);
  assert.match(answer?.headers?.['content-type'] ?? '', /^text\/plain/);
  for (const body of [{ type: 'event_callback' }, { type: 'url_verification' }, { challenge: 'c' }, [], 'text']) {
    assert.equal(await answerOf(verifier, { body }), null);
  }
});

test('Zoom: the plain token comes back with its HMAC under the first secret', async () => {
  const verifier = zoom({ secrets: ['new', 'old'] });
  const body = { event: 'endpoint.url_validation', payload: { plainToken: 'p' } };
  const answer = await answerOf(verifier, { body });
  const encryptedToken = createHmac('sha256', 'new').update('p').digest('hex');
  assert.deepEqual(JSON.parse(String(answer?.body)), { plainToken: 'p', encryptedToken });
  assert.equal(verifier.handshake?.unsigned, false);
  assert.equal(await answerOf(verifier, { body: { event: 'meeting.started', payload: { plainToken: 'p' } } }), null);
});

test('Meta: the challenge is for who knows the verify token, and never HTML', async () => {
  const verifier = meta({ secrets: 'key', verifyToken: 'token' });
  const ask = (query: string): Promise<HandshakeAnswer | null> =>
    answerOf(verifier, { method: 'GET', url: `/in/meta?${query}` });
  const right = 'hub.mode=subscribe&hub.verify_token=token&hub.challenge=%3Cb%3E1';
  assert.deepEqual(await ask(right), { status: 200, headers: plainText, body: '<b>1' });
  for (const query of ['', right.replace('=token', '=tokem'), right.replace('subscribe', 'other'), 'hub.challenge=1']) {
    assert.deepEqual(await ask(query), { status: 403 }, query);
  }
  assert.equal(await answerOf(verifier, { url: `/in/meta?${right}` }), null, 'a POST is an event');

  const withoutToken = meta({ secrets: 'key' }).bind?.(() => undefined);
  assert.ok(withoutToken !== undefined);
  const empty = '/in/meta?hub.mode=subscribe&hub.verify_token=&hub.challenge=1';
  assert.deepEqual(await answerOf(withoutToken, { method: 'GET', url: empty }), { status: 403 });
});

test('Discord: both PINGs are answered, and events are not taken for one', async () => {
  const verifier = discord({ publicKeys: Buffer.alloc(32, 1).toString('hex') });
  assert.equal(verifier.handshake?.unsigned, false);
  assert.deepEqual(await answerOf(verifier, { body: { type: 0, version: 1 } }), { status: 204 });
  assert.equal((await answerOf(verifier, { body: { type: 1, id: '1' } }))?.body, '{"type":1}');
  assert.equal(await answerOf(verifier, { body: { type: 1, event: { type: 'ENTITLEMENT_CREATE' } } }), null);
  assert.equal(await answerOf(verifier, { body: { type: 2, id: '1' } }), null);
});

test('Dropbox and Microsoft Graph: what the URL carries is echoed decoded, as text', async () => {
  const verifier = dropbox({ secrets: 'key' });
  const asked = { method: 'GET', url: '/in/dropbox?challenge=a%2Bb' };
  assert.deepEqual(await answerOf(verifier, asked), { status: 200, headers: plainText, body: 'a+b' });
  assert.equal(await answerOf(verifier, { ...asked, method: 'POST' }), null);
  assert.deepEqual(verifier.defaults.methods, ['GET']);

  const graph = msGraph({ secrets: 'state' });
  const validation = { url: '/in/graph?validationToken=Validation%3A%20k1%2B1' };
  assert.deepEqual(await answerOf(graph, validation), { status: 200, headers: plainText, body: 'Validation: k1+1' });
  assert.equal(await answerOf(graph, {}), null);
});

test('Okta, Trello and Xero get what they ask for', async () => {
  const hook = okta({ secrets: 'token' });
  const headers = ['X-Okta-Verification-Challenge', '"quoted"'];
  assert.equal((await answerOf(hook, { method: 'GET', headers }))?.body, '{"verification":"\\"quoted\\""}');
  assert.equal(await answerOf(hook, { headers }), null);

  const board = trello({ secrets: 'key', publicUrl: 'https://hooks.example.com' });
  assert.deepEqual(await answerOf(board, { method: 'HEAD' }), { status: 200 });
  assert.equal(await answerOf(board, {}), null);

  const books = xero({ secrets: 'key' });
  assert.equal(books.handshake?.unsigned, false);
  assert.deepEqual(await answerOf(books, { body: { events: [], entropy: 'x' } }), { status: 200, body: '' });
  assert.equal(await answerOf(books, { body: { events: [{}] } }), null);
  assert.deepEqual(books.defaults.rejectAnswer, { status: 401, body: '' });
});

test('CloudEvents: permission is given to listed origins only', async () => {
  const verifier = cloudevents({ secrets: 'token', allowedOrigins: ['Sender.example.com'] });
  const ask = (origin: string, ...more: readonly string[]): Promise<HandshakeAnswer | null> =>
    answerOf(verifier, { method: 'OPTIONS', headers: ['WebHook-Request-Origin', origin, ...more] });
  const permitted = await ask('sender.example.com', 'WebHook-Request-Rate', '120');
  assert.equal(permitted?.headers?.['webhook-allowed-origin'], 'sender.example.com');
  assert.equal(permitted?.headers?.['webhook-allowed-rate'], '*');
  assert.equal('webhook-allowed-rate' in ((await ask('sender.example.com'))?.headers ?? {}), false);
  assert.deepEqual(await ask('evil.example.com'), { status: 403 });
  assert.deepEqual(await answerOf(verifier, { method: 'OPTIONS' }), { status: 403 });
  assert.equal(await answerOf(verifier, {}), null);
  const any = cloudevents({ secrets: 'token', allowedOrigins: ['*'] });
  const asked = { method: 'OPTIONS', headers: ['WebHook-Request-Origin', 'a.example'] };
  assert.equal((await answerOf(any, asked))?.status, 200);
  assert.deepEqual(await answerOf(cloudevents({ secrets: 'token' }), asked), { status: 403 });
});
