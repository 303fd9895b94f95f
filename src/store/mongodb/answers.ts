/** The answers of a commit as its entry of the log keeps them: claims and stored answers are read from their rows. */
import type { Claim, CommitAnswers, EventAnswer } from '../store.ts';
import { storedAnswer, storedEvent, wholeDelivery } from './changes.ts';
import type { Collections } from './collections.ts';

/** A claim as it is kept. */
interface KeptClaim {
  readonly deliveryId: string;
  readonly claim: number;
}

type KeptEvent =
  | { readonly status: 'committed'; readonly eventId: string; readonly claims: readonly (KeptClaim | null)[] }
  | { readonly status: 'duplicate'; readonly eventId: string; readonly differs: boolean; readonly answer: boolean };

/** What the kept answers speak of. */
interface Known {
  readonly claims: ReadonlyMap<string, Claim>;
  readonly answers: ReadonlyMap<string, ReturnType<typeof storedAnswer>>;
}

export function keptAnswers(answers: CommitAnswers): string {
  return JSON.stringify({
    ...answers,
    appends: answers.appends.map((row) => ('events' in row ? { ...row, events: row.events.map(keep) } : row)),
    settlements: answers.settlements.map((row) => ('emits' in row ? { ...row, emits: row.emits.map(keep) } : row)),
  });
}

function keep(answer: EventAnswer): KeptEvent {
  if (answer.status === 'duplicate') return { ...answer, answer: answer.answer !== null };
  const claims = answer.claims.map((claim) => claim && { deliveryId: claim.deliveryId, claim: claim.claim });
  return { ...answer, claims };
}

/** The answers that were kept, whole again. A claim whose event has been purged since is no claim any more. */
export async function wholeAnswers(collections: Collections, text: string): Promise<CommitAnswers> {
  type Kept<Row> =
    | Row
    | { readonly status: 'committed'; readonly events?: readonly KeptEvent[]; readonly emits?: readonly KeptEvent[] };
  const kept = JSON.parse(text) as Omit<CommitAnswers, 'appends' | 'settlements'> & {
    readonly appends: readonly Kept<CommitAnswers['appends'][number]>[];
    readonly settlements: readonly Kept<CommitAnswers['settlements'][number]>[];
  };
  const events = [...kept.appends, ...kept.settlements].flatMap((row) => [
    ...('events' in row ? ((row.events ?? []) as readonly KeptEvent[]) : []),
    ...('emits' in row ? ((row.emits ?? []) as readonly KeptEvent[]) : []),
  ]);
  const known = await readKnown(collections, events);
  const whole = (list: readonly unknown[]): EventAnswer[] =>
    (list as readonly KeptEvent[]).map((row) => wholeEvent(row, known));
  return {
    ...kept,
    appends: kept.appends.map((row) =>
      'events' in row ? { status: 'committed', events: whole(row.events ?? []) } : row,
    ),
    settlements: kept.settlements.map((row) =>
      'emits' in row ? { status: 'committed', emits: whole(row.emits ?? []) } : row,
    ),
  } as CommitAnswers;
}

function wholeEvent(row: KeptEvent, { claims, answers }: Known): EventAnswer {
  if (row.status === 'duplicate') return { ...row, answer: row.answer ? (answers.get(row.eventId) ?? null) : null };
  return {
    ...row,
    claims: row.claims.map((claim) => (claim === null ? null : (claims.get(claim.deliveryId) ?? null))),
  };
}

async function readKnown(collections: Collections, rows: readonly KeptEvent[]): Promise<Known> {
  const kept = rows.flatMap((row) => (row.status === 'committed' ? row.claims.flatMap((claim) => claim ?? []) : []));
  const answered = rows.flatMap((row) => (row.status === 'duplicate' && row.answer ? [row.eventId] : []));
  const deliveries = await collections.deliveries
    .find({ _id: { $in: kept.map((claim) => claim.deliveryId) } })
    .toArray();
  const ids = [...new Set([...deliveries.map((row) => row.eventId), ...answered])];
  const events = new Map((await collections.events.find({ _id: { $in: ids } }).toArray()).map((row) => [row._id, row]));
  const claims = new Map<string, Claim>();
  for (const row of deliveries) {
    const event = events.get(row.eventId);
    const claim = kept.find((one) => one.deliveryId === row._id);
    if (event === undefined || claim === undefined) continue;
    const { destination, orderKey, committedAt, replayOf } = wholeDelivery(row);
    const birth = { attempts: 0, crashes: 0, answered: false, ref: null };
    claims.set(row._id, {
      ...claim,
      ...birth,
      destination,
      event: storedEvent(event),
      orderKey,
      committedAt,
      replayOf,
    });
  }
  return { claims, answers: new Map([...events].map(([id, row]) => [id, storedAnswer(row.answer)])) };
}
