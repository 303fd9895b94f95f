import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { AuditRecord } from '../api/port.ts';
import { AuditCheck, type AuditEntry, auditHash, type AuditFault } from '../core/audit.ts';
import { silentObserver } from '../core/observer.ts';
import { memoryStore } from '../store/memory.ts';
import type { RegistryStore } from '../store/store.ts';
import { TestClock } from '../testing/clock.ts';
import { AuditLog, type AuditLogOptions } from './audit.ts';

let clock: TestClock;
let registry: RegistryStore;

beforeEach(async () => {
  clock = new TestClock();
  const store = memoryStore({ clock });
  await store.work.open();
  registry = store.registry;
});

/** A log of one process; several share the store. */
function log(parts: Partial<AuditLogOptions> = {}): AuditLog {
  const committer = { write: registry.put.bind(registry) };
  return new AuditLog({
    registry,
    committer,
    clock,
    observer: silentObserver,
    entriesMax: 1000,
    retainMs: null,
    ...parts,
  });
}

const record = (target: string): AuditRecord => ({
  caller: { id: 'tok_1', name: 'deploys' },
  by: 'cli anna',
  action: 'queue.pause',
  target,
  note: null,
  before: null,
  after: null,
  ip: '192.0.2.1',
});

async function fill(audit: AuditLog, count: number): Promise<void> {
  for (let made = 0; made < count; made++) await audit.append(record(`d${made}`));
}

/** All entries, the oldest first, page by page. */
async function all(audit: AuditLog, limit = 50): Promise<AuditEntry[]> {
  const rows: AuditEntry[] = [];
  let cursor: string | null = null;
  do {
    const page = await audit.list({ limit, oldestFirst: true, ...(cursor === null ? {} : { cursor }) });
    rows.push(...page.rows);
    cursor = page.cursor;
  } while (cursor !== null);
  return rows;
}

async function fault(audit: AuditLog): Promise<AuditFault | null> {
  const { marks } = await audit.list({ limit: 1 });
  const check = new AuditCheck(marks);
  for (const entry of await all(audit)) check.add(entry);
  return check.end();
}

/** What somebody does who can write to the store. */
async function tamper(page: number, change: (entries: AuditEntry[]) => AuditEntry[]): Promise<void> {
  const key = String(page).padStart(10, '0');
  const document = await registry.get('audit', key);
  const entries = document?.value as unknown as AuditEntry[];
  const value = JSON.parse(JSON.stringify(change(entries.map((entry) => ({ ...entry }))))) as never;
  await registry.put({ kind: 'audit', key, value, ifVersion: null });
}

describe('the audit log', () => {
  test('gives every entry once, in order, from either end, whatever the size of a page', async () => {
    const audit = log();
    await fill(audit, 150);
    for (const limit of [1, 7, 64, 200]) {
      assert.deepEqual(
        (await all(audit, limit)).map(({ seq }) => seq),
        Array.from({ length: 150 }, (_, i) => i + 1),
      );
    }
    const newest = await audit.list({ limit: 3 });
    assert.deepEqual(
      newest.rows.map(({ target }) => target),
      ['d149', 'd148', 'd147'],
    );
    const older = await audit.list({ limit: 2, cursor: newest.cursor ?? '' });
    assert.deepEqual(
      older.rows.map(({ seq }) => seq),
      [147, 146],
    );
    const oldest = await audit.list({ limit: 10, cursor: '3' });
    assert.deepEqual([oldest.rows.map(({ seq }) => seq), oldest.cursor], [[2, 1], null]);
    assert.equal(await fault(audit), null);
  });

  test('is empty, and good, before the first entry', async () => {
    assert.deepEqual(await log().list({ limit: 10 }), { rows: [], cursor: null, marks: { purged: null, head: null } });
    assert.equal(await fault(log()), null);
  });

  test('goes on where it was after a restart', async () => {
    await fill(log(), 64);
    await fill(log(), 2);
    assert.deepEqual([(await all(log())).length, await fault(log())], [66, null]);
  });

  test('is one chain also when several processes write at once', async () => {
    const logs = [log(), log(), log()];
    await Promise.all(logs.flatMap((audit) => Array.from({ length: 30 }, (_, i) => audit.append(record(`d${i}`)))));
    assert.deepEqual([(await all(log())).length, await fault(log())], [90, null]);
  });

  test('keeps any text whole', async () => {
    const audit = log();
    await audit.append({ ...record(`${'x'.repeat(510)}👍👍\0`), note: 'zero \0, half \ud83d' });
    assert.equal(await fault(audit), null);
    const [entry] = await all(audit);
    assert.ok(entry?.target.isWellFormed() === true && entry.target.length <= 512);
    assert.doesNotMatch(JSON.stringify(entry), /\\u0000|\\ud83d/);
  });
});

describe('an audit log is no longer believed', () => {
  const tampered: Readonly<
    Record<string, { change: (entries: AuditEntry[]) => AuditEntry[]; seq: number; why: RegExp }>
  > = {
    'when an entry was changed': {
      change: (rows) => rows.map((row) => (row.seq === 70 ? { ...row, whoName: 'somebody else' } : row)),
      seq: 70,
      why: /was changed/,
    },
    'when an entry and its hash were changed': {
      change: (rows) => rows.map((row) => (row.seq === 70 ? rehashed({ ...row, target: 'other' }) : row)),
      seq: 71,
      why: /does not follow/,
    },
    'when the newest entry and its hash were changed': {
      change: (rows) => rows.map((row) => (row.seq === 80 ? rehashed({ ...row, target: 'other' }) : row)),
      seq: 80,
      why: /noted as newest/,
    },
    'when an entry was taken out': {
      change: (rows) => rows.filter(({ seq }) => seq !== 70),
      seq: 71,
      why: /70 is missing/,
    },
    'when two entries changed places': {
      change: (rows) => rows.map((row, index) => rows[index === 3 ? 4 : index === 4 ? 3 : index] ?? row),
      seq: 69,
      why: /68 is missing/,
    },
    'when its end was cut off': { change: (rows) => rows.slice(0, -3), seq: 80, why: /ends at 77/ },
  };
  for (const [name, { change, seq, why }] of Object.entries(tampered)) {
    test(name, async () => {
      const audit = log();
      await fill(audit, 80);
      await tamper(1, change);
      const found = await fault(audit);
      assert.deepEqual(found?.seq, seq, found?.problem);
      assert.match(found.problem, why);
    });
  }

  test('also after more was written behind an end that was cut off', async () => {
    const audit = log();
    await fill(audit, 80);
    await tamper(1, (rows) => rows.slice(0, -3));
    await fill(audit, 2);
    assert.match((await fault(audit))?.problem ?? '', /78 is missing/);
  });

  test('when its beginning was cut off by somebody else than retention', async () => {
    const audit = log();
    await fill(audit, 80);
    await registry.put({ kind: 'audit', key: '0000000000', value: null, ifVersion: null });
    assert.match((await fault(audit))?.problem ?? '', /entry 1 is missing/);
  });
});

function rehashed(entry: AuditEntry): AuditEntry {
  return { ...entry, hash: auditHash(entry) };
}

describe('retention of the audit log', () => {
  test('lets the oldest go when there are too many, and the rest is still a chain', async () => {
    const audit = log({ entriesMax: 100 });
    await fill(audit, 400);
    const rows = await all(audit);
    assert.deepEqual([rows[0]?.seq, rows.at(-1)?.seq, await fault(audit)], [257, 400, null]);
    assert.equal((await registry.list('audit')).length, 3);
  });

  test('lets go what is too old, never the page that is written', async () => {
    const audit = log({ retainMs: 1000 });
    await fill(audit, 70);
    clock.advance(2000);
    await fill(audit, 1);
    const rows = await all(audit);
    assert.deepEqual([rows[0]?.seq, rows.length, await fault(audit)], [65, 7, null]);
  });

  test('is no way to hide an entry: what is gone must be what was noted as gone', async () => {
    const audit = log({ entriesMax: 100 });
    await fill(audit, 400);
    await tamper(4, (rows) => rows.slice(1));
    assert.match((await fault(audit))?.problem ?? '', /257 is missing/);
  });
});
