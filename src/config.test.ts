import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveConfig } from './config.ts';

function settingsOf(config: Readonly<Record<string, unknown>>, variables: Readonly<Record<string, string>> = {}) {
  return resolveConfig({ ...config, sources: {} }, (name) => variables[name]).settings;
}

test('a duration is text with a unit, or a number of milliseconds, in the config as in the environment', () => {
  assert.equal(settingsOf({ graceMs: 45_000 }).graceMs, 45_000);
  assert.equal(settingsOf({ graceMs: 0 }).graceMs, 0);
  assert.equal(settingsOf({ graceMs: '45s' }).graceMs, 45_000);
  assert.equal(settingsOf({}, { HOLDFAST_GRACE: '45000' }).graceMs, 45_000);
  for (const graceMs of [-1, Number.NaN, true, '-5s', {}])
    assert.throws(() => settingsOf({ graceMs }), { code: 'config_invalid', message: /graceMs .*expected duration/ });
});

test('a setting that is blank is not given', () => {
  for (const blank of ['', ' ', '\t\n']) {
    const settings = settingsOf({ adminToken: blank }, { HOLDFAST_PORT: blank, HOLDFAST_STORE: blank });
    assert.deepEqual([settings.port, settings.store, settings.adminToken], [8420, 'sqlite:./data/holdfast.db', null]);
  }
  assert.equal(settingsOf({ port: null }).port, 8420);
});

test('a setting of another type is refused', () => {
  for (const port of [true, false, 1.5, 'many', -1, {}])
    assert.throws(() => settingsOf({ port }), {
      code: 'config_invalid',
      message: /port \(HOLDFAST_PORT\): expected integer/,
    });
});
