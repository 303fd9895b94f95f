/**
 * The shared vectors, where they lie beside the project (`../shared/vectors/signatures.json`): every signature through
 * the adapter over `holdfast/verify`, every handshake through ingest. A clone without them has the project's own
 * fixtures in src/verify/fixtures.test.ts and src/verify/handshakes.test.ts.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Reply } from '../src/ingest/reply.ts';
import { TestClock } from '../src/testing/clock.ts';
import { adyen, awsSns, signRequest } from '../src/verify/index.ts';
import type { UnsignedRequest, Verifier } from '../src/verify/index.ts';
import { sampleRequest, samples } from '../src/verify/samples.ts';
import { ingestWorld } from './ingest-world.ts';
import { judge, nowOf, receiver, requestOf, type Vector } from './vectors-adapter.ts';

interface SignatureVector extends Vector {
  readonly expected: 'valid' | 'invalid';
  readonly policy: boolean;
}

interface Expected {
  readonly status?: number;
  readonly status_in?: readonly number[];
  readonly content_type?: string;
  readonly headers?: Readonly<
    Record<string, string | { readonly any_of?: readonly string[]; readonly regex?: string }>
  >;
  readonly body_text?: string;
  readonly body_json?: unknown;
  readonly body_regex?: string;
  readonly body_empty?: boolean;
  readonly body_must_not_contain?: string;
  readonly must_not_have_header?: string;
  readonly any_of?: readonly Expected[];
}

interface HandshakeVector extends Vector {
  readonly expected_response: Expected;
  readonly forward_as_event: boolean;
}

const file = join(import.meta.dirname, '..', '..', 'shared', 'vectors', 'signatures.json');
const skip = existsSync(file) ? false : 'no ../shared/vectors/signatures.json beside the project';
const vectors = skip === false ? (JSON.parse(readFileSync(file, 'utf8')) as Vector[]) : [];
const signatures = vectors.filter(({ kind }) => kind === 'signature') as SignatureVector[];
const handshakes = vectors.filter(({ kind }) => kind === 'handshake') as HandshakeVector[];

test('every signature vector is judged as expected', { skip }, async () => {
  const different: string[] = [];
  for (const vector of signatures) {
    const { ok } = await judge(vector);
    if (ok !== (vector.expected === 'valid')) different.push(`${vector.id}${vector.policy ? ' (policy)' : ''}`);
  }
  assert.deepEqual(different, []);
  assert.ok(signatures.length >= 749);
});

describe('handshakes', { skip }, () => {
  for (const vector of handshakes) {
    test(vector.id, async () => {
      const { verifier, request } = await received(vector);
      const { reply, accepted } = await answered(verifier, { request, now: nowOf(vector) });
      check(reply, vector.expected_response);
      assert.equal(accepted, vector.forward_as_event ? 1 : 0);
    });
  }
});

/** The receiver and the request of a vector; of one that only describes an answer, a signed sample of the provider. */
async function received(vector: HandshakeVector): Promise<{ verifier: Verifier; request: UnsignedRequest }> {
  if (vector.id.endsWith('subscription_confirmation')) return subscription();
  if (vector.id.endsWith('accepted_reply')) {
    const verifier = adyen({ secrets: 'ab'.repeat(32) });
    const sample = samples['adyen'] ?? assert.fail();
    return { verifier, request: await signRequest(verifier, sampleRequest(sample, '/in/x'), 0) };
  }
  // A handshake that carries no signature leaves out what its receiver would be configured with.
  const { secrets = ['not asked for'], ...config } = vector.config;
  return { verifier: receiver({ ...vector, config: { ...config, secrets } }), request: requestOf(vector) };
}

async function subscription(): Promise<{ verifier: Verifier; request: UnsignedRequest }> {
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const host = 'https://sns.eu-central-1.amazonaws.com';
  const topics = 'arn:aws:sns:eu-central-1:123456789012:orders';
  const visited: string[] = [];
  const verifier = awsSns({
    topics,
    certificates: { [`${host}/1.pem`]: keys.publicKey.export({ format: 'pem', type: 'spki' }).toString() },
    privateKeys: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    confirmSubscription: async (url) => void visited.push(url),
  });
  const message = {
    Type: 'SubscriptionConfirmation',
    MessageId: 'm',
    Token: 't',
    TopicArn: topics,
    Message: 'You have chosen to subscribe.',
    SubscribeURL: `${host}/?Action=ConfirmSubscription&Token=t`,
    Timestamp: '2025-11-03T15:00:00.000Z',
  };
  const sample = sampleRequest({ contentType: 'text/plain', body: JSON.stringify(message) }, '/in/x');
  return { verifier, request: await signRequest(verifier, sample, 0) };
}

/** What ingest answers, and how many events it takes. */
async function answered(
  verifier: Verifier,
  { request, now }: { readonly request: UnsignedRequest; readonly now: number },
): Promise<{ reply: Reply; accepted: number }> {
  const { acceptor, events } = ingestWorld({ sources: { x: { verify: verifier } }, clock: new TestClock(now) });
  const intake = acceptor.named('x') ?? assert.fail();
  const refused = acceptor.admit(intake, request.method, null);
  const reply = refused ?? (await acceptor.accept(intake, { ...request, remoteAddress: '192.0.2.1' }));
  return { reply, accepted: events.length };
}

function check(reply: Reply, expected: Expected): void {
  if (expected.any_of !== undefined) {
    const problems = expected.any_of.map((one) => problemsOf(reply, one).join(', '));
    assert.ok(problems.includes(''), `none of the allowed answers: ${problems.join(' | ')}`);
  }
  assert.deepEqual(problemsOf(reply, expected), []);
}

function problemsOf(reply: Reply, expected: Expected): string[] {
  const body = Buffer.from(reply.body).toString('utf8');
  const headers = new Map<string, string>();
  for (let index = 0; index + 1 < reply.headers.length; index += 2) {
    headers.set((reply.headers[index] ?? '').toLowerCase(), reply.headers[index + 1] ?? '');
  }
  const problems: string[] = [];
  const want = (held: boolean, what: string): void => void (held || problems.push(what));
  if (expected.status !== undefined) want(reply.status === expected.status, `status ${reply.status}`);
  if (expected.status_in !== undefined) want(expected.status_in.includes(reply.status), `status ${reply.status}`);
  const type = headers.get('content-type') ?? '';
  if (expected.content_type !== undefined) want(type.startsWith(expected.content_type), `content type ${type}`);
  if (expected.body_text !== undefined) want(body === expected.body_text, `body ${body}`);
  if (expected.body_json !== undefined) want(sameJson(body, expected.body_json), `body ${body}`);
  if (expected.body_regex !== undefined) want(new RegExp(expected.body_regex).test(body), `body ${body}`);
  if (expected.body_empty === true) want(body === '', `body ${body}`);
  if (expected.body_must_not_contain !== undefined)
    want(!body.includes(expected.body_must_not_contain), `body ${body}`);
  if (expected.must_not_have_header !== undefined) want(!headers.has(expected.must_not_have_header), 'a header');
  for (const [name, rule] of Object.entries(expected.headers ?? {})) {
    want(fits(headers.get(name) ?? '', rule), `${name}: ${headers.get(name) ?? 'missing'}`);
  }
  return problems;
}

function fits(value: string, rule: string | { any_of?: readonly string[]; regex?: string }): boolean {
  if (typeof rule === 'string') return value === rule;
  return rule.any_of?.includes(value) ?? new RegExp(rule.regex ?? '$.').test(value);
}

function sameJson(text: string, expected: unknown): boolean {
  try {
    assert.deepEqual(JSON.parse(text), expected);
    return true;
  } catch {
    return false;
  }
}
