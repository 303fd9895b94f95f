import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TrustedProxies } from './proxies.ts';

const proxies = new TrustedProxies(['10.0.0.0/8', '2001:db8::/32', '192.0.2.7']);
const forwarded = (...lists: string[]): string[] => lists.flatMap((list) => ['X-Forwarded-For', list]);

const rows: readonly [name: string, peer: string, headers: string[], sender: string][] = [
  ['nothing is believed of a stranger', '203.0.113.5', forwarded('1.1.1.1'), '203.0.113.5'],
  ['a trusted proxy names the sender', '10.0.0.1', forwarded('203.0.113.9'), '203.0.113.9'],
  ['what stands left of a stranger may be invented', '10.0.0.1', forwarded('6.6.6.6, 203.0.113.9'), '203.0.113.9'],
  ['a chain of trusted proxies', '10.0.0.1', forwarded('6.6.6.6, 203.0.113.9, 192.0.2.7, 10.9.9.9'), '203.0.113.9'],
  ['several headers are one list', '10.0.0.1', forwarded('203.0.113.9', '10.1.1.1'), '203.0.113.9'],
  ['all trusted: the first', '10.0.0.1', forwarded('10.2.2.2, 10.3.3.3'), '10.2.2.2'],
  ['text that is no address ends the chain', '10.0.0.1', forwarded('203.0.113.9, unknown, 10.1.1.1'), '10.1.1.1'],
  ['no header', '10.0.0.1', [], '10.0.0.1'],
  ['IPv4 in IPv6', '::ffff:10.0.0.1', forwarded('::ffff:203.0.113.9'), '203.0.113.9'],
  ['ports and brackets', '2001:db8::1', forwarded('[2001:4860::8]:443, 10.0.0.2:1234'), '2001:4860::8'],
  ['no peer', '', forwarded('10.0.0.1'), ''],
];
for (const [name, peer, headers, sender] of rows) {
  test(name, () => assert.equal(proxies.sender(peer, headers), sender));
}

test('without trusted proxies the peer is the sender', () => {
  assert.equal(new TrustedProxies([]).sender('::ffff:10.0.0.1', forwarded('1.1.1.1')), '10.0.0.1');
});

for (const range of ['10.0.0.0/33', '2001:db8::/129', 'proxy.local', '10.0.0.0/x', '']) {
  test(`'${range}' is refused`, () => {
    assert.throws(() => new TrustedProxies([range]), { code: 'config_invalid', message: /trustedProxies/ });
  });
}

test('a mapped address is the IPv4 address, however it is written', () => {
  const proxies = new TrustedProxies(['10.0.0.0/8']);
  for (const mapped of ['::ffff:192.0.2.1', '::ffff:c000:201', '::FFFF:C000:0201', '0:0:0:0:0:ffff:192.0.2.1'])
    assert.equal(proxies.sender('10.0.0.1', ['X-Forwarded-For', mapped]), '192.0.2.1', mapped);
  assert.equal(proxies.sender('::ffff:a00:1', ['X-Forwarded-For', '192.0.2.1']), '192.0.2.1');
  for (const other of ['1::ffff:c000:201', '::ffff:0:c000:201', '::c000:201', 'ffff::ffff:1:2'])
    assert.equal(proxies.sender(other, []), other);
});
