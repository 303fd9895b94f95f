import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { postgresAddress } from './address.ts';
import { postgresStore } from './index.ts';
import { TestClock } from '../../testing/clock.ts';

const refused = { name: 'HoldfastError', code: 'config_invalid' };

describe('the address of a postgres store', () => {
  it('keeps what is for the client', () => {
    const url = 'postgres://ada:s%40@db:5432/webhooks?sslmode=verify-full';
    assert.deepEqual(postgresAddress(url), { url });
  });

  it('takes out what is its own', () => {
    const address = postgresAddress('postgresql://db/webhooks?schema=other&sslmode=require&connections=3&listen=off');
    const url = 'postgresql://db/webhooks?sslmode=require';
    assert.deepEqual(address, { url, schema: 'other', connectionsMax: 3, listenUrl: null });
    const direct = encodeURIComponent('postgres://direct/webhooks');
    assert.equal(
      postgresAddress(`postgres://pooler/webhooks?listen=${direct}`).listenUrl,
      'postgres://direct/webhooks',
    );
  });

  it('refuses what does not fit, and shows no password', () => {
    const wrong = [
      'postgres://ada:s3cret@',
      'postgres://ada:s3cret@db/x?connections=1',
      'postgres://ada:s3cret@db/x?listen=no',
      'postgres://ada:s3cret@db/x?conections=4',
    ];
    for (const url of wrong) {
      assert.throws(
        () => postgresAddress(url),
        (error: Error) => {
          assert.equal((error as Error & { code?: string }).code, refused.code);
          assert.doesNotMatch(error.message, /s3cret/);
          return true;
        },
      );
    }
    const schema = 'Robert"; DROP SCHEMA public; --';
    assert.throws(
      () => postgresStore({ url: 'postgres://db/x', schema, clock: new TestClock(), process: 'a' }),
      refused,
    );
  });
});
