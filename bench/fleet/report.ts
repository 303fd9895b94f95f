/** Rounds as Markdown, for docs/performance.md. */
import { median } from '../machine.ts';
import type { ClaimFigures } from './claims.ts';
import type { Contender } from './contenders.ts';
import type { Cost, Round } from './round.ts';

export interface Measured {
  readonly contender: Contender;
  readonly rounds: readonly Round[];
}

type Figure = Exclude<keyof Round, 'cost'>;

function of({ rounds }: Measured, figure: Figure): number {
  return median(rounds.map((round) => round[figure]).filter((value) => !Number.isNaN(value)));
}

function cost({ rounds }: Measured, name: keyof Cost): number {
  return median(rounds.map((round) => round.cost[name]));
}

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
const tenth = (value: number): string => value.toFixed(1);

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** One row of figures a contender. */
export function figuresTable(all: readonly Measured[]): string {
  const head = [
    '',
    'accepted and processed / s',
    'ACK p99, ms',
    'CPU µs each: gateway',
    'worker',
    'database',
    'broker',
    'accepted / s, no worker',
    'ACK p99 then, ms',
    'rounds',
  ];
  const rows = all.map((one) => [
    one.contender.title,
    whole(of(one, 'perS')),
    tenth(of(one, 'p99Ms')),
    whole(cost(one, 'gateway')),
    whole(cost(one, 'worker')),
    whole(cost(one, 'database')),
    one.contender.needs.length > 1 ? whole(cost(one, 'broker')) : '',
    whole(of(one, 'acceptedPerS')),
    tenth(of(one, 'acceptedP99Ms')),
    String(one.rounds.length),
  ]);
  return table(head, rows);
}

/** A worker that has enough to do, and nobody beside it. */
export function workersTable(all: readonly Measured[]): string {
  const head = ['one worker, working off what waits', 'processed / s', 'of a processor', 'CPU µs each', 'RSS, MB'];
  const rows = all.map((one) => {
    const [worked, share] = [of(one, 'workedPerS'), of(one, 'workerShare')];
    const rates = worked === 0 ? ['', '', ''] : [whole(worked), share.toFixed(2), whole((share * 1e6) / worked)];
    return [one.contender.title, ...rates, whole(of(one, 'workerRssMb'))];
  });
  return table(head, rows);
}

export function dedupeTable(all: readonly Measured[]): string {
  return table(
    ['', 'a repeat is known'],
    all.map(({ contender }) => [contender.title, contender.dedupe]),
  );
}

export interface Beside {
  /** By how many wait. */
  readonly claims: ReadonlyMap<number, ClaimFigures>;
}

const TARGET_ACK_PER_S = 5000;
const TARGET_ACK_P99_MS = 25;
const TARGET_AGAINST_PEERS = 2;
const GOAL_WORKED_PER_S = 10_000;
const GOAL_WORKER_SHARE = 0.5;
const GOAL_WORKER_MB = 100;
/** A claim takes as long with a million waiting, but for noise. */
const FLAT = 1.5;

/** What was asked for, beside what was measured. Only what could be. */
export function targetsTable(all: readonly Measured[], { claims }: Beside): string {
  const postgres = all.find(({ contender }) => contender.name === 'postgres');
  const rows = [...(postgres === undefined ? [] : postgresRows(postgres, all)), ...claimRows(claims)];
  return table(['', 'measured', 'target', ''], rows);
}

function postgresRows(postgres: Measured, all: readonly Measured[]): string[][] {
  const [acks, p99Ms] = [of(postgres, 'acceptedPerS'), of(postgres, 'acceptedP99Ms')];
  const [both, bothP99Ms] = [of(postgres, 'perS'), of(postgres, 'p99Ms')];
  const [worked, share, mb] = [of(postgres, 'workedPerS'), of(postgres, 'workerShare'), of(postgres, 'workerRssMb')];
  const isFast = (perS: number, ms: number): boolean => perS >= TARGET_ACK_PER_S && ms <= TARGET_ACK_P99_MS;
  const ackTarget = `${whole(TARGET_ACK_PER_S)} /s, p99 ${TARGET_ACK_P99_MS} ms`;
  const perSecondAndCpu = (share * GOAL_WORKED_PER_S) / worked;
  return [
    [
      'Postgres: verified and committed ACK, no worker beside it',
      `${whole(acks)} /s, p99 ${tenth(p99Ms)} ms`,
      ackTarget,
      met(isFast(acks, p99Ms)),
    ],
    [
      'the same, with a worker at full rate on the same processors',
      `${whole(both)} /s, p99 ${tenth(bothP99Ms)} ms`,
      ackTarget,
      met(isFast(both, bothP99Ms)),
    ],
    ...againstPeers(postgres, all),
    [
      'a worker at full rate',
      `${whole(worked)} /s in ${share.toFixed(2)} of a processor: ${perSecondAndCpu.toFixed(2)} for ${whole(GOAL_WORKED_PER_S)} /s`,
      `${whole(GOAL_WORKED_PER_S)} /s in ${GOAL_WORKER_SHARE}`,
      met(worked >= GOAL_WORKED_PER_S && perSecondAndCpu <= GOAL_WORKER_SHARE),
    ],
    ['its memory', `${whole(mb)} MB RSS`, `${GOAL_WORKER_MB} MB`, met(mb <= GOAL_WORKER_MB)],
  ];
}

/** In the median of rounds: what the machine does beside one round, it does to all in it. */
function againstPeers(postgres: Measured, all: readonly Measured[]): string[][] {
  const ratio = (one: Measured, peer: Measured): number =>
    median(
      one.rounds.flatMap(({ perS }, round) => {
        const beside = peer.rounds[round];
        return beside === undefined ? [] : [perS / beside.perS];
      }),
    );
  const peers = all.filter(({ contender }) => contender.isPeer && contender.needs.includes('postgres'));
  const rows: string[][] = [];
  for (const inserting of ['gathered', 'each'] as const) {
    const some = peers.filter(({ contender }) => contender.name.endsWith('-each') === (inserting === 'each'));
    const best = some.toSorted((a, b) => of(b, 'perS') - of(a, 'perS'))[0];
    if (best === undefined) continue;
    const times = ratio(postgres, best);
    const what = `end to end against ${best.contender.title}${some.length > 1 ? ', the better of the two' : ''}`;
    rows.push([what, `${times.toFixed(2)} ×`, `${TARGET_AGAINST_PEERS} ×`, met(times >= TARGET_AGAINST_PEERS)]);
  }
  const bullmq = all.find(({ contender }) => contender.name === 'bullmq');
  const onRedis = all.find(({ contender }) => contender.name === 'postgres+redis');
  if (bullmq !== undefined && onRedis !== undefined) {
    rows.push([
      'Postgres and Redis against BullMQ on the same Redis',
      `${ratio(onRedis, bullmq).toFixed(2)} ×`,
      '',
      '',
    ]);
  }
  return rows;
}

function claimRows(claims: ReadonlyMap<number, ClaimFigures>): string[][] {
  const sizes = [...claims.keys()].toSorted((a, b) => a - b);
  const [few, many] = [claims.get(sizes[0] ?? 0), claims.get(sizes.at(-1) ?? 0)];
  if (few === undefined || many === undefined) return [];
  const times = many.medianMs / few.medianMs;
  const took = sizes.map((size) => `${claims.get(size)?.medianMs.toFixed(2)} ms with ${whole(size)}`).join(', ');
  return [[`a claim of ${few.each}, by how many wait`, `${took}: ${times.toFixed(2)} ×`, 'flat', met(times <= FLAT)]];
}

function met(holds: boolean): string {
  return holds ? 'met' : '**missed**';
}

export interface HintBytes {
  readonly name: string;
  readonly single: number;
  readonly full: number;
  readonly idsEach: number;
}

const GOAL_HINT_BYTES = 100;

export function hintsTable(all: readonly HintBytes[]): string {
  const head = ['a hint that waits', 'bytes, with one id', 'bytes, full', 'a delivery, in a full one', 'goal', ''];
  const rows = all.map(({ name, single, full, idsEach }) => [
    name === 'sqs' ? 'sqs (moto, its memory; Amazon bills requests)' : name,
    whole(single),
    `${whole(full)} (${idsEach} ids)`,
    tenth(full / idsEach),
    `${GOAL_HINT_BYTES} a hint`,
    name === 'sqs' ? '' : met(single <= GOAL_HINT_BYTES),
  ]);
  return table(head, rows);
}
