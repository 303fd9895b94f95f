import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placeOf } from './rendezvous.ts';

const members = Array.from({ length: 7 }, (_, index) => `prc_${index}`);
const names = Array.from({ length: 700 }, (_, index) => `ep_${index}`);

test('for every name each member has a place of its own', () => {
  for (const name of names) {
    const places = members.map((member) => placeOf(name, member, members));
    assert.deepEqual(
      places.toSorted((a, b) => a - b),
      members.map((_, index) => index),
    );
  }
});

test('when a member goes, nobody changes places with anybody', () => {
  const rest = members.slice(1);
  const order = (among: readonly string[], name: string): readonly string[] =>
    among.toSorted((a, b) => placeOf(name, a, among) - placeOf(name, b, among));
  for (const name of names) {
    assert.deepEqual(
      order(members, name).filter((member) => member !== members[0]),
      order(rest, name),
    );
  }
});

test('first places are spread evenly', () => {
  for (const member of members) {
    const first = names.filter((name) => placeOf(name, member, members) === 0).length;
    assert.ok(first > 60 && first < 140, `${member} is first for ${first} of 700 names`);
  }
});
