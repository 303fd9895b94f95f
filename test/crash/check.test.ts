/** Every rule of the checker is red for the evidence that breaks it, and only that rule. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { check, type Evidence, explain, type Rule } from './check.ts';
import type { Sent, Try } from './client.ts';
import type { StoredDelivery } from './stored.ts';
import { LEDGER, type LogLine, MAIL } from './wire.ts';

type Changed = { -readonly [Name in keyof Evidence]: Evidence[Name] };

/** Two events of one order key, each handled by both destinations in the first start. */
function evidence(): Evidence {
  const keys = ['a', 'b'];
  return {
    sent: keys.map((key, index) => sent(key, index)),
    log: keys.flatMap((key) =>
      [LEDGER, MAIL].flatMap((destination) => [line(key, destination), line(key, destination, { ended: 'succeeded' })]),
    ),
    stored: {
      events: keys.map((key) => ({ id: `evt_${key}`, key, sha: `sha of ${key}` })),
      deliveries: keys.flatMap((key) => [delivery(key, LEDGER), delivery(key, MAIL)]),
      problems: [],
    },
    destinations: [LEDGER, MAIL],
  };
}

function sent(key: string, index: number): Sent {
  const one: Try = {
    startedAt: index * 10,
    endedAt: index * 10 + 5,
    status: 200,
    id: `evt_${key}`,
    retryAfter: null,
    refused: false,
  };
  return { key, order: 'o', plan: 'succeed', sha: `sha of ${key}`, tries: [one] };
}

function line(key: string, destination: string, { ended = null, run = 1 }: Partial<LogLine> = {}): LogLine {
  const named = { event: `evt_${key}`, key, sha: `sha of ${key}`, delivery: `dlv_${key}_${destination}`, destination };
  return { ...named, run, attempt: 1, invocation: `${run}.1`, ended };
}

function delivery(key: string, destination: string): StoredDelivery {
  const orderKey = destination === LEDGER ? 'o' : null;
  const ended = { state: 'succeeded', reason: null, attempts: 1, crashes: 0 };
  return { id: `dlv_${key}_${destination}`, eventId: `evt_${key}`, destination, orderKey, ...ended };
}

/** The first delivery of the evidence, changed. */
function withDelivery(given: Evidence, change: Partial<StoredDelivery>): Evidence {
  const [first, ...rest] = given.stored.deliveries;
  assert.ok(first);
  return { ...given, stored: { ...given.stored, deliveries: [{ ...first, ...change }, ...rest] } };
}

const cases: readonly (readonly [name: string, rule: Rule, change: (given: Changed) => Evidence])[] = [
  [
    'an acknowledged event that is not stored',
    'lost',
    (given) => ({
      ...given,
      log: given.log.filter(({ key }) => key !== 'b'),
      stored: {
        ...given.stored,
        events: given.stored.events.slice(0, 1),
        deliveries: given.stored.deliveries.slice(0, 2),
      },
    }),
  ],
  [
    'an event that owes a destination nothing',
    'lost',
    (given) => ({
      ...given,
      log: given.log.slice(0, -2),
      stored: { ...given.stored, deliveries: given.stored.deliveries.slice(0, 3) },
    }),
  ],
  ['a delivery that has not ended', 'open', (given) => withDelivery(given, { state: 'ready' })],
  ['a success that no handler knows of', 'unprocessed', (given) => ({ ...given, log: given.log.slice(0, -1) })],
  [
    'a rejection that no handler made',
    'unprocessed',
    (given) => withDelivery(given, { state: 'dead', reason: 'rejected' }),
  ],
  ['an event that nobody sent', 'phantom', (given) => ({ ...given, sent: given.sent.slice(0, 1) })],
  [
    'an event that a handler got and the store does not have',
    'phantom',
    (given) => ({ ...given, log: [...given.log, { ...line('b', MAIL), event: 'evt_x', delivery: 'dlv_x' }] }),
  ],
  [
    'stored bytes that were not sent',
    'bytes',
    (given) => ({
      ...given,
      stored: { ...given.stored, events: given.stored.events.map((event) => ({ ...event, sha: 'other' })) },
    }),
  ],
  [
    'handled bytes that were not sent',
    'bytes',
    (given) => ({ ...given, log: given.log.map((one) => ({ ...one, sha: 'other' })) }),
  ],
  [
    'two events of one dedupe key',
    'twice',
    (given) => ({
      ...given,
      destinations: [],
      stored: { ...given.stored, events: [...given.stored.events, { id: 'evt_c', key: 'b', sha: 'sha of b' }] },
    }),
  ],
  [
    'two deliveries to one destination',
    'twice',
    (given) => ({
      ...given,
      log: [
        ...given.log,
        ...[null, 'succeeded' as const].map((ended) => ({ ...line('b', MAIL, { ended }), delivery: 'dlv_c' })),
      ],
      stored: { ...given.stored, deliveries: [...given.stored.deliveries, { ...delivery('b', MAIL), id: 'dlv_c' }] },
    }),
  ],
  [
    'a delivery that ended twice in one start',
    'repeated',
    (given) => ({ ...given, log: [...given.log, line('b', MAIL), line('b', MAIL, { ended: 'succeeded' })] }),
  ],
  [
    'a delivery that ended again after a graceful stop',
    'repeated',
    (given) => ({
      ...given,
      log: [...given.log, line('b', MAIL, { run: 2 }), line('b', MAIL, { ended: 'succeeded', run: 2 })],
      cleanRuns: new Set([1]),
    }),
  ],
  [
    'a key that was handled in another order',
    'order',
    (given) => ({ ...given, log: [...given.log.slice(4), ...given.log.slice(0, 4)] }),
  ],
  [
    'a key that was committed in another order than it was acknowledged in',
    'order',
    (given) => ({ ...given, sent: [sent('a', 2), sent('b', 0)] }),
  ],
  [
    'the outcome of an older claim',
    'stale',
    (given) => ({
      ...withDelivery(given, { state: 'dead', reason: 'rejected' }),
      log: [
        line('a', LEDGER),
        { ...line('a', LEDGER), invocation: '1.2' },
        line('a', LEDGER, { ended: 'rejected' }),
        ...given.log.slice(2),
      ],
    }),
  ],
  ['an attempt that nobody made', 'counted', (given) => withDelivery(given, { attempts: 2 })],
  [
    'a dead letter without a reason',
    'reason',
    (given) =>
      withDelivery(
        {
          ...given,
          log: given.log.map((one) =>
            one.delivery === 'dlv_a_ledger' && one.ended !== null ? { ...one, ended: 'failed' } : one,
          ),
        },
        { state: 'dead' },
      ),
  ],
  [
    'a damaged file',
    'integrity',
    (given) => ({ ...given, stored: { ...given.stored, problems: ['page 7 is never used'] } }),
  ],
];

describe('the checker', () => {
  test('finds nothing wrong where nothing is', () => {
    const verdict = check(evidence());
    assert.deepEqual(verdict.breaches, [], explain(verdict));
    assert.equal(verdict.acked, 2);
  });

  test('counts duplicates that a fault explains, and leaves them', () => {
    const given = evidence();
    const verdict = check({
      ...given,
      log: [...given.log, line('b', MAIL, { run: 2 }), line('b', MAIL, { ended: 'succeeded', run: 2 })],
    });
    assert.deepEqual(verdict.breaches, [], explain(verdict));
    assert.equal(verdict.duplicates, 1);
  });

  for (const [name, rule, change] of cases) {
    test(`sees ${name}: ${rule}`, () => {
      const verdict = check(change(evidence()));
      assert.deepEqual([...new Set(verdict.breaches.map((breach) => breach.rule))], [rule], explain(verdict));
    });
  }
});
