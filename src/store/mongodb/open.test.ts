import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect } from './open.ts';

describe('the URL of a store on MongoDB', () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['mongodb://ada:100%25s3cret%@h/x', /URI malformed/],
    ['mongodb://ada:s3cret/1@h/x', /unescaped characters/],
    ['mongodb://ada:s3cret@h/%zz', /URI malformed/],
    ['mongodb://ada:s3cret@h/a.b', /cannot contain the character '\.'/],
    ['mongodb://ada:s3cret@h/x?jornal=true', /option jornal is not supported/],
  ];
  for (const [url, message] of wrong) {
    test(`is refused with ${message.source}: ${url}`, () => {
      assert.throws(
        () => connect(url),
        (error: Error & { readonly code?: string }) => {
          assert.equal(error.code, 'config_invalid');
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /s3cret/);
          return true;
        },
      );
    });
  }

  test('may have what is special in a password, percent-encoded', () => {
    const { client, db } = connect('mongodb://ada:p%40%2F%3A%3F%25@h/a%20%C3%BC');
    assert.equal(client.options.credentials?.password, 'p@/:?%');
    assert.equal(db.databaseName, 'a ü');
  });
});
