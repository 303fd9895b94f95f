/** What a request to a `sync` source waits for: the responders of its events, until its deadline. */
import type { AppendAnswer, NewEvent, StoredAnswer } from '../store/store.ts';
import type { AwaitedAnswer, IngestPorts } from './ports.ts';
import type { Source } from './source.ts';

type EventAnswers = Extract<AppendAnswer, { readonly status: 'committed' }>['events'];

export class SyncWait {
  readonly #ports: IngestPorts;
  readonly #source: Source;
  readonly #rows: readonly NewEvent[];
  readonly #until: number;
  /** One for each row; `null`: nobody responds to it. */
  readonly #waits: (AwaitedAnswer | null)[];

  /** Begins before the rows are committed, so that no answer is missed. */
  constructor(ports: IngestPorts, source: Source, rows: readonly NewEvent[]) {
    this.#ports = ports;
    this.#source = source;
    this.#rows = rows;
    this.#until = ports.clock.monotonic() + source.deadlineMs;
    this.#waits = rows.map((row) => this.#await(row, row.event.id, false));
  }

  /** Waits no longer. */
  cancel(): void {
    for (const waited of this.#waits) waited?.cancel();
  }

  /**
   * Resolves when every event that was committed has been attempted by its responder, or at the deadline: with the
   * answer to the only event, `null` where there is none. A split body has no answer of its own, and what repeats
   * elements of an earlier one does not wait for them.
   */
  async answer(events: EventAnswers): Promise<StoredAnswer | null> {
    let answer: StoredAnswer | null = null;
    for (const [index, event] of events.entries()) {
      if (event.status === 'committed') continue;
      this.#waits[index]?.cancel();
      this.#waits[index] = null;
      if (this.#source.split !== null) continue;
      answer = event.answer;
      const row = this.#rows[index];
      // The first may still run: it answers both.
      if (answer === null && row !== undefined) this.#waits[index] = this.#await(row, event.eventId, true);
    }
    return answer ?? this.#settled();
  }

  async #settled(): Promise<StoredAnswer | null> {
    const waits = this.#waits.filter((waited) => waited !== null);
    if (waits.length === 0) return null;
    const { clock } = this.#ports;
    const timer = clock.schedule(Math.max(0, this.#until - clock.monotonic()), () => this.cancel());
    const [first = null] = await Promise.all(waits.map(({ answer }) => answer));
    timer.cancel();
    return this.#source.split === null ? first : null;
  }

  /** @param repeat then the event was owed before, whatever the backlog says now */
  #await({ deliveries }: NewEvent, eventId: string, repeat: boolean): AwaitedAnswer | null {
    const { responders } = this.#source;
    const owed = deliveries.find(
      ({ destination, dead }) => (repeat || dead === null) && responders.includes(destination),
    );
    return owed === undefined ? null : this.#ports.awaitAnswer(owed.destination, eventId, repeat);
  }
}
