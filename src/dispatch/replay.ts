/**
 * Replays: new deliveries made from past ones. A bulk replay is a document with a cursor: each chunk of new deliveries
 * and the cursor behind it are one commit, so that it goes on after a restart where it was, and makes none twice.
 */
import type { Clock } from '../core/clock.ts';
import type { StoredEvent } from '../core/event.ts';
import type { IdMaker } from '../core/id.ts';
import type { Observer } from '../core/observer.ts';
import { HoldfastError } from '../errors.ts';
import type { Committer } from '../commit/committer.ts';
import type { DeliveryRecord, HistoryStore, RegistryStore, ReplayAnswer, ReplayRow } from '../store/store.ts';
import type { Group } from './group.ts';
import type { Lanes } from './lanes.ts';
import { type Candidate, Candidates } from './replay-candidates.ts';
import {
  cursorOf,
  documentOf,
  REPLAY,
  type ReplayFilter,
  type ReplayPlan,
  type ReplayRequest,
  type ReplayStatus,
  statusOf,
} from './replay-status.ts';

export type { ReplayFilter, ReplayPlan, ReplayRequest, ReplayStatus };

export interface ReplaysOptions {
  readonly history: HistoryStore;
  readonly registry: RegistryStore;
  readonly committer: Committer;
  readonly clock: Clock;
  readonly ids: IdMaker;
  readonly observer: Observer;
  readonly lanes: Lanes;
  readonly group: Group;
  /** Names of the destinations that take this event now. */
  readonly takers: (event: StoredEvent) => readonly string[];
}

const CHUNK = 100;
const PLAN_MAX = 100_000;
const RATE_DEFAULT = 100;
/** How long a chunk lets live traffic go first. */
const YIELD_MS = 5000;
const YIELD_STEP_MS = 50;

export class Replays {
  readonly #options: ReplaysOptions;
  readonly #candidates: Candidates;
  readonly #active = new Set<string>();
  /** Those that ran at the last look: the version of each, and since when it is that (monotonic). */
  #seen: ReadonlyMap<string, { readonly version: number; readonly since: number }> = new Map();
  #stopped = false;

  constructor(options: ReplaysOptions) {
    this.#options = options;
    this.#candidates = new Candidates(options);
  }

  /** Goes on with what a restart interrupted. Where another process is at it, that one stops when it sees it. */
  async resume(): Promise<void> {
    for (const document of await this.#options.registry.list(REPLAY)) {
      if (statusOf(document).state === 'running') void this.#run(document.key);
    }
  }

  /**
   * Goes on with those that nobody has got further since the last call, nor for as long as a chunk of theirs lasts: their
   * process has died. Call it now and then.
   */
  async takeOver(): Promise<void> {
    const before = this.#seen;
    const seen = new Map<string, { readonly version: number; readonly since: number }>();
    const now = this.#options.clock.monotonic();
    for (const document of await this.#options.registry.list(REPLAY)) {
      const { key, version } = document;
      const { state, ratePerS } = statusOf(document);
      if (state !== 'running') continue;
      const known = before.get(key);
      const since = known?.version === version ? known.since : now;
      seen.set(key, { version, since });
      if (since < now && now - since >= (chunkOf(ratePerS) * 1000) / ratePerS) void this.#run(key);
    }
    this.#seen = seen;
  }

  stop(): void {
    this.#stopped = true;
  }

  /**
   * What a bulk replay with this filter would make, without making it. Counting stops at 100,000.
   * @throws HoldfastError destination_unknown where nothing is, or ever was, of that name; invalid_input for events of
   *   everybody to what is a tenant's own
   */
  async plan(filter: ReplayFilter): Promise<ReplayPlan> {
    const { lanes, group } = this.#options;
    const { to, destination } = filter;
    if (to !== undefined && !lanes.has(to)) throw unknown(to);
    if (to !== undefined && !lanes.mayHave(to, filter.tenant ?? null)) throw foreign(to);
    const byDestination = new Map<string, number>();
    let count = 0;
    let oldestAt: number | null = null;
    let newestAt: number | null = null;
    let cursor: string | undefined;
    do {
      const chunk = await this.#candidates.chunk(filter, {
        cursor,
        limit: 1000,
        madeBefore: this.#options.clock.now(),
        replayId: null,
      });
      for (const candidate of chunk.candidates) {
        count++;
        byDestination.set(candidate.destination, (byDestination.get(candidate.destination) ?? 0) + 1);
        oldestAt = Math.min(oldestAt ?? candidate.receivedAt, candidate.receivedAt);
        newestAt = Math.max(newestAt ?? candidate.receivedAt, candidate.receivedAt);
      }
      cursor = chunk.cursor ?? undefined;
    } while (cursor !== undefined && count < PLAN_MAX);
    // Of one that is gone there may be dead letters; of one that is misspelt there are none.
    const isNamed = destination === undefined || lanes.has(destination) || group.is(destination);
    if (count === 0 && !isNamed) throw unknown(destination);
    return {
      count,
      atLeast: cursor !== undefined,
      byDestination: Object.fromEntries(byDestination),
      oldestAt,
      newestAt,
    };
  }

  /** @throws HoldfastError destination_unknown, invalid_input, store_unavailable */
  async start(request: ReplayRequest): Promise<ReplayStatus> {
    const { clock, ids, committer } = this.#options;
    const now = clock.now();
    const until = Math.min(request.filter.until ?? now + 1, now + 1);
    const filter = { ...request.filter, until };
    const plan = await this.plan(filter);
    const status: ReplayStatus = {
      id: ids.make('rpl'),
      state: 'running',
      filter,
      ratePerS: request.ratePerS ?? RATE_DEFAULT,
      by: request.by,
      startedAt: now,
      endedAt: null,
      until,
      planned: plan.count,
      made: 0,
      refused: 0,
    };
    await committer.write({ kind: REPLAY, key: status.id, value: documentOf(status, null), ifVersion: 0 });
    this.#options.observer.note('info', 'replay started', { replayId: status.id, planned: plan.count, by: request.by });
    void this.#run(status.id);
    return status;
  }

  async list(): Promise<readonly ReplayStatus[]> {
    const documents = await this.#options.registry.list(REPLAY);
    return documents.map(statusOf).toSorted((a, b) => b.startedAt - a.startedAt);
  }

  async get(id: string): Promise<ReplayStatus | null> {
    const document = await this.#options.registry.get(REPLAY, id);
    return document === null ? null : statusOf(document);
  }

  /** Makes no more; what was made is delivered. */
  async cancel(id: string): Promise<ReplayStatus | null> {
    for (;;) {
      const document = await this.#options.registry.get(REPLAY, id);
      if (document === null) return null;
      const status = statusOf(document);
      if (status.state !== 'running') return status;
      const cancelled: ReplayStatus = { ...status, state: 'cancelled', endedAt: this.#options.clock.now() };
      const value = documentOf(cancelled, cursorOf(document));
      const answer = await this.#options.committer.write({ kind: REPLAY, key: id, value, ifVersion: document.version });
      if (answer.status === 'committed') return cancelled;
    }
  }

  /**
   * New deliveries of one event: to where it went, or to these destinations.
   * @throws HoldfastError not_found, body_purged, replay_open, destination_unknown; invalid_input where one of them is
   *   another tenant's
   */
  async event(eventId: string, destinations: readonly string[] | null): Promise<readonly string[]> {
    const record = await this.#options.history.event(eventId);
    if (record === null) throw new HoldfastError('not_found', { detail: eventId });
    const latest = await this.#latest(eventId);
    const { tenant } = record.event;
    const names = destinations ?? (latest.size > 0 ? [...latest.keys()] : this.#options.takers(record.event));
    // All of them or none: else whoever is told that one is refused does not know that the others were made.
    const open = names.find((name) => latest.get(name)?.endedAt === null);
    if (open !== undefined)
      throw new HoldfastError('replay_open', { detail: `It is still to be delivered to '${open}'.` });
    return this.#now(
      names.map((name) => ({ eventId, tenant, receivedAt: 0, destination: name, of: latest.get(name)?.id ?? null })),
    );
  }

  /** The last delivery of an event to each destination: there may be thousands of endpoints. */
  async #latest(eventId: string): Promise<ReadonlyMap<string, DeliveryRecord>> {
    const latest = new Map<string, DeliveryRecord>();
    let cursor: string | undefined;
    do {
      const page = { limit: 1000, oldestFirst: true, ...(cursor === undefined ? {} : { cursor }) };
      const listed = await this.#options.history.deliveries({ eventId }, page);
      for (const row of listed.rows) latest.set(row.destination, row);
      cursor = listed.cursor ?? undefined;
    } while (cursor !== undefined);
    return latest;
  }

  /**
   * A new delivery of this one.
   * @throws HoldfastError not_found, body_purged, replay_open, destination_unknown; invalid_input where its destination
   *   is another tenant's by now
   */
  async delivery(deliveryId: string): Promise<string> {
    const found = await this.#options.history.delivery(deliveryId);
    if (found === null) throw new HoldfastError('not_found', { detail: deliveryId });
    const { eventId, tenant, destination } = found;
    const [made] = await this.#now([{ eventId, tenant, receivedAt: 0, destination, of: found.id }]);
    if (made === undefined) throw new HoldfastError('not_found', { detail: deliveryId });
    return made;
  }

  async #now(candidates: readonly Candidate[]): Promise<readonly string[]> {
    const { lanes } = this.#options;
    for (const { destination, tenant } of candidates) {
      if (!lanes.has(destination)) throw unknown(destination);
      if (!lanes.mayHave(destination, tenant)) throw foreign(destination);
    }
    const replayId = this.#options.ids.make('rpl');
    const { replays } = await this.#options.committer.replay(
      candidates.map((one) => this.#row(replayId, one)),
      [],
    );
    return replays.map((answer) => {
      if (answer.status === 'committed') return answer.deliveryId;
      throw refusal(answer);
    });
  }

  async #run(id: string): Promise<void> {
    if (this.#active.has(id)) return;
    this.#active.add(id);
    try {
      let version: number | null = null;
      do version = await this.#step(id, version);
      while (version !== null && !this.#stopped);
    } catch (error) {
      // The document still says `running`: it goes on at the next start, or when the store is back.
      this.#options.observer.note('error', 'replay interrupted', { replayId: id, error: String(error) });
      if (!this.#stopped) this.#options.clock.schedule(YIELD_MS, () => void this.#run(id));
    }
    this.#active.delete(id);
  }

  /**
   * One chunk, behind the one that left this version of the document (`null`: wherever it is). Answers the version it left;
   * `null`: there is no more to do here.
   */
  async #step(id: string, behind: number | null): Promise<number | null> {
    const { registry, committer, clock, observer } = this.#options;
    const document = await registry.get(REPLAY, id);
    // Another version: another process goes on with it. Two would make twice as many a second.
    if (document === null || (behind !== null && document.version !== behind)) return null;
    const status = statusOf(document);
    if (status.state !== 'running') return null;
    const limit = chunkOf(status.ratePerS);
    const bounds = { cursor: cursorOf(document) ?? undefined, limit, madeBefore: status.startedAt, replayId: id };
    const chunk = await this.#candidates.chunk(status.filter, bounds);
    const { candidates } = chunk;
    await this.#yieldToLive(candidates);
    // That may take seconds, and somebody may have cancelled it.
    if ((await registry.get(REPLAY, id))?.version !== document.version) return null;
    const done = chunk.cursor === null;
    // Counted as made before the answers: what is refused now is taken back in the next write, and shown meanwhile.
    const next: ReplayStatus = {
      ...status,
      state: done ? 'done' : 'running',
      endedAt: done ? clock.now() : null,
      made: status.made + candidates.length,
    };
    const { replays, documents } = await committer.replay(
      candidates.map((one) => this.#row(id, one)),
      [{ kind: REPLAY, key: id, value: documentOf(next, chunk.cursor), ifVersion: document.version }],
    );
    const [written] = documents;
    // Somebody else has written it: cancelled it, or runs it too. Then that one goes on, and counts.
    if (written?.status !== 'committed') return null;
    const version = await this.#correct(id, replays, written.version);
    if (done) observer.note('info', 'replay done', { replayId: id, made: next.made, refused: next.refused });
    else await this.#wait((candidates.length * 1000) / status.ratePerS);
    return done ? null : version;
  }

  /** Rows the store refused were not made after all. Answers the version that the document has then, if it was this one. */
  async #correct(id: string, answers: readonly ReplayAnswer[], ifVersion: number): Promise<number> {
    const refused = answers.filter((answer) => answer.status === 'refused').length;
    if (refused === 0) return ifVersion;
    const document = await this.#options.registry.get(REPLAY, id);
    if (document === null) return ifVersion;
    const status = statusOf(document);
    const corrected = { ...status, made: status.made - refused, refused: status.refused + refused };
    const answer = await this.#options.committer.write({
      kind: REPLAY,
      key: id,
      value: documentOf(corrected, cursorOf(document)),
      ifVersion: document.version,
    });
    return document.version === ifVersion && answer.status === 'committed' ? answer.version : ifVersion;
  }

  /** Live traffic first: waits while the lanes of this chunk have more than they can run, but not for ever. */
  async #yieldToLive(candidates: readonly Candidate[]): Promise<void> {
    const lanes = [...new Set(candidates.map(({ destination }) => destination))].map((name) =>
      this.#options.lanes.get(name),
    );
    const until = this.#options.clock.monotonic() + YIELD_MS;
    while (
      lanes.some((lane) => lane !== undefined && lane.queued > lane.concurrency) &&
      this.#options.clock.monotonic() < until
    ) {
      await this.#wait(YIELD_STEP_MS);
    }
  }

  #row(replayId: string, { eventId, destination, of }: Candidate): ReplayRow {
    return {
      replayId,
      eventId,
      destination,
      of,
      // What is for a destination that is absent now is held; it orders unless it says otherwise, like any.
      ordered: this.#options.lanes.get(destination)?.destination.ordered ?? true,
    };
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.clock.schedule(ms, resolve));
  }
}

/** Deliveries of one chunk: of those that are made slowly a second's worth, at least one. */
function chunkOf(ratePerS: number): number {
  return Math.min(CHUNK, Math.max(1, Math.floor(ratePerS)));
}

function refusal(answer: Extract<ReplayAnswer, { status: 'refused' }>): HoldfastError {
  if (answer.reason === 'body_purged' || answer.reason === 'replay_open') return new HoldfastError(answer.reason);
  if (answer.reason === 'conflict') return new HoldfastError('replay_open', { detail: 'It is still to be delivered.' });
  return new HoldfastError('not_found');
}

function foreign(destination: string): HoldfastError {
  return new HoldfastError('invalid_input', {
    detail: `'${destination}' is an endpoint of one tenant, and gets events of that tenant only.`,
  });
}

function unknown(destination: string): HoldfastError {
  return new HoldfastError('destination_unknown', { detail: `'${destination}'.` });
}
