/**
 * A batch as one JSON text and one run of bytes: bodies and digests lie one after the other and the rows say where. One
 * letter a column, since every event carries their names.
 */
import { hash } from 'node:crypto';
import type { RefusedReason, Action, ClaimRef, CommitBatch, NewEvent, ReplayRow, Settlement } from '../store.ts';
import { bucketOf, deliveryPlace } from './delivery-id.ts';
import { documentText, storedJson, storedText } from './text.ts';

/** Bytes of a body above which an event is refused: a field holds a gigabyte, but a commit is sent and kept whole. */
export const ROW_BYTES_MAX = 64 * 1024 * 1024;

/** A batch as the server takes it. */
export interface BatchRows {
  readonly json: string;
  readonly bytes: Buffer;
  readonly seqs: readonly number[];
  readonly claims: readonly number[];
  /** The first of them are to be marked started. */
  readonly starts: number;
}

/** What the driver itself says of rows before they are sent: `null` where nothing speaks against them. */
export interface Verdicts {
  readonly appends: readonly (RefusedReason | null)[];
  readonly settlements: readonly (RefusedReason | null)[];
}

/** What a claim's `ref` is: its key, so that a commit knows which keys to lock before it reads a row. */
export type ClaimMark = string | null;

const HANDED = { no: 0, claim: 1, start: 2 } as const;

/** Events that cannot be committed; `taken`: ids that events have already. */
export function verdictsOf(batch: Pick<CommitBatch, 'appends' | 'settlements'>, taken: ReadonlySet<string>): Verdicts {
  const ids = new Set(taken);
  const settlements = batch.settlements.map(({ emits }) => verdictOn(emits, ids));
  return { settlements, appends: batch.appends.map(({ events }) => verdictOn(events, ids)) };
}

function verdictOn(events: readonly NewEvent[], taken: Set<string>): RefusedReason | null {
  const ids = new Set<string>();
  for (const { event } of events) {
    if ((event.body?.length ?? 0) > ROW_BYTES_MAX) return 'too_large';
    if (taken.has(event.id) || ids.has(event.id)) return 'conflict';
    ids.add(event.id);
  }
  for (const id of ids) taken.add(id);
  return null;
}

/** The claims that a batch refers to, once each, in the order of starts, outcomes, releases; and where each row's is. */
export class References {
  readonly seqs: number[] = [];
  readonly claims: number[] = [];
  readonly #at = new Map<string, number>();

  /** Its turn among them. */
  add({ deliveryId, claim }: ClaimRef): number {
    const name = `${deliveryId} ${claim}`;
    const known = this.#at.get(name);
    if (known !== undefined) return known;
    this.#at.set(name, this.seqs.length);
    this.seqs.push(deliveryPlace(deliveryId)?.seq ?? 0);
    this.claims.push(claim);
    return this.seqs.length - 1;
  }
}

/** Where each row's claim is among the references; of rows with the same claim only the first consumes it. */
export interface Turns {
  readonly references: References;
  readonly starts: readonly number[];
  /** `null`: an earlier row of the batch consumes its claim, so it is stale whatever the claim is. */
  readonly settlements: readonly (number | null)[];
  readonly releases: readonly (number | null)[];
}

export function turnsOf(batch: CommitBatch, { settlements }: Verdicts): Turns {
  const references = new References();
  const starts = batch.starts.map((ref) => references.add(ref));
  const used = new Set<number>();
  const consume = (ref: ClaimRef, refused: boolean): number | null => {
    const turn = references.add(ref);
    if (used.has(turn)) return null;
    if (!refused) used.add(turn);
    return turn;
  };
  return {
    references,
    starts,
    settlements: batch.settlements.map(({ claim }, index) => consume(claim, settlements[index] !== null)),
    releases: batch.releases.map(({ claim }) => consume(claim, false)),
  };
}

/** The batch without what is refused already. */
export function batchRows(batch: CommitBatch, verdicts: Verdicts, turns: Turns): BatchRows {
  const writer = new Writer();
  const keys = new Set<string>();
  const settled: unknown[] = [];
  for (const [index, item] of batch.settlements.entries()) {
    const turn = turns.settlements[index] ?? null;
    const refuse = verdicts.settlements[index] !== null || turn === null;
    settled.push({ turn: index, at: (turn ?? 0) + 1, refuse });
    const mark = item.claim.ref as ClaimMark;
    if (typeof mark === 'string') keys.add(mark);
    if (refuse) continue;
    writer.settlement(item, index);
    for (const event of item.emits) writer.event(event, index);
  }
  for (const [index, { events }] of batch.appends.entries()) {
    if (verdicts.appends[index] === null) for (const event of events) writer.event(event, null);
  }
  const { lists } = writer;
  const list = <Item>(items: readonly Item[]): readonly Item[] | undefined => (items.length === 0 ? undefined : items);
  const json = JSON.stringify({
    settled: list(settled),
    ends: list(lists.ends),
    retries: list(lists.retries),
    deaths: list(lists.deaths),
    answers: list(lists.answers),
    events: list(lists.events),
    deliveries: lists.deliveries,
    keyed: list(lists.keyed),
    emits: writer.positions.emits || undefined,
    appends: writer.positions.appends || undefined,
    releases: list(
      batch.releases.flatMap(({ claim, delayMs }, index) =>
        turns.releases[index] === null ? [] : [{ ...refOf(claim), d: wholeMs(delayMs) }],
      ),
    ),
    replays: list(batch.replays.map(replayOf)),
    actions: list(batch.actions.map(actionOf)),
    documents: list(
      batch.documents.map(({ kind, key, value, ifVersion }) => ({
        kind: storedText(kind),
        key: storedText(key),
        value: documentText(value),
        ifVersion,
      })),
    ),
    keys: list([...new Set([...keys, ...writer.keys])]),
  });
  const { seqs, claims } = turns.references;
  return { json, bytes: writer.bytes(), seqs, claims, starts: new Set(turns.starts).size };
}

function refOf({ deliveryId, claim }: ClaimRef): { s: number; c: number } {
  return { s: deliveryPlace(deliveryId)?.seq ?? 0, c: claim };
}

function replayOf({ replayId, eventId, destination, of, ordered }: ReplayRow): unknown {
  const original = of === null ? null : (deliveryPlace(of) ?? { seq: 0, committedAt: 0 });
  return {
    replay: storedText(replayId),
    event: storedText(eventId),
    bucket: bucketOf(eventId),
    destination: storedText(destination),
    of: original?.seq ?? null,
    ofAt: original?.committedAt ?? null,
    ordered,
  };
}

function actionOf(action: Action): unknown {
  switch (action.kind) {
    case 'resolve': {
      const seqs = action.deliveryIds.flatMap((id) => deliveryPlace(id)?.seq ?? []);
      return { kind: 'resolve', seqs, by: storedText(action.by), note: storedText(action.note) };
    }
    case 'bury':
      return { ...action, destination: storedText(action.destination), limit: Math.ceil(action.limit) };
    case 'cancel':
      return { kind: 'cancel', event: storedText(action.eventId), bucket: bucketOf(action.eventId) };
    case 'rename':
      return { kind: 'rename', from: storedText(action.from), to: storedText(action.to) };
    default:
      return action satisfies never;
  }
}

/** Gathers the rows of a batch, and the bytes they speak of. */
class Writer {
  readonly lists = {
    ends: [] as unknown[],
    retries: [] as unknown[],
    deaths: [] as unknown[],
    answers: [] as unknown[],
    keyed: [] as unknown[],
    events: [] as unknown[],
    deliveries: [] as unknown[],
  };
  readonly keys = new Set<string>();
  /** How many positions events and their deliveries need. */
  readonly positions = { emits: 0, appends: 0 };
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  bytes(): Buffer {
    return Buffer.concat(this.#chunks, this.#length);
  }

  settlement({ claim, outcome, answer }: Settlement, turn: number): void {
    const ref = refOf(claim);
    const record = outcome.attempt === null ? null : storedJson(outcome.attempt);
    const error = outcome.attempt === null ? null : storedText(outcome.attempt.error);
    if (answer !== null) {
      const { status, headers, body } = answer;
      const bytes = { o: this.#add(body), l: body.length };
      this.lists.answers.push({ ...ref, f: turn, t: status, h: JSON.stringify(headers), ...bytes });
    }
    switch (outcome.kind) {
      case 'succeeded':
        this.lists.ends.push({ ...ref, x: 'succeeded', a: record });
        break;
      case 'skipped':
        this.lists.ends.push({ ...ref, x: 'skipped', n: storedText(outcome.note), a: record });
        break;
      case 'retry':
        this.lists.retries.push({ ...ref, d: wholeMs(outcome.delayMs), p: outcome.spends, e: error, a: record });
        break;
      case 'dead': {
        const { reason, note, holdKey } = outcome;
        this.lists.deaths.push({ ...ref, r: reason, n: storedText(note), h: holdKey, e: error, a: record });
        break;
      }
    }
  }

  event({ event, dedupeWindowMs, deliveries }: NewEvent, settlement: number | null): void {
    const index = this.lists.events.length;
    const { body } = event;
    const row = {
      i: index,
      id: storedText(event.id),
      b: bucketOf(event.id),
      s: storedText(event.source),
      t: storedText(event.type),
      n: storedText(event.tenant),
      d: storedText(event.dedupeKey),
      k: storedText(event.orderKey),
      r: Math.floor(event.receivedAt),
      m: storedText(event.method),
      p: storedText(event.path),
      q: storedText(event.query),
      h: JSON.stringify(event.headers),
      c: storedText(event.correlationId),
      w: storedText(event.traceparent),
      u: storedText(event.unfit),
      x: storedText(event.duplicateOf),
      a: deliveries.length,
      f: settlement,
    };
    const where = body === null ? {} : { o: this.#add(body), l: body.length };
    this.lists.events.push({ ...row, ...where });
    this.positions[settlement === null ? 'appends' : 'emits'] += 1 + deliveries.length;
    if (event.dedupeKey !== null && dedupeWindowMs > 0) {
      const { i, id, b, r, f } = row;
      this.lists.keyed.push({ i, id, b, r, f, g: this.#digests(event), e: wholeMs(dedupeWindowMs) });
    }
    for (const [turn, { destination, orderKey, dueAt, dead, handOff }] of deliveries.entries()) {
      const key = storedText(orderKey);
      const at = dueAt === null ? null : wholeMs(dueAt);
      const born = { i: index, j: turn, d: storedText(destination), k: key, w: at, x: dead, h: HANDED[handOff] };
      this.lists.deliveries.push(born);
      if (key !== null) this.keys.add(keyText(row.n, key));
    }
  }

  /** Where the digest of what is deduplicated lies; that of the body is behind it. */
  #digests({ source, tenant, type, dedupeKey, body }: NewEvent['event']): number {
    const at = this.#add(hash('sha256', JSON.stringify([source, tenant, type, dedupeKey]), 'buffer'));
    this.#add(hash('sha256', body ?? new Uint8Array(), 'buffer'));
    return at;
  }

  /** Where it begins. */
  #add(bytes: Uint8Array): number {
    const at = this.#length;
    this.#chunks.push(bytes);
    this.#length += bytes.length;
    return at;
  }
}

/** The text of a key, as `json_build_array` writes it. */
function keyText(tenant: string | null, orderKey: string): string {
  return `[${JSON.stringify(tenant)}, ${JSON.stringify(orderKey)}]`;
}

/** The last moment that a Date can hold; more is no bigint any more. */
const MS_MAX = 8.64e15;

function wholeMs(ms: number): number {
  return Math.min(Math.ceil(ms), MS_MAX);
}
