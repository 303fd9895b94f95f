import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe } from 'node:test';
import { systemClock } from '../src/gateway/clock.ts';
import { sqliteSpool } from '../src/store/sqlite/spool.ts';
import { Builder } from '../src/testing/conformance/build.ts';
import { Place } from './cli-program.ts';
import { postgres, postgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';

describe('holdfast spool', () => {
  const here = postgresHere();

  testNeeding(
    [postgres],
    'moves the spool of a machine that died, routed by the config, and says how it went',
    async () => {
      await using place = new Place();
      place.write('holdfast.config.mjs', "export default { sources: {}, handlers: './handlers.mjs' };");
      place.write('handlers.mjs', "export default (gateway) => gateway.handle('till', { from: 'emitted' }, () => {});");
      const file = sqliteSpool({ path: join(place.path, 'spool.db'), clock: systemClock });
      const build = new Builder(systemClock);
      await file.open();
      const events = [build.event({ source: 'emitted' }), build.event({ source: 'emitted' })];
      await file.put(
        events.map(({ event }) => ({ events: [{ event, dedupeWindowMs: 0, dueAt: null }], doubtful: false })),
      );
      place.environment['HOLDFAST_SPOOL'] = 'sqlite:./spool.db';
      place.environment['HOLDFAST_STORE'] = here().server.url;
      assert.equal((await place.run('spool', 'drain')).code, 1, 'another process owns it');
      await file.close();
      place.environment['HOLDFAST_STORE'] = 'postgres://127.0.0.1:1/never';
      assert.equal((await place.run('spool', 'drain')).code, 1, 'the store is away');
      place.environment['HOLDFAST_STORE'] = here().server.url;
      assert.partialDeepStrictEqual(await place.json('spool', 'status', '--json'), [{ events: 2, aside: 0 }]);
      assert.partialDeepStrictEqual(await place.json('spool', 'drain', '--json'), [{ moved: 2, events: 0 }]);
      const sql = 'SELECT owed FROM holdfast.event';
      assert.deepEqual(await here().worlds.query(sql), [{ owed: 1 }, { owed: 1 }]);
    },
  );
});
