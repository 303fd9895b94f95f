import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { HoldfastError } from '../errors.ts';
import { findConfig, loadConfig } from './config-file.ts';

const root = mkdtempSync(join(tmpdir(), 'holdfast-config-'));
after(() => rmSync(root, { recursive: true }));

function folder(name: string, files: Readonly<Record<string, string>>): string {
  const path = join(root, name);
  mkdirSync(path, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

async function failure(text: string, name: string): Promise<HoldfastError> {
  const path = join(folder(name, { 'holdfast.config.ts': text }), 'holdfast.config.ts');
  const error: unknown = await loadConfig(path).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof HoldfastError, String(error));
  assert.ok(error.message.includes(path), error.message);
  return error;
}

describe('finding a config', () => {
  test('the nearest one above counts, and .ts before .js in one folder', () => {
    const top = folder('found', { 'holdfast.config.ts': '', 'holdfast.config.js': '' });
    const deep = folder('found/a/b', {});
    assert.equal(findConfig(deep), join(top, 'holdfast.config.ts'));
    const nearer = folder('found/a', { 'holdfast.config.mjs': '' });
    assert.equal(findConfig(deep), join(nearer, 'holdfast.config.mjs'));
  });

  test('none anywhere is none', () => {
    assert.equal(findConfig(folder('empty', {})), null);
  });

  test('one that is named has to be there', () => {
    const path = folder('named', { 'other.ts': '' });
    assert.equal(findConfig(path, 'other.ts'), join(path, 'other.ts'));
    assert.throws(
      () => findConfig(path, 'missing.ts'),
      (error) =>
        error instanceof HoldfastError &&
        error.code === 'config_not_found' &&
        error.message.includes(join(path, 'missing.ts')),
    );
  });
});

describe('loading a config', () => {
  test('imports holdfast from the copy that runs, where the folder has none', async () => {
    const text = `import { defineConfig } from 'holdfast';
import { none } from 'holdfast/verify';
export default defineConfig({ sources: { open: { verify: none() } }, port: 1234 });`;
    const directory = folder('own', { 'holdfast.config.ts': text });
    const { config, ...rest } = await loadConfig(join(directory, 'holdfast.config.ts'));
    assert.equal(config.port, 1234);
    assert.deepEqual(rest, { file: join(directory, 'holdfast.config.ts'), directory });
  });

  test('reads the .env beside it; what is set already stays', async () => {
    process.env['HOLDFAST_TEST_SET'] = 'before';
    const directory = folder('env', {
      '.env': 'HOLDFAST_TEST_SET=after\nHOLDFAST_TEST_NEW=new\n',
      'holdfast.config.ts': 'export default { sources: {} };',
    });
    await loadConfig(join(directory, 'holdfast.config.ts'));
    assert.deepEqual([process.env['HOLDFAST_TEST_SET'], process.env['HOLDFAST_TEST_NEW']], ['before', 'new']);
    delete process.env['HOLDFAST_TEST_SET'];
    delete process.env['HOLDFAST_TEST_NEW'];
  });

  test("a folder named .env is somebody else's", async () => {
    const directory = folder('env-folder', { 'holdfast.config.ts': 'export default { sources: {} };' });
    mkdirSync(join(directory, '.env'));
    assert.deepEqual((await loadConfig(join(directory, 'holdfast.config.ts'))).config, { sources: {} });
  });

  test('a file that throws, does not parse or lacks a package says so by its name', async () => {
    assert.match((await failure("throw new Error('boom');", 'throws')).message, /could not be loaded: boom/);
    assert.equal((await failure('export default {', 'syntax')).code, 'config_invalid');
    assert.match(
      (await failure("import 'not-installed';", 'lacks')).message,
      /not-installed.*Is everything it imports installed\?/s,
    );
  });

  test('a module where package.json says CommonJS says what to do', async () => {
    for (const [index, text] of ["import 'node:fs';", 'export default { sources: {} };'].entries()) {
      folder(`commonjs-${index}`, { 'package.json': '{"type": "commonjs"}' });
      assert.match((await failure(text, `commonjs-${index}`)).message, /npm pkg set type=module/);
    }
  });

  test('an export that is no config says what was expected', async () => {
    for (const [index, text] of [
      'export const config = {};',
      'export default {};',
      'export default { sources: null };',
    ].entries()) {
      assert.match((await failure(text, `wrong-${index}`)).message, /expected export default defineConfig/);
    }
  });
});
