import assert from 'node:assert/strict';
import { test } from 'node:test';
import { square } from './providers/square.ts';
import { publicUrl } from './public-url.ts';
import { signRequest } from './sign.ts';

const request = (url: string, headers: readonly string[] = []) => ({
  method: 'POST',
  url,
  headers,
  body: new Uint8Array(),
});

test('an origin gets path and query of the request, as they were received', () => {
  for (const configured of ['https://hooks.example.com', 'https://hooks.example.com/', ' https://hooks.example.com ']) {
    const urlOf = publicUrl('x', { publicUrl: configured }, undefined);
    assert.equal(urlOf(request('/in/x?a=%2F&b')), 'https://hooks.example.com/in/x?a=%2F&b');
    assert.equal(urlOf(request('http://10.0.0.5:8080/in/x?a=1#part')), 'https://hooks.example.com/in/x?a=1');
    assert.equal(urlOf(request('http://10.0.0.5:8080')), 'https://hooks.example.com/');
  }
  const withUser = publicUrl('x', { publicUrl: 'https://user:pass@hooks.example.com:8443' }, undefined);
  assert.equal(withUser(request('/in/x')), 'https://user:pass@hooks.example.com:8443/in/x');
});

test('a whole URL is taken as it is; without a query it gets that of the request', () => {
  const path = publicUrl('x', { publicUrl: 'https://hooks.example.com/public/x/' }, undefined);
  assert.equal(path(request('/in/x')), 'https://hooks.example.com/public/x/');
  assert.equal(path(request('/in/x?a=1')), 'https://hooks.example.com/public/x/?a=1');
  const query = publicUrl('x', { publicUrl: 'https://hooks.example.com/x?board=1#rc=2' }, undefined);
  assert.equal(query(request('/in/x?a=1')), 'https://hooks.example.com/x?board=1');
});

test('HOLDFAST_PUBLIC_URL is what comes before the path, also behind a proxy that takes a part of it away', async () => {
  const bound = square({ secrets: 'key' }).bind?.((name) =>
    name === 'HOLDFAST_PUBLIC_URL' ? 'https://example.com/hooks/' : undefined,
  );
  const byHand = square({ secrets: 'key', publicUrl: 'https://example.com/hooks/in/square?a=1' });
  const signed = await signRequest(byHand, request('/in/square?a=1'), 0);
  assert.deepEqual(await bound?.verify(signed, 0), { ok: true });
});

test('without a public URL a scheme that signs it refuses to start, and Host is never believed', () => {
  assert.throws(() => publicUrl('x', {}, undefined), { code: 'config_invalid' });
  assert.throws(() => square({ secrets: 'key' }).bind?.(() => undefined), { code: 'config_invalid' });
  assert.throws(() => square({ secrets: 'key' }).verify(request('/in/x', ['host', 'a.example']), 0), {
    code: 'secret_missing',
  });
  for (const publicUrlText of ['hooks.example.com', 'ftp://hooks.example.com', 'https://', '/in/x']) {
    assert.throws(() => publicUrl('x', { publicUrl: publicUrlText }, undefined), { code: 'config_invalid' });
  }
});

test('behind a trusted proxy the origin is what the proxy says, where it says one thing', () => {
  const urlOf = publicUrl('x', { trustProxy: true }, undefined);
  const proto = ['X-Forwarded-Proto', 'https'];
  const both = [...proto, 'X-Forwarded-Host', 'hooks.example.com:8443', 'Host', 'internal'];
  assert.equal(urlOf(request('/in/x?a=1', both)), 'https://hooks.example.com:8443/in/x?a=1');
  assert.equal(urlOf(request('/in/x', [...proto, 'Host', 'hooks.example.com'])), 'https://hooks.example.com/in/x');
  const untold: readonly (readonly string[])[] = [
    ['Host', 'hooks.example.com'],
    [...proto, 'X-Forwarded-Host', 'evil.example, hooks.example.com'],
    ['X-Forwarded-Proto', 'javascript', 'Host', 'a.example'],
    [...proto, ...proto, 'Host', 'a.example'],
    [...proto, 'Host', 'a.example/path'],
    proto,
  ];
  for (const headers of untold) {
    const url = urlOf(request('/in/x', headers));
    assert.equal(typeof url === 'string' ? url : url.reason, 'url_not_configured');
  }
});
