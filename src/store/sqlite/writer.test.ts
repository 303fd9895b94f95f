import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { StoreError } from '../store.ts';
import { scratch } from './harness.ts';
import { ThreadLine } from './writer.ts';

test('a thread that has failed fails whatever is asked of it afterwards, and can be closed', async (t) => {
  const { path, remove } = scratch();
  t.after(remove);
  const line = new ThreadLine({
    path: join(path, 'no', 'such', 'directory.db'),
    synchronous: 'FULL',
    arena: new SharedArrayBuffer(8),
  });
  const isFatal = (error: unknown): boolean => error instanceof StoreError && error.failure === 'fatal';
  await assert.rejects(line.ask({ kind: 'rollBack' }), isFatal);
  await assert.rejects(line.ask({ kind: 'rollBack' }), isFatal);
  await line.close();
  await line.close();
});
