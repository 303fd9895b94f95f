import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MongoServerError } from 'mongodb';
import { asking } from './failure.ts';

/** What the caller of a store is told of a write that the server answered with this. */
function told(codeName: string, code: number): Promise<unknown> {
  const failing = (): Promise<never> =>
    Promise.reject(new MongoServerError({ ok: 0, errmsg: codeName, code, codeName }));
  return asking(failing, true).catch((error: { readonly failure?: unknown }) => error.failure);
}

describe('a write to MongoDB', () => {
  // No server adds a label to these: `retryWrites` is off.
  const perhaps = {
    HostUnreachable: 6,
    NetworkTimeout: 89,
    ShutdownInProgress: 91,
    PrimarySteppedDown: 189,
    ExceededTimeLimit: 262,
    SocketException: 9001,
    InterruptedAtShutdown: 11_600,
    InterruptedDueToReplStateChange: 11_602,
  };
  for (const [name, code] of Object.entries(perhaps)) {
    test(`that ends with ${name} may be there`, async () => assert.equal(await told(name, code), 'unknown'));
  }

  const refused = {
    NotWritablePrimary: 10_107,
    NotPrimaryNoSecondaryOk: 13_435,
    Unauthorized: 13,
    DuplicateKey: 11_000,
  };
  for (const [name, code] of Object.entries(refused)) {
    test(`that ends with ${name} is not there`, async () => assert.equal(await told(name, code), 'unavailable'));
  }
});
