import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { TokenRequest } from '../api/port.ts';
import { IdMaker } from '../core/id.ts';
import { silentObserver } from '../core/observer.ts';
import { HoldfastError } from '../errors.ts';
import { memoryStore } from '../store/memory.ts';
import type { DocumentWrite, RegistryStore } from '../store/store.ts';
import { TestClock } from '../testing/clock.ts';
import { hashToken, Tokens } from './tokens.ts';

const ADMIN_TOKEN = 'hf_the-admin-token';
const HOUR_MS = 3_600_000;

let clock: TestClock;
let registry: RegistryStore;
let writes: DocumentWrite[];
let writing: boolean;

beforeEach(async () => {
  clock = new TestClock();
  const store = memoryStore({ clock });
  await store.work.open();
  ({ registry } = store);
  writes = [];
  writing = true;
});

/** The tokens as one process has them; several share the store. */
async function tokensOf(): Promise<Tokens> {
  let drawn = 0;
  const fill = (bytes: Uint8Array): void => void bytes.fill(drawn++ % 251);
  const write: RegistryStore['put'] = async (document) => {
    if (!writing) throw new HoldfastError('store_unavailable');
    writes.push(document);
    return registry.put(document);
  };
  const parts = { registry, committer: { write }, clock, ids: new IdMaker({ now: () => clock.now(), fill }) };
  const tokens = new Tokens({ ...parts, observer: silentObserver, adminHashes: [hashToken(ADMIN_TOKEN)] });
  await tokens.start();
  return tokens;
}

const request = (parts: Partial<TokenRequest> = {}): TokenRequest => {
  return { name: 'ci', scopes: ['read'], tenant: null, expiresAt: null, by: 'anna', ...parts };
};

const why = (tokens: Tokens, token: string): string => {
  const identified = tokens.identify(token);
  return identified.caller === null ? identified.why : 'good';
};

describe('an API token', () => {
  test('says who calls, with its scopes and its tenant', async () => {
    const tokens = await tokensOf();
    const { token, info } = await tokens.create(request({ scopes: ['read', 'emit'], tenant: 'acme' }));
    const { id } = info;
    assert.deepEqual(tokens.identify(token), {
      caller: { id, name: 'ci', scopes: ['read', 'emit'], tenant: 'acme' },
    });
    assert.equal(tokens.identify(ADMIN_TOKEN).caller?.id, 'admin');
    tokens.stop();
  });

  test('has 256 random bits behind a public prefix, and is kept as a hash only', async () => {
    const tokens = await tokensOf();
    const made = await Promise.all(Array.from({ length: 20 }, () => tokens.create(request())));
    assert.equal(new Set(made.map(({ token }) => token.slice(-43))).size, 20);
    for (const { token, info } of made) {
      assert.match(token, /^hft_[0-9a-z]{26}_[\w-]{43}$/);
      assert.ok(token.includes(info.id.slice(4)), 'what is found in a log says which token to revoke');
      const kept = JSON.stringify([await registry.list('token'), await tokens.list()]);
      assert.ok(!kept.includes(token.slice(-43)), 'the text is nowhere in the store');
    }
    assert.doesNotMatch(JSON.stringify(await tokens.list()), /sha256|hash/);
    tokens.stop();
  });

  test('is good whole only', async () => {
    const tokens = await tokensOf();
    const { token } = await tokens.create(request());
    const { token: other } = await tokens.create(request());
    const mixed = token.slice(0, 31) + other.slice(31);
    for (const wrong of [token.slice(0, -1), `${token}x`, token.slice(0, 31), mixed, '', token.toUpperCase(), 'hf_'])
      assert.equal(why(tokens, wrong), 'unknown', wrong);
    tokens.stop();
  });

  test('is refused from the moment it expires', async () => {
    const tokens = await tokensOf();
    const { token } = await tokens.create(request({ expiresAt: clock.now() + 1000 }));
    clock.advance(999);
    assert.equal(why(tokens, token), 'good');
    clock.advance(1);
    assert.equal(why(tokens, token), 'expired');
    tokens.stop();
  });

  test('is not made with a scope that would void its tenant, or for the past', async () => {
    const tokens = await tokensOf();
    for (const wrong of [{ scopes: ['admin'], tenant: 'acme' }, { scopes: [] }, { expiresAt: clock.now() }] as const)
      await assert.rejects(tokens.create(request(wrong)), { code: 'invalid_input' });
    assert.deepEqual(await tokens.list(), []);
    tokens.stop();
  });

  test('made or revoked in one process is so in every other within five seconds', async () => {
    const [here, there] = [await tokensOf(), await tokensOf()];
    const { token, info } = await here.create(request());
    await clock.advanceSlowly(5000);
    assert.equal(why(there, token), 'good');
    assert.equal((await there.revoke(info.id))?.name, 'ci');
    assert.equal(why(there, token), 'unknown');
    await clock.advanceSlowly(5000);
    assert.equal(why(here, token), 'unknown');
    assert.equal(await here.revoke(info.id), null);
    here.stop();
    there.stop();
  });

  test('that was revoked is refused also when the store failed at that very moment, as soon as it is back', async () => {
    const [here, there] = [await tokensOf(), await tokensOf()];
    const { token, info } = await here.create(request());
    await clock.advanceSlowly(5000);
    const list = registry.list.bind(registry);
    registry.list = () => Promise.reject(new HoldfastError('store_unavailable'));
    await registry.put({ kind: 'token', key: info.id, value: null, ifVersion: null });
    await clock.advanceSlowly(5000);
    registry.list = list;
    await clock.advanceSlowly(1000);
    assert.deepEqual([why(here, token), why(there, token)], ['unknown', 'unknown']);
    here.stop();
    there.stop();
  });

  test('that was revoked here is refused at once, and no older answer of the store brings it back', async () => {
    const tokens = await tokensOf();
    const { token, info } = await tokens.create(request());
    await clock.advanceSlowly(5000);
    const { promise: held, resolve: answer } = Promise.withResolvers<void>();
    const list = registry.list.bind(registry);
    registry.list = async (kind) => {
      const rows = await list(kind);
      await held;
      return rows;
    };
    await registry.put({ kind: 'token', key: 'tok_gone', value: null, ifVersion: null });
    await clock.advanceSlowly(5000);
    registry.list = list;
    await tokens.revoke(info.id);
    assert.equal(why(tokens, token), 'unknown', 'while it is being read');
    answer();
    for (let turn = 0; turn < 20; turn++) {
      await Promise.resolve();
      assert.equal(why(tokens, token), 'unknown');
    }
    await clock.advanceSlowly(60_000);
    assert.equal(why(tokens, token), 'unknown');
    tokens.stop();
  });

  test('is noted as used once an hour, not with every request', async () => {
    const tokens = await tokensOf();
    const { token, info } = await tokens.create(request());
    writes = [];
    for (let used = 0; used < 100; used++) tokens.identify(token);
    await clock.advanceSlowly(5000);
    assert.equal(writes.length, 1);
    assert.equal((await tokens.list())[0]?.lastUsedAt, clock.now() - 5000);
    await clock.advanceSlowly(HOUR_MS);
    tokens.identify(token);
    tokens.identify(token);
    await clock.advanceSlowly(5000);
    assert.deepEqual(
      writes.map(({ key }) => key),
      [info.id, info.id],
    );
    tokens.stop();
  });

  test('is not brought back by noting that it was used', async () => {
    const tokens = await tokensOf();
    const { token, info } = await tokens.create(request());
    const list = registry.list.bind(registry);
    registry.list = () => Promise.reject(new HoldfastError('store_unavailable'));
    await registry.put({ kind: 'token', key: info.id, value: null, ifVersion: null });
    assert.equal(why(tokens, token), 'good', 'it has not heard of it yet');
    registry.list = list;
    await clock.advanceSlowly(5000);
    assert.equal(writes.at(-1)?.key, info.id);
    assert.deepEqual([await tokens.list(), why(tokens, token)], [[], 'unknown']);
    tokens.stop();
  });

  test('serves also while its use cannot be noted', async () => {
    const tokens = await tokensOf();
    const { token } = await tokens.create(request());
    writing = false;
    assert.equal(why(tokens, token), 'good');
    tokens.stop();
  });

  test('whose document was damaged opens nothing', async () => {
    const tokens = await tokensOf();
    const { token, info } = await tokens.create(request({ scopes: ['emit'] }));
    const document = await registry.get('token', info.id);
    const value = document?.value as Record<string, never>;
    const broken = [
      { ...value, sha256: '' },
      { ...value, scopes: ['root', 'toString'] },
    ];
    for (const one of broken) {
      await registry.put({ kind: 'token', key: info.id, value: one, ifVersion: null });
      await clock.advanceSlowly(5000);
      assert.deepEqual(tokens.identify(token).caller?.scopes ?? [], []);
    }
    tokens.stop();
  });
});
