/** Real providers' bodies, as they would come, through the whole gateway: what a handler gets is what was sent. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { defineConfig } from 'holdfast';
import { testGateway } from 'holdfast/testing';
import { hmac } from 'holdfast/verify';
import { createHmac } from 'node:crypto';

const directory = new URL('../../shared/payloads/', import.meta.url);
const skip = existsSync(directory)
  ? false
  : 'the payload samples are not here: they come with the project’s shared data, not with a clone';

test('sample payloads of providers arrive byte for byte, and twice they are one event', { skip }, async () => {
  const config = defineConfig({
    sources: {
      any: { verify: hmac({ header: 'x-signature', secrets: 'test' }), dedupeKey: 'header.x-key' },
    },
  });
  const handled = new Map<string, Buffer>();
  await using t = await testGateway(config, (gateway) => {
    gateway.handle(
      'keeper',
      { from: 'any' },
      (event) => void handled.set(event.header('x-key') ?? '', Buffer.from(event.raw)),
    );
  });
  const files = readdirSync(directory).filter((name) => name !== 'README.md');
  for (const file of [...files, ...files]) {
    const body = readFileSync(new URL(file, directory));
    const signature = createHmac('sha256', 'test').update(body).digest('hex');
    const answer = await t.request('/in/any', {
      method: 'POST',
      headers: { 'x-signature': signature, 'x-key': file },
      body,
    });
    assert.equal(answer.status, 200, file);
  }
  await t.settled();
  assert.deepEqual(await t.outcomes(), { keeper: { succeeded: files.length } });
  for (const file of files) assert.deepEqual(handled.get(file), readFileSync(new URL(file, directory)), file);
});
