import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { ingestWorld, sent } from '../../test/ingest-world.ts';
import type { StoredEvent } from '../core/event.ts';
import { HoldfastError } from '../errors.ts';
import type { AppendAnswer, NewDelivery, StoredAnswer } from '../store/store.ts';
import { TestClock } from '../testing/clock.ts';
import { anyOf, bearer, hmac, none, pathToken, queryToken } from '../verify/index.ts';
import type { Verdict, Verifier } from '../verify/verifier.ts';
import type { Acceptor } from './accept.ts';
import type { IngestRequest } from './events.ts';
import type { Reply } from './reply.ts';
import type { SourceConfig } from './source.ts';

async function accept(acceptor: Acceptor, request: IngestRequest = sent('{}'), source = 'open'): Promise<Reply> {
  const intake = acceptor.named(source);
  assert.ok(intake);
  return acceptor.accept(intake, request);
}

/** A world with one source, and the events it made of these bodies. */
async function eventsOf(config: Omit<SourceConfig, 'verify'>, request: IngestRequest): Promise<readonly StoredEvent[]> {
  const { acceptor, events } = ingestWorld({ sources: { open: { verify: none(), ...config } } });
  const reply = await accept(acceptor, request);
  assert.equal(reply.status, 200, String(reply.body));
  return events;
}

const problem = ({ body }: Reply): Record<string, unknown> => JSON.parse(String(body)) as Record<string, unknown>;
const header = ({ headers }: Reply, name: string): string | undefined => headers[headers.indexOf(name) + 1];
const delivery = (destination: string): NewDelivery => ({
  destination,
  orderKey: null,
  dueAt: null,
  dead: null,
  handOff: 'no',
});

function verifierOf(parts: Partial<Verifier>): Verifier {
  return { ...none(), ...parts };
}

// -------------------------------------------------------------------------------------------------------- verifying

test('nothing is parsed, routed or appended before it is verified', async () => {
  const calls: string[] = [];
  const { acceptor, appends } = ingestWorld({
    sources: {
      open: {
        verify: verifierOf({ verify: () => (calls.push('verify'), { ok: false, reason: 'signature_mismatch' }) }),
        type: () => (calls.push('type'), 'x'),
        body: z.object({}),
      },
    },
    ports: { route: () => (calls.push('route'), []) },
  });
  assert.equal((await accept(acceptor)).status, 401);
  assert.deepEqual(calls, ['verify']);
  assert.equal(appends.length, 0);
});

for (const [name, verify] of Object.entries({
  'a verifier that throws': () => {
    throw new Error('broken');
  },
  'a verifier that rejects': () => Promise.reject(new Error('broken')),
  'a verifier that gives nothing': () => undefined as unknown as Verdict,
  'a verifier that gives text': () => ({ ok: 'yes' }) as unknown as Verdict,
})) {
  test(`${name} proves nothing`, async () => {
    const { acceptor, appends } = ingestWorld({ sources: { open: verifierOf({ verify }) } });
    assert.ok((await accept(acceptor)).status >= 400);
    assert.equal(appends.length, 0);
  });
}

test('an asynchronous verdict is waited for', async () => {
  const { acceptor, events } = ingestWorld({ sources: { open: verifierOf({ verify: async () => ({ ok: true }) }) } });
  assert.equal((await accept(acceptor)).status, 200);
  assert.equal(events.length, 1);
});

test('a certificate that cannot be had now is answered 503, so that the provider tries again', async () => {
  const verify = async (): Promise<Verdict> => ({ ok: false, reason: 'certificate_unavailable' });
  const { acceptor } = ingestWorld({ sources: { open: verifierOf({ verify }) } });
  const reply = await accept(acceptor);
  assert.equal(reply.status, 503);
  assert.equal(header(reply, 'Retry-After'), '5');
});

test('a provider that demands a particular answer to what does not verify gets it', async () => {
  const { acceptor } = ingestWorld({
    sources: {
      open: verifierOf({
        verify: () => ({ ok: false, reason: 'signature_mismatch' }),
        defaults: { rejectAnswer: { status: 403, body: 'no', headers: { 'content-type': 'text/plain' } } },
      }),
    },
  });
  const reply = await accept(acceptor);
  assert.deepEqual([reply.status, reply.body], [403, 'no']);
});

test('credentials are stored redacted, in headers and query; all else keeps its bytes', async () => {
  const sources = {
    open: bearer({ tokens: 'token-1' }),
    other: queryToken({ parameter: 'to ken', tokens: 'token-2' }),
  };
  const { acceptor, events } = ingestWorld({ sources });
  const headers = ['AUTHORIZATION', 'Bearer token-1', 'X-A', '1', 'Cookie', 'c=1'];
  await accept(acceptor, sent('{}', headers));
  await accept(acceptor, sent('{}', ['X-A', '1'], '/in/other?a=%20&to%20ken=token-2&b'), 'other');
  assert.deepEqual(events[0]?.headers, ['AUTHORIZATION', '[redacted]', 'X-A', '1', 'Cookie', '[redacted]']);
  assert.equal(events[1]?.query, 'a=%20&to%20ken=[redacted]&b');
});

test('a source with a token in its path is found with and without it, one segment deep, and stores it redacted', async () => {
  const token = anyOf(bearer({ tokens: 'token-1' }), pathToken({ tokens: 'token-2' }));
  const { acceptor, events } = ingestWorld({ sources: { open: token, other: none() } });
  for (const path of ['/in/open', '/in/open/token-2', '/in/open/']) {
    assert.equal(acceptor.find(path)?.source.name, 'open', path);
  }
  for (const path of ['/in/open/a/b', '/in/other/token-2', '/in', '/', '', 'open', '/in/op']) {
    assert.equal(acceptor.find(path), undefined, path);
  }
  assert.equal((await accept(acceptor, sent('{}', [], '/hooks/in/open/token-2?a=1'))).status, 200);
  assert.equal((await accept(acceptor, sent('{}', ['Authorization', 'Bearer token-1'], '/hooks/in/open'))).status, 200);
  assert.deepEqual(
    events.map(({ path, query }) => [path, query]),
    [
      ['/hooks/in/open/[redacted]', 'a=1'],
      ['/hooks/in/open', ''],
    ],
  );
  assert.equal((await accept(acceptor, sent('{}', [], '/in/open/token-3'))).status, 401);
  const { rows } = await acceptor.ports.rejections.list({}, { limit: 9 });
  assert.deepEqual(
    rows.map(({ path, verifiable }) => [path, verifiable]),
    [['/in/open/[redacted]', false]],
  );
});

test('a handshake before verification is answered without an event', async () => {
  const { acceptor, appends } = ingestWorld({
    sources: {
      open: verifierOf({
        verify: () => ({ ok: false, reason: 'header_missing' }),
        handshake: {
          unsigned: true,
          answer: ({ body }) => (body.length === 0 ? { status: 200, body: 'hello' } : null),
        },
      }),
    },
  });
  const reply = await accept(acceptor, sent(''));
  assert.deepEqual([reply.status, reply.body], [200, 'hello']);
  assert.equal((await accept(acceptor, sent('{}'))).status, 401);
  assert.equal(appends.length, 0);
});

test('a handshake that is also an event is verified, committed, and answered as the handshake asks', async () => {
  let verified = true;
  const { acceptor, events } = ingestWorld({
    sources: {
      open: verifierOf({
        verify: () => (verified ? { ok: true } : { ok: false, reason: 'header_missing' }),
        handshake: { unsigned: false, answer: async () => ({ status: 202, body: 'challenge', forward: true }) },
      }),
    },
  });
  const reply = await accept(acceptor);
  assert.deepEqual([reply.status, reply.body, events.length], [202, 'challenge', 1]);
  verified = false;
  assert.equal((await accept(acceptor)).status, 401);
});

test('only verified requests take from the rate; beyond it 429 with Retry-After, or what the provider needs', async () => {
  const clock = new TestClock();
  const secrets = 'secret-1';
  const verify = hmac({ header: 'x-signature', secrets, defaults: { retryLaterStatus: 503 } });
  const { acceptor } = ingestWorld({
    clock,
    sources: { open: { verify: none(), ratePerS: 2 }, other: { verify, ratePerS: 1 } },
  });
  const statuses: number[] = [];
  for (let index = 0; index < 3; index++) statuses.push((await accept(acceptor)).status);
  assert.deepEqual(statuses, [200, 200, 429]);
  const [open, other] = [acceptor.named('open'), acceptor.named('other')];
  assert.ok(open && other);
  const early = acceptor.admit(open, 'POST', null);
  assert.equal(early?.status, 429);
  assert.equal(header(early, 'Retry-After'), '1');
  clock.advance(500);
  assert.equal(acceptor.admit(open, 'POST', null), null);
  for (let index = 0; index < 5; index++) assert.equal((await accept(acceptor, sent('{}'), 'other')).status, 401);
  assert.equal(acceptor.admit(other, 'POST', null), null);
  const signature = (await verify.sign?.(sent('{}'), 0)) ?? [];
  assert.equal((await accept(acceptor, sent('{}', signature), 'other')).status, 200);
  assert.equal((await accept(acceptor, sent('{}', signature), 'other')).status, 503);
});

// ---------------------------------------------------------------------------------------------------------- reading

test('a duplicate is answered like the first', async () => {
  const { acceptor } = ingestWorld({ sources: { open: { verify: none(), dedupeKey: 'body.id' } } });
  const first = await accept(acceptor, sent('{"id":1}'));
  const second = await accept(acceptor, sent('{"id":1}'));
  assert.deepEqual(second, first);
});

test('correlation id and trace are taken in where they are sane, else made', async () => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const [given] = await eventsOf({}, sent('', ['X-Correlation-Id', 'abc-1', 'Traceparent', traceparent]));
  assert.deepEqual([given?.correlationId, given?.traceparent], ['abc-1', traceparent]);
  const [made] = await eventsOf({}, sent('', ['x-correlation-id', 'a b', 'traceparent', '00-0-0-0']));
  assert.equal(made?.correlationId, made?.id);
  assert.match(made?.traceparent ?? '', /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00$/);
});

test('a body that is split becomes one event per element, each with exactly its bytes, in one append', async () => {
  const body = '{ "n":1, "value": [ {"id" : 1.0, "t":"é"} ,{"id":"b"}, 3 ] }';
  const { acceptor, appends, events } = ingestWorld({
    sources: { open: { verify: none(), split: 'body.value', dedupeKey: 'body.id' } },
  });
  const reply = await accept(acceptor, sent(body));
  assert.equal(appends.length, 1);
  assert.deepEqual(
    events.map(({ body: bytes }) => Buffer.from(bytes ?? []).toString()),
    ['{"id" : 1.0, "t":"é"}', '{"id":"b"}', '3'],
  );
  assert.deepEqual(
    events.map(({ dedupeKey }) => dedupeKey),
    ['1.0', 'b', null],
  );
  assert.deepEqual(
    problem(reply)['ids'],
    events.map(({ id }) => id),
  );
  assert.equal(new Set(events.map(({ correlationId }) => correlationId)).size, 1);
});

test('the array is found by a path as readers have it, or without its `body`', async () => {
  const nested = '{"items":[{"x":["a"]}],"a.b":["a"]}';
  for (const [split, body] of [
    ['items[0].x', nested],
    ['body.items[0].x', nested],
    ['["a.b"]', nested],
    ['body["a.b"]', nested],
    ['body[1]', '[0,["a"]]'],
    ['body[1].x', '[0,{"x":["a"]}]'],
  ] as const) {
    const events = await eventsOf({ split }, sent(body));
    assert.deepEqual(
      events.map((event) => String(event.body)),
      ['"a"'],
      split,
    );
  }
});

test('an empty array is accepted with no events; what is no array is refused and kept', async () => {
  const { acceptor, appends, rejected } = ingestWorld({ sources: { open: { verify: none(), split: true } } });
  assert.deepEqual([(await accept(acceptor, sent(' [ ] '))).body, appends.length], ['{"ids":[]}', 0]);
  for (const body of ['{}', '[1,', 'x', '']) {
    const reply = await accept(acceptor, sent(body));
    assert.deepEqual([reply.status, problem(reply)['code']], [400, 'split_not_array']);
  }
  assert.equal(rejected.length, 4);
  assert.equal((await acceptor.ports.rejections.counts()).kept, 4);
  const many = await accept(acceptor, sent(`[${'0,'.repeat(10_000)}0]`));
  assert.equal(many.status, 413);
});

test('a body that does not fit its schema is stored with the reason, and routed only where the source says so', async () => {
  const schema = z.object({ id: z.string() });
  const route = (): NewDelivery[] => [delivery('d')];
  const sources = {
    open: { verify: none(), body: schema },
    routed: { verify: none(), body: schema, routeUnfit: true },
  };
  const { acceptor, appends, events } = ingestWorld({ sources, ports: { route } });
  await accept(acceptor, sent('{"id":"a"}'));
  await accept(acceptor, sent('{"id":1}'));
  await accept(acceptor, sent('no json'));
  await accept(acceptor, sent('{"id":1}'), 'routed');
  assert.deepEqual(
    appends.map((append) => append.events[0]?.deliveries.length),
    [1, 0, 0, 1],
  );
  assert.equal(events[0]?.unfit, null);
  assert.match(events[1]?.unfit ?? '', /^id: /);
  assert.equal(events[2]?.unfit, 'The body is not JSON.');
});

test('what is judged by the schema is what a handler gets: a form by its type, and null for null', async () => {
  const source = { body: z.object({ id: z.string().optional() }).strict() };
  const unfit = async (body: string, type: string): Promise<string | null | undefined> =>
    (await eventsOf(source, sent(body, ['Content-Type', type])))[0]?.unfit;
  const form = 'application/x-www-form-urlencoded';
  assert.equal(await unfit('{"id":"a"}', 'application/json'), null);
  assert.equal(await unfit('id=a', form), null);
  assert.match((await unfit('null', 'application/json')) ?? '', /expected object/);
  assert.match((await unfit('{"id":"a"}', form)) ?? '', /[Uu]nrecognized key/);
});

test('what a reader throws makes the event unfit instead of losing it', async () => {
  const type = (): string => {
    throw new Error('no such field');
  };
  const [event] = await eventsOf({ type, dedupeKey: 'body.id' }, sent('{"id":"a"}'));
  assert.deepEqual([event?.type, event?.dedupeKey, event?.unfit], ['', 'a', 'A reader threw: no such field']);
});

test("the source's own answer is given instead of the id", async () => {
  const answer = { status: 204, headers: { 'X-Done': 'yes' } };
  const { acceptor } = ingestWorld({ sources: { open: { verify: none(), answer } } });
  assert.deepEqual(await accept(acceptor), { status: 204, headers: ['X-Done', 'yes'], body: '' });
});

test('an answer that cannot be sent is refused at start', () => {
  for (const answer of [{}, { status: 1000 }, { status: 101 }, { status: '200' }, { status: 200.5 }, 'ok', null]) {
    refused({ answer }, /^.*sources\.open: answer: expected \{ status/);
  }
  refused({ answer: { status: 200, body: { ok: true } } }, /answer: expected/);
  refused({ answer: { status: 200, headers: { 'x-a': undefined } } }, /answer: expected/);
});

test('an option of a source that cannot be what it is meant for is refused by its name', () => {
  for (const path of ['in/a', '/in/a b', '/in/größe', '/in/a?b=c', '/in/a#b', 5])
    refused({ path }, /open: path: expected/);
  for (const deadline of ['soon', -1, {}]) refused({ deadline }, /open: deadline: expected a duration/);
  refused({ dedupeWindow: '1w' }, /open: dedupeWindow: expected a duration/);
  refused({ mode: 'sync', responder: 5 }, /open: responder: expected/);
  for (const name of ['type', 'dedupeKey', 'orderKey', 'tenant'])
    refused({ [name]: 5 }, /expected where a value is read/);
  refused({ split: 5 }, /open: split: expected/);
  refused({ body: { type: 'object' } }, /open: body: expected a Standard Schema/);
  for (const open of [undefined, null, 'stripe']) {
    const sources = { open } as unknown as Record<string, SourceConfig>;
    assert.throws(() => ingestWorld({ sources }), {
      code: 'config_invalid',
      message: /open: verify: expected a verifier/,
    });
  }
});

test('a handshake whose answer cannot be sent is a defect of its verifier, and answered as one', async () => {
  const answers = [{ status: 1000 }, {}, 'challenge', { status: 200, body: { challenge: 'a' } }];
  for (const answer of answers) {
    const handshake = { unsigned: true, answer: () => answer as never };
    const { acceptor } = ingestWorld({ sources: { open: verifierOf({ handshake }) } });
    assert.equal((await accept(acceptor)).status, 500);
  }
});

function refused(options: object, message: RegExp): void {
  const open = { verify: none(), ...options };
  assert.throws(() => ingestWorld({ sources: { open } }), { code: 'config_invalid', message });
}

// ------------------------------------------------------------------------------------------------------- committing

test('what was routed is withdrawn when one of several is refused', async () => {
  const withdrawn: unknown[] = [];
  let routed = 0;
  const { acceptor, appends } = ingestWorld({
    sources: { open: { verify: none(), split: true } },
    ports: {
      route: () => {
        if (++routed === 3) throw new HoldfastError('backlog_full', { retryAfterS: 9 });
        return [];
      },
      withdraw: (rows) => void withdrawn.push(rows.length),
    },
  });
  const reply = await accept(acceptor, sent('[1,2,3]'));
  assert.deepEqual([reply.status, problem(reply)['code'], header(reply, 'Retry-After')], [503, 'backlog_full', '9']);
  assert.deepEqual([withdrawn, appends.length], [[2], 0]);
});

test('a defect is answered 500, and the request kept', async () => {
  const append = (): Promise<never> => Promise.reject(new Error('defect'));
  const { acceptor } = ingestWorld({ sources: { open: none() }, ports: { append } });
  const reply = await accept(acceptor);
  assert.deepEqual([reply.status, problem(reply)['code']], [500, 'internal']);
  assert.doesNotMatch(String(reply.body), /defect/);
  const { rows } = await acceptor.ports.rejections.list({}, { limit: 1 });
  assert.deepEqual([rows[0]?.step, rows[0]?.detail], ['commit', 'defect']);
});

test('a row the store does not take is answered 413', async () => {
  const append = async (): Promise<AppendAnswer> => ({ status: 'refused', reason: 'too_large' });
  const { acceptor } = ingestWorld({ sources: { open: none() }, ports: { append } });
  assert.equal((await accept(acceptor)).status, 413);
});

// ------------------------------------------------------------------------------------------------------------- sync

const stored: StoredAnswer = {
  status: 201,
  headers: [
    ['x-made', 'yes'],
    ['content-length', '99'],
  ],
  body: Buffer.from('made'),
};

/** A sync source whose responder answers when the test says so. */
function syncWorld(options: { append?: () => Promise<AppendAnswer>; answersFor?: string } = {}) {
  const clock = new TestClock();
  const asked: string[] = [];
  const cancelled: string[] = [];
  const answer = Promise.withResolvers<StoredAnswer | null>();
  const world = ingestWorld({
    clock,
    sources: { open: { verify: none(), mode: 'sync', responder: 'reply', deadline: '2s', dedupeKey: 'body.id' } },
    ports: {
      route: () => [delivery(options.answersFor ?? 'reply')],
      ...(options.append !== undefined && { append: options.append }),
      awaitAnswer: (_source, id) => {
        asked.push(id);
        return {
          answer: answer.promise,
          cancel: () => {
            cancelled.push(id);
            answer.resolve(null);
          },
        };
      },
    },
  });
  return { ...world, clock, asked, cancelled, answer };
}

test('a sync source answers what its responder does', async () => {
  const { acceptor, answer, asked, events, clock } = syncWorld();
  const reply = accept(acceptor, sent('{}'));
  answer.resolve(stored);
  assert.deepEqual(await reply, { status: 201, headers: ['x-made', 'yes', 'Content-Length', '4'], body: stored.body });
  assert.deepEqual(asked, [events[0]?.id]);
  assert.equal(clock.pending, 0);
});

test('a responder that is late, or has nothing to say, leaves the default answer', async () => {
  const late = syncWorld();
  const reply = accept(late.acceptor, sent('{}'));
  await late.clock.advanceSlowly(1999);
  assert.equal(late.cancelled.length, 0);
  await late.clock.advanceSlowly(1);
  assert.deepEqual(problem(await reply), { id: late.events[0]?.id });
  const silent = syncWorld();
  silent.answer.resolve(null);
  assert.deepEqual(problem(await accept(silent.acceptor, sent('{}'))), { id: silent.events[0]?.id });
  const elsewhere = syncWorld({ answersFor: 'another' });
  assert.deepEqual(problem(await accept(elsewhere.acceptor, sent('{}'))), { id: elsewhere.events[0]?.id });
  assert.deepEqual(elsewhere.asked, []);
});

test('an answer with a status HTTP does not have leaves the default answer', async () => {
  const { acceptor, answer } = syncWorld();
  answer.resolve({ ...stored, status: 42 });
  assert.equal((await accept(acceptor, sent('{}'))).status, 200);
});

test('a duplicate gets the stored answer at once, or waits for the first that still runs', async () => {
  const duplicate = (answer: StoredAnswer | null) => async (): Promise<AppendAnswer> => ({
    status: 'committed',
    events: [{ status: 'duplicate', eventId: 'evt_first', differs: false, answer }],
  });
  const ended = syncWorld({ append: duplicate(stored) });
  assert.equal((await accept(ended.acceptor, sent('{}'))).status, 201);
  assert.equal(ended.cancelled.length, 1);
  const seen: string[] = [];
  const first = Promise.withResolvers<StoredAnswer | null>();
  const { acceptor } = ingestWorld({
    sources: { open: { verify: none(), mode: 'sync', responder: 'reply' } },
    ports: {
      route: () => [delivery('reply')],
      append: duplicate(null),
      awaitAnswer: (_source, id) => (seen.push(id), { answer: first.promise, cancel: () => undefined }),
    },
  });
  const reply = accept(acceptor, sent('{}'));
  first.resolve(stored);
  assert.equal((await reply).status, 201);
  assert.equal(seen.at(-1), 'evt_first');
});

test('a commit that fails is waited for by nobody', async () => {
  const { acceptor, cancelled, clock } = syncWorld({
    append: () => Promise.reject(new HoldfastError('store_unavailable')),
  });
  assert.equal((await accept(acceptor, sent('{}'))).status, 503);
  assert.deepEqual([cancelled.length, clock.pending], [1, 0]);
});
