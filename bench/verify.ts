/**
 * What a verification costs: microseconds for each scheme, beside a bare HMAC of node:crypto over the same bytes and
 * beside the libraries of the schemes where they are installed. One thread, 1 KB of JSON, a request with ten headers.
 */
import { createHmac } from 'node:crypto';
import { Webhook as StandardReference } from 'standardwebhooks';
import { Webhook as SvixReference } from 'svix';
import { hmac, providers, signRequest } from '../src/verify/index.ts';
import type { UnsignedRequest, Verifier } from '../src/verify/index.ts';
import { sampleRequest, samples } from '../src/verify/samples.ts';
import { trialSettings } from '../src/verify/trial.ts';
import { machine } from './machine.ts';

const ROUNDS = 400;
const CALLS = 100;
/** Other programs only ever add time: what a scheme costs is found among its quicker rounds. */
const QUANTILE = 0.1;
const now = Date.now();

/** Headers that a provider's request has besides its signature. */
const usual = [
  'Host',
  'hooks.example.com',
  'User-Agent',
  'Sender/1.0',
  'Accept',
  '*/*',
  'Accept-Encoding',
  'gzip',
].concat([
  'Content-Length',
  '1024',
  'X-Forwarded-For',
  '192.0.2.1',
  'X-Request-Id',
  '2b24ef10-19d3-4740-93cf-5f98ec4776c0',
]);

interface Case {
  readonly name: string;
  readonly run: () => unknown;
  /** Microseconds of each round. */
  readonly figures: number[];
}

/** Rounds of all cases take turns, so that a slow moment of the machine is shared. */
async function measure(cases: readonly Case[]): Promise<void> {
  const warmUp = ROUNDS / 10;
  for (let round = -warmUp; round < ROUNDS; round++) {
    for (const { run, figures } of cases) {
      const elapsedUs = await timeUs(run);
      if (round >= 0) figures.push(elapsedUs / CALLS);
    }
  }
}

async function timeUs(run: Case['run']): Promise<number> {
  const started = performance.now();
  for (let call = 0; call < CALLS; call++) {
    const result = run();
    if (result instanceof Promise) await result;
  }
  return (performance.now() - started) * 1000;
}

function quickUs(figures: readonly number[]): number {
  return figures.toSorted((left, right) => left - right)[Math.floor(figures.length * QUANTILE)] ?? Number.NaN;
}

const body = Buffer.from(JSON.stringify({ id: 'evt_1', type: 'order.created', text: 'x'.repeat(980) }));
const key = 'a secret of thirty-two characters';

async function verifying(name: string, verifier: Verifier, request: UnsignedRequest): Promise<Case> {
  const signed = await signRequest(verifier, { ...request, headers: [...usual, ...request.headers] }, now);
  const verdict = await verifier.verify(signed, now);
  if (!verdict.ok) throw new Error(`${name}: ${verdict.reason}`);
  return { name, run: () => verifier.verify(signed, now), figures: [] };
}

async function libraries(): Promise<Case[]> {
  const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
  const at = new Date(now);
  const seconds = String(Math.floor(now / 1000));
  const headersOf = (prefix: string, signature: string): Record<string, string> => ({
    [`${prefix}-id`]: 'msg_1',
    [`${prefix}-timestamp`]: seconds,
    [`${prefix}-signature`]: signature,
  });
  const text = body.toString('utf8');
  const standard = new StandardReference(secret);
  const svix = new SvixReference(secret);
  const standardHeaders = headersOf('webhook', standard.sign('msg_1', at, text));
  const svixHeaders = headersOf('svix', svix.sign('msg_1', at, text));
  return [
    { name: 'library standardwebhooks', run: () => standard.verify(text, standardHeaders), figures: [] },
    { name: 'library svix', run: () => svix.verify(text, svixHeaders), figures: [] },
  ];
}

const bare: Case = {
  name: 'bare HMAC-SHA256',
  run: () => createHmac('sha256', key).update(body).digest('hex'),
  figures: [],
};
const plain = { method: 'POST', url: '/in/x', headers: [], body };
const cases = [
  bare,
  await verifying('hmac()', hmac({ header: 'x-signature', secrets: key }), plain),
  ...(await libraries()),
];
for (const provider of providers) {
  const sample = samples[provider.key];
  if (sample === undefined) throw new Error(`no sample of ${provider.key}`);
  const request = sampleRequest(sample, `/in/${provider.key}`);
  // What signs the body as bytes gets the same bytes; what signs fields of it needs its own.
  const fields = ['adyen', 'aws-sns', 'linear', 'mailgun', 'ms-graph', 'rook', 'twilio', 'twilio-json'].includes(
    provider.key,
  );
  const verifier = provider.make({
    ...trialSettings(provider.key, 'https://hooks.example.com'),
    toleranceMs: Infinity,
  });
  cases.push(await verifying(provider.key, verifier, fields ? request : { ...request, body }));
}
await measure(cases);

const base = quickUs(bare.figures);
console.log(`Verification, ${body.length} bytes, one thread. ${machine()}\n`);
console.log(`| scheme | µs a request | × bare HMAC |\n| --- | ---: | ---: |`);
for (const { name, figures } of cases) {
  const figure = quickUs(figures);
  console.log(`| ${name} | ${figure.toFixed(2)} | ${(figure / base).toFixed(2)} |`);
}
