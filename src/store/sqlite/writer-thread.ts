/** The thread of a writer or of a checkpointer: a connection of its own, requests in their order. */
import { parentPort, workerData } from 'node:worker_threads';
import { connectWriter } from './connection.ts';
import { Executor, ScriptError } from './executor.ts';
import type { ThreadData, ThreadReply, ThreadRequest } from './writer.ts';

const { path, synchronous, arena } = workerData as ThreadData;
const executor = new Executor(connectWriter(path, synchronous), new Uint8Array(arena ?? new ArrayBuffer(0)));
const checkpoint = {
  begin: false,
  steps: [{ statement: { sql: 'PRAGMA wal_checkpoint(PASSIVE)' }, params: [] }],
  commit: false,
};

function answer(request: ThreadRequest): ThreadReply {
  try {
    if (request.kind === 'run') return { result: executor.run(request.script) };
    if (request.kind === 'checkpoint') return { result: executor.run(checkpoint) };
    if (request.kind === 'rollBack') executor.rollBack();
    else executor.close();
    return { result: { rows: [] } };
  } catch (error) {
    if (error instanceof ScriptError) return { failure: error.failure };
    return { failure: { code: null, message: String(error), rolledBack: false } };
  }
}

parentPort?.on('message', (request: ThreadRequest) => parentPort?.postMessage(answer(request), []));
