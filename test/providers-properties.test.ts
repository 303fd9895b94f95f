/**
 * What holds for every provider, whatever its scheme: of a genuine request not a bit can be changed that the scheme
 * signs, nor of its signature, its time and its id; random bytes verify with their own signature only; and any of
 * several secrets will do.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { simulation } from 'holdfast/testing';
import { findProvider, type Proof, providers, signRequest } from '../src/verify/index.ts';
import type { ProviderSettings, UnsignedRequest, Verdict, Verifier } from '../src/verify/index.ts';
import { trialSettings } from '../src/verify/trial.ts';

const now = 1_762_182_000_000;
const publicUrl = 'https://hooks.example.com';

interface Genuine {
  readonly verifier: Verifier;
  readonly settings: ProviderSettings;
  readonly unsigned: UnsignedRequest;
  readonly request: UnsignedRequest;
}

async function genuine(key: string): Promise<Genuine> {
  const { verifier, settings, make } = simulation(key, { publicUrl, run: 'bits', now: () => now });
  const unsigned = make(0);
  return { verifier, settings, unsigned, request: await signRequest(verifier, unsigned, now) };
}

/** A verdict, and the comparison that held. */
async function judge(
  verifier: Verifier,
  request: UnsignedRequest,
): Promise<{ verdict: Verdict; held: Proof | undefined }> {
  const proofs: Proof[] = [];
  const verdict = await verifier.verify(request, now, (proof) => void proofs.push(proof));
  return { verdict, held: proofs.find((proof) => proof.held) };
}

/** What was signed, as one run of bytes, and the signatures that came with it. */
function fingerprint(proof: Proof | undefined): string {
  if (proof === undefined) return 'nothing';
  const bytes = proof.parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part));
  return `${Buffer.concat(bytes).toString('base64')} ${proof.signatures.join(' ')}`;
}

/** The bytes with one bit turned over. */
function flip(bytes: Uint8Array, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

function* bodyChanges(request: UnsignedRequest): Generator<UnsignedRequest> {
  for (let bit = 0; bit < request.body.length * 8; bit++) yield { ...request, body: flip(request.body, bit) };
}

/** Every bit of the values of headers that signing has added. */
function* headerChanges({ request, unsigned }: Genuine): Generator<UnsignedRequest> {
  for (let index = unsigned.headers.length + 1; index < request.headers.length; index += 2) {
    const value = Buffer.from(request.headers[index] ?? '', 'latin1');
    for (let bit = 0; bit < value.length * 8; bit++) {
      const changed = flip(value, bit).toString('latin1');
      // White space around a value is no part of it (RFC 9110).
      if (changed.trim() === changed) yield { ...request, headers: request.headers.with(index, changed) };
    }
  }
}

/** A value whose scheme alone is written in another case, which RFC 9110 leaves open: `bearer` is `Bearer`. */
function sameCredentials(left: UnsignedRequest, right: UnsignedRequest): boolean {
  const [first = '', second = ''] = [left, right].map(({ headers }) => headers[headers.indexOf('Authorization') + 1]);
  return (
    first.includes(' ') && first.toLowerCase() === second.toLowerCase() && first.split(' ')[1] === second.split(' ')[1]
  );
}

for (const { key } of providers) {
  describe(key, () => {
    test('a body verifies changed only where the change is in nothing that is signed', async () => {
      const { verifier, request } = await genuine(key);
      const { verdict, held } = await judge(verifier, request);
      assert.deepEqual(verdict, { ok: true });
      const signed = fingerprint(held);
      for (const changed of bodyChanges(request)) {
        const other = await judge(verifier, changed);
        if (other.verdict.ok) assert.equal(fingerprint(other.held), signed);
      }
    });

    test('not a bit of signature, token, time or id can be changed', async () => {
      const whole = await genuine(key);
      for (const changed of headerChanges(whole)) {
        const { verdict } = await judge(whole.verifier, changed);
        if (verdict.ok) assert.ok(sameCredentials(changed, whole.request), changed.headers.join(' '));
      }
    });

    test('any of several secrets verifies, a stranger alone does not', async () => {
      const { settings, request } = await genuine(key);
      const stranger = trialSettings(key, publicUrl);
      const provider = findProvider(key) ?? assert.fail();
      const both = { ...settings };
      for (const name of ['secrets', 'publicKeys', 'primaryKeys', 'credentials', 'webhookId'] as const) {
        const [right, other] = [settings[name], stranger[name]];
        if (typeof right === 'string' && typeof other === 'string') Object.assign(both, { [name]: [other, right] });
      }
      assert.deepEqual(await provider.make(both).verify(request, now), { ok: true });
      assert.equal((await provider.make(stranger).verify(request, now)).ok, false);
    });
  });
}

/** Providers that sign the body as bytes, whatever they are. */
const rawSigners = providers.filter(({ key }) => {
  const { verifier, make } = simulation(key, { publicUrl, now: () => now });
  return (
    verifier.sign !== undefined &&
    verifier.embed === undefined &&
    key !== 'rook' &&
    key !== 'linear' &&
    make(0).body.length > 0
  );
});

test('random bytes verify with exactly their own signature', async () => {
  let schemes = 0;
  for (const { key } of rawSigners) {
    const { verifier, unsigned } = await genuine(key);
    const { held } = await judge(verifier, await signRequest(verifier, unsigned, now));
    if (held === undefined) continue;
    schemes++;
    const bodies = fc.uint8Array({ minLength: 1, maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(bodies, bodies, async (left, right) => {
        const request = await signRequest(verifier, { ...unsigned, body: left }, now);
        assert.deepEqual(await verifier.verify(request, now), { ok: true });
        const same = Buffer.compare(left, right) === 0;
        assert.equal((await verifier.verify({ ...request, body: right }, now)).ok, same, key);
      }),
      { numRuns: 15 },
    );
  }
  assert.ok(schemes >= 30, String(schemes));
});
