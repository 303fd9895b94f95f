/** What a bulk replay is made of: past deliveries, or events that were owed to nobody, a chunk at a time. */
import type { StoredEvent } from '../core/event.ts';
import type { EventSummary, HistoryStore } from '../store/store.ts';
import type { Lanes } from './lanes.ts';
import type { ReplayFilter } from './replay-status.ts';

/** What a delivery or an event becomes in a replay. */
export interface Candidate {
  readonly eventId: string;
  readonly tenant: string | null;
  readonly receivedAt: number;
  readonly destination: string;
  readonly of: string | null;
}

export interface Chunk {
  readonly candidates: readonly Candidate[];
  readonly cursor: string | null;
}

/** Where a chunk begins, and what is not in it: deliveries made after the replay began, its own above all. */
export interface ChunkBounds {
  readonly cursor: string | undefined;
  readonly limit: number;
  readonly madeBefore: number;
  readonly replayId: string | null;
}

export interface CandidatesOptions {
  readonly history: HistoryStore;
  readonly lanes: Lanes;
  /** Names of the destinations that take this event now. */
  readonly takers: (event: StoredEvent) => readonly string[];
}

export class Candidates {
  readonly #options: CandidatesOptions;

  constructor(options: CandidatesOptions) {
    this.#options = options;
  }

  /** Without what went to an endpoint that has another tenant by now. */
  async chunk(filter: ReplayFilter, bounds: ChunkBounds): Promise<Chunk> {
    const { candidates, cursor } = await this.#listed(filter, bounds);
    const { lanes } = this.#options;
    return { candidates: candidates.filter((one) => lanes.mayHave(one.destination, one.tenant)), cursor };
  }

  async #listed(filter: ReplayFilter, bounds: ChunkBounds): Promise<Chunk> {
    const { cursor, limit } = bounds;
    const page = { limit, oldestFirst: true, ...(cursor === undefined ? {} : { cursor }) };
    const { what = 'dead', to, reason, destination, ...common } = filter;
    if (what === 'unmatched') {
      const listed = await this.#options.history.events({ ...common, unmatched: true }, page);
      const candidates = await Promise.all(listed.rows.map((event) => this.#unmatched(event, to)));
      return { candidates: candidates.flat(), cursor: listed.cursor };
    }
    const states = what === 'all' ? (['succeeded', 'skipped', 'dead'] as const) : (['dead'] as const);
    const listed = await this.#options.history.deliveries(
      {
        ...common,
        states,
        ...(destination === undefined ? {} : { destination }),
        ...(reason === undefined ? {} : { reason }),
        ...(what === 'dead' ? { resolved: false } : {}),
      },
      page,
    );
    const old = listed.rows.filter(
      (row) => row.committedAt <= bounds.madeBefore && (bounds.replayId === null || row.replayId !== bounds.replayId),
    );
    // What an earlier replay made repeats a delivery that is in the list itself: each is made once, not once a replay.
    const firsts = what === 'all' ? old.filter((row) => row.replayOf === null) : old;
    const candidates = firsts.map((row): Candidate => {
      const name = to ?? row.destination;
      return {
        eventId: row.eventId,
        tenant: row.tenant,
        receivedAt: row.receivedAt,
        destination: name,
        of: name === row.destination ? row.id : null,
      };
    });
    return { candidates, cursor: listed.cursor };
  }

  async #unmatched(event: EventSummary, to: string | undefined): Promise<Candidate[]> {
    const record = to === undefined ? await this.#options.history.event(event.id) : null;
    const takers = record === null ? [] : this.#options.takers(record.event);
    const names = to === undefined ? takers : [to];
    const { id: eventId, tenant, receivedAt } = event;
    return names.map((name) => ({ eventId, tenant, receivedAt, destination: name, of: null }));
  }
}
