/**
 * Signing round trips against the providers' own libraries: what is signed here they accept, what they sign verifies
 * here, and a changed body neither takes.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { sign as signGithub } from '@octokit/webhooks-methods';
import { simulation } from 'holdfast/testing';
import { payloads } from '../src/cli/simulate/payloads/index.ts';
import { findProvider, signRequest } from '../src/verify/index.ts';
import type { UnsignedRequest, Verifier } from '../src/verify/index.ts';
import { type TrialSettings, trialSettings } from '../src/verify/trial.ts';
import { libraries, type Library, ORIGIN, PATH, type Received, received } from './sdk-libraries.ts';

function receiverOf(provider: string): { readonly verifier: Verifier; readonly settings: TrialSettings } {
  const settings = trialSettings(provider, ORIGIN);
  return { verifier: findProvider(provider)?.make(settings) ?? assert.fail(provider), settings };
}

/** Whether a library takes a request: it says so, answers what it read, or throws. */
async function taken(library: Library, given: Received): Promise<boolean> {
  try {
    return Boolean(await library.takes(given));
  } catch {
    return false;
  }
}

const simulated = (provider: string, type?: string): UnsignedRequest =>
  simulation(provider, { path: PATH, publicUrl: ORIGIN, ...(type !== undefined && { type }) }).make(0);

/** The request with other digits in its body, which leave JSON and forms what they are. */
function changed(request: UnsignedRequest): UnsignedRequest {
  const text = Buffer.from(request.body).toString('utf8');
  return { ...request, body: Buffer.from(text.replaceAll(/\d/g, (digit) => String((Number(digit) + 1) % 10))) };
}

for (const library of libraries) {
  describe(`${library.provider}, and ${library.library}`, () => {
    test('it takes each type that is simulated here, and not what was changed or signed with another secret', async () => {
      const { verifier, settings } = receiverOf(library.provider);
      const stranger = receiverOf(library.provider).settings;
      for (const type of Object.keys(payloads[library.provider]?.types ?? {})) {
        const signed = await signRequest(verifier, simulated(library.provider, type), Date.now());
        assert.equal(await taken(library, received(signed, settings)), true, type);
        assert.equal(await taken(library, received(changed(signed), settings)), false, type);
        assert.equal(await taken(library, received(signed, stranger)), false, type);
      }
    });

    const { signs } = library;
    if (signs === undefined) return;
    test('what it signs verifies here, and not once it was changed', async () => {
      const { verifier, settings } = receiverOf(library.provider);
      const sample = simulated(library.provider);
      const { text, url, secret } = received(sample, settings);
      const made = (await signs({ text, url, secret })) as Record<string, string>;
      const own = new Set(Object.keys(made));
      const kept = sample.headers.filter((_, index) => !own.has(sample.headers[index - (index % 2)] ?? ''));
      const request = { ...sample, headers: [...kept, ...Object.entries(made).flat()] };
      assert.deepEqual(await verifier.verify(request, Date.now()), { ok: true });
      assert.equal((await verifier.verify(changed(request), Date.now())).ok, false);
    });
  });
}

test('random bodies: whatever either side signs, the other takes', async () => {
  const { verifier, settings } = receiverOf('github');
  for (let bytes = 1; bytes < 50; bytes++) {
    const text = randomBytes(bytes).toString('base64');
    const request = { ...simulated('github'), body: Buffer.from(text) };
    const { secret, headers } = received(await signRequest(verifier, request, Date.now()), settings);
    assert.equal(headers['x-hub-signature-256'], await signGithub(secret, text));
  }
});
