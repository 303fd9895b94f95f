import assert from 'node:assert/strict';
import { test } from 'node:test';
import { succession } from './succession.ts';

/** Gateways of one store, of which only one at a time may run. */
function gateways(store: string) {
  const told: string[] = [];
  let owner: string | null = null;
  const gateway = (name: string, stopping: () => Promise<void> = async () => undefined) =>
    succession(store, {
      start: async () => {
        if (owner !== null) throw new Error(`${owner} owns the store`);
        owner = name;
        told.push(`${name} started`);
      },
      stop: async () => {
        if (owner !== name) return;
        await stopping();
        owner = null;
        told.push(`${name} stopped`);
      },
    });
  return { gateway, told };
}

test('a gateway takes over after the one before it, also when that one still waits for its turn', async () => {
  const { gateway, told } = gateways('sqlite:reloaded-twice');
  const { promise: stopping, resolve: stopped } = Promise.withResolvers<void>();
  const first = gateway('first', () => stopping);
  const second = gateway('second');
  const third = gateway('third');
  await first();
  const turns = [second(), third()];
  stopped();
  await Promise.all(turns);
  assert.deepEqual(told, ['first started', 'first stopped', 'second started', 'second stopped', 'third started']);
});

test('a gateway that could not stop the one before it tries that again', async () => {
  const { gateway, told } = gateways('sqlite:hard-to-stop');
  let tries = 0;
  const first = gateway('first', async () => {
    if (++tries === 1) throw new Error('not now');
  });
  const second = gateway('second');
  await first();
  await assert.rejects(second(), /not now/);
  await second();
  assert.deepEqual(told, ['first started', 'first stopped', 'second started']);
});
