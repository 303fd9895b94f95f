/**
 * The guard refuses every special-purpose target in every spelling, when one is saved and when something is sent, and
 * connects to nothing meanwhile; what lies beside is allowed. Nothing here goes further than the loopback network.
 */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { after, before, describe, test } from 'node:test';
import { addressBytes } from '../src/core/cidr.ts';
import { createEgress, type EgressOptions } from '../src/deliver/egress/egress.ts';
import { specialRanges } from '../src/deliver/egress/ranges.ts';
import { Rules } from '../src/deliver/egress/rules.ts';
import { systemClock } from '../src/gateway/clock.ts';
import { deliver, OK, answering, Receiver } from './endpoint-world.ts';

/** Every socket this process opens as a client is told here before it connects. */
let connects = 0;
const spy = (): void => void connects++;
before(() => subscribe('net.client.socket', spy));
after(() => unsubscribe('net.client.socket', spy));

const egressOf = (options: Partial<EgressOptions> = {}) => createEgress({ clock: systemClock, ...options });

/** Targets by what they try. `:port` is 80 or 443 where nothing is said, so that only the address is in question. */
const refused: Readonly<Record<string, readonly string[]>> = {
  'loopback, private and metadata addresses': [
    'http://127.0.0.1/',
    'http://127.255.255.254/',
    'http://10.0.0.1/',
    'http://172.16.0.1/',
    'http://172.31.255.255/',
    'http://192.168.1.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://168.63.129.16/machine',
    'http://0.0.0.0/',
    'http://100.100.100.200/',
    'http://192.0.0.192/',
    'http://[fd00:ec2::254]/',
    'http://[fd20:ce::254]/',
  ],
  'other spellings of an IPv4 address': [
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0x7f.1/',
    'http://0x7f.0x0.0x0.0x1/',
    'http://017700000001/',
    'http://0177.0.0.1/',
    'http://127.1/',
    'http://127.0.1/',
    'http://0/',
    'http://0x0/',
    'http://127.0.0.1./',
    'http://①②⑦.⓪.⓪.①/',
    'http://127。0。0。1/',
    'http://%31%32%37.0.0.1/',
    'http://127%2e0%2e0%2e1/',
    'http://0251.0376.0251.0376/',
    'http://2852039166/',
    'http://0xa9fea9fe/',
    'http://169.254.43518/',
    'http://012.0.0.1/',
  ],
  'families that are often missed': [
    'http://100.64.0.1/',
    'http://192.0.0.1/',
    'http://192.0.2.1/',
    'http://198.18.0.1/',
    'http://198.51.100.1/',
    'http://203.0.113.1/',
    'http://192.31.196.1/',
    'http://192.52.193.1/',
    'http://192.88.99.1/',
    'http://192.175.48.1/',
    'http://224.0.0.1/',
    'http://239.255.255.255/',
    'http://240.0.0.1/',
    'http://255.255.255.255/',
  ],
  IPv6: [
    'http://[::1]/',
    'http://[::]/',
    'http://[0:0:0:0:0:0:0:1]/',
    'http://[0000:0000:0000:0000:0000:0000:0000:0001]/',
    'http://[fe80::1]/',
    'http://[febf::1]/',
    'http://[fec0::1]/',
    'http://[fc00::1]/',
    'http://[fdff::1]/',
    'http://[ff02::1]/',
    'http://[100::1]/',
    'http://[100:0:0:1::1]/',
    'http://[200::1]/',
    'http://[2001::1]/',
    'http://[2001:2::1]/',
    'http://[2001:10::1]/',
    'http://[2001:20::1]/',
    'http://[2001:db8::1]/',
    'http://[3fff::1]/',
    'http://[5f00::1]/',
    'http://[2620:4f:8000::1]/',
  ],
  'IPv4 within IPv6': [
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:169.254.169.254]/',
    'http://[::ffff:a9fe:a9fe]/',
    'http://[::ffff:7f00:1]/',
    'http://[0:0:0:0:0:ffff:10.0.0.1]/',
    'http://[::127.0.0.1]/',
    'http://[::10.0.0.1]/',
    'http://[::ffff:0:127.0.0.1]/',
    'http://[64:ff9b::10.0.0.1]/',
    'http://[64:ff9b::169.254.169.254]/',
    'http://[64:ff9b:1::10.0.0.1]/',
    'http://[2002:7f00:1::]/',
    'http://[2002:a9fe:a9fe::1]/',
    'http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/',
    'http://[::ffff:8.8.8.8]/',
    'http://[::ffff:0:8.8.8.8]/',
    'http://[2002:808:808::]/',
  ],
  'zone ids': ['http://[fe80::1%25eth0]/', 'http://[fe80::1%eth0]/', 'http://[::1%25lo]/'],
  'local names': [
    'http://localhost/',
    'http://LOCALHOST/',
    'http://localhost./',
    'http://a.localhost/',
    'http://printer.local/',
    'http://metadata.google.internal/',
    'http://metadata/',
    'http://kubernetes.default.svc.cluster.local/',
    'http://router.lan/',
    'http://nas.home.arpa/',
    'http://x.localdomain/',
    'http://intranet/',
    'http://ｌｏｃａｌｈｏｓｔ/',
  ],
  'other schemes': [
    'file:///etc/passwd',
    'ftp://example.com/',
    'gopher://example.com/',
    'data:text/plain,x',
    'javascript:alert(1)',
    'ws://example.com/',
    'unix:/var/run/docker.sock',
    'HTTP:example.com',
    '//example.com/',
  ],
  'user information': [
    'http://user@example.com/',
    'http://user:pass@example.com/',
    'http://@example.com/',
    'http://example.com:80@10.0.0.1/',
    'http://example.com%40127.0.0.1/',
    'http://%65xample.com/',
    'http://example%2ecom/',
  ],
  'ports of other services': [
    'http://example.com:22/',
    'http://example.com:25/',
    'http://example.com:53/',
    'http://example.com:6379/',
    'http://example.com:5432/',
    'http://example.com:11211/',
    'http://example.com:27017/',
    'http://example.com:2375/',
    'http://example.com:9200/',
    'http://example.com:0/',
    'http://example.com:99999/',
  ],
  'what a parser would take away': [
    'http://example.com/\r\nX: 1',
    'http://exa\nmple.com/',
    ' http://example.com/',
    'http://example.com/ ',
    'http://exam\tple.com/',
    'http:\\\\127.0.0.1\\',
    'http://example.com\\@127.0.0.1/',
    'http:///example.com/',
    'http://',
    '',
    'example.com',
    `http://example.com/${'x'.repeat(3000)}`,
  ],
};

describe('the guard', () => {
  const targets = Object.entries(refused);
  test('is tried with at least 80 targets', () => assert.ok(targets.flatMap(([, urls]) => urls).length >= 80));

  for (const [what, urls] of targets) {
    test(`refuses ${what}, when saved and when sent, and connects to nothing`, async () => {
      const resolve = () => assert.fail('nothing is to be resolved');
      const egress = egressOf({ resolve });
      const before = connects;
      for (const url of urls) {
        const problem = egress.check(url);
        assert.ok(problem !== null, `${url} is saved`);
        assert.deepEqual(await egress.resolveAndCheck(url), problem, url);
        const { result, exchange } = await deliver({ egress, target: { url } });
        assert.equal(result.kind, 'failed', url);
        assert.equal(exchange?.code, 'blocked_target', url);
        assert.equal((await egress.request({ url })).code, 'blocked_target', url);
      }
      assert.equal(connects, before);
      assert.deepEqual(egress.counts, { sockets: 0, idle: 0, waiting: 0, origins: 0 });
    });
  }

  test('says the same of every address and every local name', () => {
    const egress = egressOf();
    const hosts = [
      '127.0.0.1',
      '10.0.0.1',
      '169.254.169.254',
      '[::1]',
      '[2002:7f00:1::]',
      'localhost',
      'metadata',
      'x.internal',
    ];
    const said = new Set(hosts.map((host) => JSON.stringify(egress.check(`http://${host}/`))));
    assert.deepEqual([...said], [JSON.stringify({ code: 'blocked_target', detail: 'the target is not allowed' })]);
  });

  test('refuses http where only https is allowed', () => {
    const egress = egressOf({ http: false });
    assert.equal(egress.check('http://example.com/')?.code, 'blocked_target');
    assert.equal(egress.check('https://example.com/'), null);
  });

  test('allows what is public', () => {
    const egress = egressOf();
    for (const url of [
      'https://example.com/hooks',
      'http://example.com/',
      'https://example.com:8443/x?y=1#z',
      'https://EXAMPLE.com./',
      'https://8.8.8.8/',
      'https://134744072/',
      'https://[2606:4700:4700::1111]/',
      'https://bücher.example/',
      'https://xn--bcher-kva.example/',
      'https://a_b.example.com/',
      'https://localhost.example.com/',
      'https://internal.example.com/',
      'https://127.0.0.1.nip.io/',
    ])
      assert.equal(egress.check(url), null, url);
  });
});

/** An address as a number, and back. */
const numberOf = (bytes: readonly number[]): bigint => bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
function textOf(value: bigint, bits: number): string {
  const groups: string[] = [];
  const size = bits === 32 ? 8n : 16n;
  for (let shift = BigInt(bits) - size; shift >= 0n; shift -= size) {
    const group = (value >> shift) & ((1n << size) - 1n);
    groups.push(group.toString(bits === 32 ? 10 : 16));
  }
  return groups.join(bits === 32 ? '.' : ':');
}

describe('the table of special-purpose ranges', () => {
  const rules = new Rules({});
  const bounds = specialRanges.map(({ range }) => {
    const [address = '', length = ''] = range.split('/');
    const bytes = addressBytes(address) ?? assert.fail(`${range} is no range`);
    const bits = bytes.length * 8;
    const first = numberOf(bytes);
    return { range, bits, first, last: first + (1n << BigInt(bits - Number(length))) - 1n };
  });
  const literal = (text: string): string => (text.includes(':') ? `http://[${text}]/` : `http://${text}/`);

  for (const { range, bits, first, last } of bounds) {
    test(`${range} is refused from its first to its last address, and its neighbours are not`, async () => {
      for (const value of [first, last]) {
        const text = textOf(value, bits);
        assert.equal(rules.addresses.permits(text), false, text);
        const egress = egressOf({ resolve: () => Promise.resolve([text]) });
        assert.equal(egress.check(literal(text))?.code, 'blocked_target', text);
        assert.equal((await egress.resolveAndCheck('http://hooks.example.com/'))?.code, 'blocked_target', text);
      }
      for (const value of [first - 1n, last + 1n]) {
        if (value < 0n || value >= 1n << BigInt(bits)) continue;
        if (bounds.some((other) => other.bits === bits && other.first <= value && value <= other.last)) continue;
        const text = textOf(value, bits);
        const egress = egressOf({ resolve: () => Promise.resolve([text]) });
        assert.equal(egress.check(literal(text)), null, text);
        assert.equal(await egress.resolveAndCheck('http://hooks.example.com/'), null, text);
      }
    });
  }

  test('holds every range of the registries, and leaves the public ones alone', () => {
    const yes = [
      '0.1.2.3',
      '100.127.255.255',
      '192.0.0.8',
      '198.19.255.255',
      '255.255.255.254',
      '64:ff9b::808:808',
      '2001:1ff:ffff::',
      '2001:4:112::1',
      'fdff:ffff::1',
    ];
    const no = [
      '1.0.0.0',
      '9.255.255.255',
      '11.0.0.0',
      '100.63.255.255',
      '100.128.0.0',
      '126.255.255.255',
      '128.0.0.0',
      '168.63.129.15',
      '169.253.255.255',
      '169.255.0.0',
      '172.15.255.255',
      '172.32.0.0',
      '192.0.1.0',
      '192.0.3.0',
      '192.167.255.255',
      '192.169.0.0',
      '198.17.255.255',
      '198.20.0.0',
      '198.51.99.255',
      '198.51.101.0',
      '203.0.112.255',
      '203.0.114.0',
      '223.255.255.255',
      '2001:200::',
      '2001:db7:ffff::',
      '2001:db9::',
      '2003::',
      '2001:4860::8888',
      '2620:4f:7fff::',
      '3fff:1000::',
      'fbff::1',
      'fe00::1',
      '5eff::1',
      '5f01::',
    ];
    for (const address of yes) assert.equal(rules.addresses.permits(address), false, address);
    for (const address of no) assert.equal(rules.addresses.permits(address), true, address);
  });
});

describe('what the operator allows', () => {
  test('is an address, a range or a name, and nothing beside it', () => {
    const egress = egressOf({ allow: ['10.1.0.0/16', '::1', 'crm.corp', '*.svc.cluster.local', '64:ff9b::/96'] });
    for (const host of [
      '10.1.2.3',
      '[::ffff:10.1.2.3]',
      '[::1]',
      'crm.corp',
      'CRM.corp.',
      'a.b.svc.cluster.local',
      '[64:ff9b::8.8.8.8]',
    ])
      assert.equal(egress.check(`http://${host}/`), null, host);
    for (const host of [
      '10.2.0.1',
      '[::2]',
      'x.crm.corp',
      'svc.cluster.local',
      'evilsvc.cluster.local',
      '[64:ff9b::10.0.0.1]',
    ])
      assert.equal(egress.check(`http://${host}/`)?.code, 'blocked_target', host);
  });

  test('an entry that cannot be one is refused at start', () => {
    for (const entry of ['10.0.0.0/33', '300.1.1.1', '0x7f.1', 'http://x', 'a b', '*', '', '10.0.0.1:80'])
      assert.throws(() => egressOf({ allow: [entry] }), { code: 'config_invalid' }, entry);
    for (const ports of [[0], [70_000], [[10, 5]]] as never[])
      assert.throws(() => egressOf({ ports }), { code: 'config_invalid' });
  });

  test('a name that is allowed is connected to wherever it is', async () => {
    await using receiver = await Receiver.start(answering(OK));
    const egress = egressOf({ allow: ['crm.corp'], resolve: () => Promise.resolve(['127.0.0.1']) });
    const { result } = await deliver({ egress, target: { url: `http://crm.corp:${receiver.port}/` } });
    assert.equal(result.kind, 'succeeded');
    await egress.close();
  });
});
