/** What Holdfast signs is accepted by the libraries that receivers use, and what they sign is accepted by Holdfast. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import type { Signing } from '../src/deliver/endpoint/target.ts';
import { storedEvent } from '../src/deliver/fixtures/attempt.ts';
import { generateEd25519 } from '../src/verify/ed25519.ts';
import { hmac } from '../src/verify/hmac.ts';
import { standardWebhooks } from '../src/verify/standard-webhooks.ts';
import type { Verifier } from '../src/verify/verifier.ts';
import { answering, deliver, loopbackEgress, OK, Receiver } from './endpoint-world.ts';

const egress = loopbackEgress();
after(() => egress.close());
const secretOf = (byte: number): string => `whsec_${Buffer.alloc(32, byte).toString('base64')}`;
const [newest, older, unknown] = [secretOf(1), secretOf(2), secretOf(3)];
const bodies = ['{"a":1}', '', '{"ü": "\u{1f600}"}', 'x'.repeat(100_000), '{"b" : [1.0, 2e3] }\n'];

/** Sends an event, and gives what the receiver got. */
async function sent(signing: Signing, fields: { body?: string; headers?: readonly string[]; forward?: boolean } = {}) {
  await using receiver = await Receiver.start(answering(OK));
  const event = storedEvent(fields.body ?? '{"a":1}', {
    headers: fields.headers ?? ['content-type', 'application/json'],
  });
  const { result } = await deliver({
    egress,
    target: { url: receiver.url, forward: fields.forward === true, signing },
    event,
  });
  assert.equal(result.kind, 'succeeded');
  const body = receiver.bodies[0] ?? Buffer.alloc(0);
  return { headers: receiver.headers, body, byName: Object.fromEntries(receiver.headers) };
}

async function verifies(verifier: Verifier, { headers, body }: Awaited<ReturnType<typeof sent>>): Promise<boolean> {
  const request = { method: 'POST', url: '/', remoteAddress: '', headers: headers.flat(), body };
  return (await verifier.verify(request, Date.now())).ok;
}

describe('a signature as Standard Webhooks says', () => {
  for (const [name, Webhook] of [
    ['standardwebhooks', StandardWebhook],
    ['svix', SvixWebhook],
  ] as const) {
    test(`is accepted by the library ${name}, and refused with another secret or body`, async () => {
      for (const body of bodies.filter((text) => text.startsWith('{'))) {
        const { byName, body: received } = await sent({ kind: 'standard', secrets: [newest] }, { body });
        assert.doesNotThrow(() => new Webhook(newest).verify(received.toString(), byName));
        assert.throws(() => new Webhook(unknown).verify(received.toString(), byName));
        assert.throws(() => new Webhook(newest).verify(`${received.toString()} `, byName));
      }
    });

    test(`of the library ${name} is accepted by holdfast/verify`, async () => {
      const at = new Date();
      for (const body of bodies) {
        const signature = new Webhook(newest).sign('msg_1', at, body);
        const headers = [
          'webhook-id',
          'msg_1',
          'webhook-timestamp',
          String(Math.floor(at.getTime() / 1000)),
          'webhook-signature',
          signature,
        ];
        const request = { method: 'POST', url: '/', remoteAddress: '', headers, body: Buffer.from(body) };
        assert.equal((await standardWebhooks({ secrets: newest }).verify(request, at.getTime())).ok, true);
        assert.equal((await standardWebhooks({ secrets: unknown }).verify(request, at.getTime())).ok, false);
      }
    });

    test(`made with two secrets is accepted by ${name} with either, the newest first`, async () => {
      const { byName, body } = await sent({ kind: 'standard', secrets: [newest, older] });
      for (const secret of [newest, older])
        assert.doesNotThrow(() => new Webhook(secret).verify(body.toString(), byName));
      assert.throws(() => new Webhook(unknown).verify(body.toString(), byName));
      const [first, second] = (byName['webhook-signature'] ?? '').split(' ');
      const alone = await sent({ kind: 'standard', secrets: [newest] });
      if (alone.byName['webhook-timestamp'] === byName['webhook-timestamp'])
        assert.equal(alone.byName['webhook-signature'], first);
      assert.ok(second?.startsWith('v1,'));
    });
  }

  test('covers the bytes, whatever they are, and has the id of the event and the time of the attempt', async () => {
    for (const body of bodies) {
      const received = await sent({ kind: 'standard', secrets: [newest] }, { body });
      assert.equal(received.body.toString(), body);
      assert.equal(await verifies(standardWebhooks({ secrets: newest }), received), true);
      assert.equal(received.byName['webhook-id'], 'evt_1');
      assert.ok(Math.abs(Number(received.byName['webhook-timestamp']) - Date.now() / 1000) < 60);
    }
  });

  test('with keys: v1a is accepted with the public key, beside v1', async () => {
    const [pair, other] = [generateEd25519('base64'), generateEd25519('base64')];
    const signing = {
      kind: 'standard',
      secrets: [newest],
      privateKeys: [`whsk_${pair.privateKey}`, other.privateKey],
    } as const;
    const received = await sent(signing);
    assert.match(received.byName['webhook-signature'] ?? '', /^v1,\S{44} v1a,\S{88} v1a,\S{88}$/);
    for (const { publicKey } of [pair, other])
      assert.equal(await verifies(standardWebhooks({ publicKeys: `whpk_${publicKey}` }), received), true);
    assert.equal(
      await verifies(standardWebhooks({ publicKeys: generateEd25519('base64').publicKey }), received),
      false,
    );
    const alone = await sent({ kind: 'standard', secrets: [], privateKeys: [pair.privateKey] });
    assert.equal(await verifies(standardWebhooks({ publicKeys: pair.publicKey }), alone), true);
  });

  test("of a forwarded request that has such headers already stands beside them: the provider's stay", async () => {
    const at = new Date();
    const body = '{"a":1}';
    const theirs = [
      'Webhook-Id',
      'msg_9',
      'Webhook-Timestamp',
      String(Math.floor(at.getTime() / 1000)),
      'Webhook-Signature',
      new StandardWebhook(older).sign('msg_9', at, body),
    ];
    for (const [forwardedPrefix, prefix] of [
      [undefined, 'holdfast-webhook-'],
      ['x-relay-', 'x-relay-'],
    ] as const) {
      const received = await sent(
        { kind: 'standard', secrets: [newest], forwardedPrefix },
        { body, headers: theirs, forward: true },
      );
      assert.equal(await verifies(standardWebhooks({ secrets: older }), received), true);
      assert.equal(await verifies(standardWebhooks({ secrets: newest }), received), false);
      assert.equal(await verifies(standardWebhooks({ secrets: newest, headerPrefix: prefix }), received), true);
      assert.equal(received.headers.filter(([name]) => name.toLowerCase() === 'webhook-id').length, 1);
    }
    const plain = await sent({ kind: 'standard', secrets: [newest] }, { body, headers: ['X-A', '1'], forward: true });
    assert.equal(await verifies(standardWebhooks({ secrets: newest }), plain), true);
  });

  test('behind another Holdfast that had to stand beside them too, replaces what that one made', async () => {
    const theirs = ['webhook-id', 'a', 'Holdfast-Webhook-Id', 'b', 'holdfast-webhook-timestamp', '1'];
    const headers = [...theirs, 'holdfast-webhook-signature', 'v1,x', 'X-A', '1'];
    const received = await sent({ kind: 'standard', secrets: [newest] }, { headers, forward: true });
    const mine = standardWebhooks({ secrets: newest, headerPrefix: 'holdfast-webhook-' });
    assert.equal(await verifies(mine, received), true);
    const names = received.headers.map(([name]) => name.toLowerCase());
    assert.equal(new Set(names).size, names.length);
    assert.ok(names.includes('webhook-id') && names.includes('x-a'));
  });

  test('with headers of another name is accepted as svix writes them', async () => {
    const { byName, body } = await sent({ kind: 'standard', secrets: [newest], headerPrefix: 'svix-' });
    assert.doesNotThrow(() => new SvixWebhook(newest).verify(body.toString(), byName));
  });
});

describe("a signature in a provider's way", () => {
  test('is an HMAC of the body behind a prefix, as GitHub makes it', async () => {
    const signing = {
      kind: 'hmac',
      secrets: ['newest', 'older'],
      header: 'X-Hub-Signature-256',
      prefix: 'sha256=',
    } as const;
    const received = await sent(signing);
    const expected = createHmac('sha256', 'newest').update('{"a":1}').digest('hex');
    assert.equal(received.byName['X-Hub-Signature-256'], `sha256=${expected}`);
    assert.equal(received.byName['webhook-id'], 'evt_1');
    const verifier = hmac({ header: 'x-hub-signature-256', prefix: 'sha256=', secrets: ['newest', 'older'] });
    assert.equal(await verifies(verifier, received), true);
  });

  test("takes the place of the provider's where both are in one header", async () => {
    const timestamp = { header: 'X-At' };
    const signing = { kind: 'hmac', secrets: ['newest'], header: 'X-Hub-Signature-256', prefix: 'sha256=' } as const;
    const verifier = hmac({ header: 'x-hub-signature-256', prefix: 'sha256=', secrets: 'newest' });
    const theirs = ['x-hub-signature-256', 'sha256=00', 'x-at', '1', 'X-A', '1'];
    const received = await sent(signing, { headers: theirs, forward: true });
    assert.equal(await verifies(verifier, received), true);
    const once = async (one: Signing, headers: string[], name: string): Promise<string[]> => {
      const all = (await sent(one, { headers, forward: true })).headers;
      return all.filter(([other]) => other.toLowerCase() === name).map(([, value]) => value);
    };
    assert.equal((await once(signing, theirs, 'x-hub-signature-256')).length, 1);
    assert.deepEqual(await once(signing, theirs, 'x-at'), ['1']);
    assert.equal((await once({ ...signing, timestamp }, theirs, 'x-at')).length, 1);
    // The id has names of its own: it stands where it can.
    assert.deepEqual(await once(signing, theirs, 'webhook-id'), ['evt_1']);
    assert.deepEqual(await once(signing, [...theirs, 'webhook-id', 'msg_9'], 'webhook-id'), ['msg_9']);
    assert.deepEqual(await once(signing, [...theirs, 'webhook-id', 'msg_9'], 'holdfast-webhook-id'), ['evt_1']);
  });

  test('may cover the time, be of another algorithm, and be written otherwise', async () => {
    for (const algorithm of ['sha1', 'sha256', 'sha384', 'sha512'] as const) {
      const form = { algorithm, encoding: 'base64', secretEncoding: 'hex' } as const;
      const signing = {
        kind: 'hmac',
        secrets: ['00ff00ff'],
        header: 'x-sig',
        timestamp: { header: 'x-at', joiner: ':' },
        ...form,
      } as const;
      const received = await sent(signing);
      const verifier = hmac({
        header: 'x-sig',
        secrets: '00ff00ff',
        timestamp: { header: 'x-at', joiner: ':' },
        ...form,
      });
      assert.equal(await verifies(verifier, received), true);
    }
  });
});

test('without a signature the id goes out all the same', async () => {
  const { byName } = await sent({ kind: 'none' });
  assert.equal(byName['webhook-id'], 'evt_1');
  assert.equal(byName['webhook-signature'], undefined);
});

test('a secret that cannot be read fails the attempt, and says why', async () => {
  const { result } = await deliver({
    egress,
    target: { url: 'https://example.com/', signing: { kind: 'standard', secrets: ['whsec_!'] } },
  });
  assert.ok(result.kind === 'failed' && result.error.startsWith('request_invalid: A secret is missing or empty.'));
});
