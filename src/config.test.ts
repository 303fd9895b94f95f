import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Config, resolveConfig } from './config.ts';

function settingsOf(config: Readonly<Record<string, unknown>>, variables: Readonly<Record<string, string>> = {}) {
  return resolveConfig({ ...config, sources: {} } as Config, (name) => variables[name]).settings;
}

test('a duration is text with a unit, or a number of milliseconds, in the config as in the environment', () => {
  assert.equal(settingsOf({ graceMs: 45_000 }).graceMs, 45_000);
  assert.equal(settingsOf({ graceMs: 0 }).graceMs, 0);
  assert.equal(settingsOf({ graceMs: '45s' }).graceMs, 45_000);
  assert.equal(settingsOf({}, { HOLDFAST_GRACE: '45000' }).graceMs, 45_000);
  for (const graceMs of [-1, Number.NaN, true, '-5s', {}])
    assert.throws(() => settingsOf({ graceMs }), { code: 'config_invalid', message: /graceMs .*expected duration/ });
});
