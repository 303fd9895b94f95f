/** Puts the events of a transaction into chunks, and the short-way deliveries they owe into pages. */
import { idBytes } from '../../core/id.ts';
import { ChunkBuilder, type ChunkEvent } from './chunk.ts';
import { Page } from './page.ts';
import { wordsBytes } from './words.ts';
import { isEarly } from './times.ts';
import type { StagedEvent, Txn } from './txn.ts';

/** The entries of a page while its chunk grows. */
interface PageDraft {
  readonly offsets: number[];
  readonly marks: number[];
}

export class ChunkWriter {
  readonly #txn: Txn;
  #builder: ChunkBuilder | null = null;
  #pages = new Map<number, PageDraft>();
  #receivedHigh: number;
  #receivedLast: number;
  readonly #added: StagedEvent[] = [];

  constructor(txn: Txn) {
    this.#txn = txn;
    this.#receivedHigh = txn.state.receivedHigh;
    this.#receivedLast = txn.state.receivedLast;
    txn.staged = {
      find: (id) => this.#added.find(({ event }) => event.id === id) ?? null,
      at: (seq) => this.#added.find((added) => added.seq === seq) ?? null,
    };
    txn.beforeEnd(() => this.close());
  }

  /** Adds an event and answers its seq. */
  add(item: ChunkEvent): number {
    const txn = this.#txn;
    if (this.#builder?.isFullFor(item.event.body?.length ?? 0) === true) this.close();
    this.#builder ??= new ChunkBuilder(txn.nextSeq);
    const seq = txn.nextSeq++;
    this.#builder.add(item);
    this.#added.push({ seq, chunkSeq: this.#builder.seq, event: item.event, owed: item.owed });
    if (item.event.id > txn.highId) txn.highId = item.event.id;
    else txn.step({ statement: 'insertStray', params: [wordsBytes(item.id), seq] });
    return seq;
  }

  /** Adds a delivery of the event added last to the page of its destination. */
  page(destination: number, at: { seq: number; ordinal: number; state: number }): { seq: number; index: number } {
    const seq = this.#builder?.seq ?? at.seq;
    let draft = this.#pages.get(destination);
    if (draft === undefined) this.#pages.set(destination, (draft = { offsets: [], marks: [] }));
    draft.marks.push(at.ordinal * 4 + at.state);
    return { seq, index: draft.offsets.push(at.seq - seq) - 1 };
  }

  /** Writes the chunk that is open. Before anything else takes a seq. */
  close(): void {
    const builder = this.#builder;
    if (builder === null) return;
    const txn = this.#txn;
    const { seq, count, receivedMin, receivedMax, unmatched, marks, meta, body } = builder.finish();
    const high = idBytes(txn.highId) ?? new Uint8Array(16);
    const times = [receivedMin, receivedMax, ...this.#placeInTime(receivedMin, receivedMax)];
    txn.step({
      statement: 'insertChunk',
      params: [seq, count, txn.now, ...times, unmatched, high, marks, txn.blob('chunk', seq, meta)],
    });
    txn.step({ statement: 'insertBody', params: [seq, txn.blob('body', seq, body)] });
    this.#noteDisorder(seq, receivedMin);
    for (const [destination, { offsets, marks }] of this.#pages) {
      const entries = { offsets: Uint16Array.from(offsets), marks: Uint16Array.from(marks) };
      const page = new Page({ destination, seq }, txn.now, entries);
      page.recount();
      txn.putPage(page);
    }
    this.#builder = null;
    this.#pages = new Map();
  }

  /** The latest receipt so far, and whether the chunk was received well before its turn. */
  #placeInTime(receivedMin: number, receivedMax: number): [number, number] {
    const { state } = this.#txn;
    const early = Number(isEarly(receivedMin, this.#receivedLast));
    const last = Math.max(this.#receivedLast, receivedMax);
    this.#receivedLast = last;
    this.#txn.afterwards(() => void (state.receivedLast = last));
    return [last, early];
  }

  /** Retention goes through chunks in order; one that was received before its turn is noted apart. */
  #noteDisorder(seq: number, receivedMin: number): void {
    const { state } = this.#txn;
    if (receivedMin < this.#receivedHigh) {
      this.#txn.step({ statement: 'noteEarly', params: [seq, receivedMin] });
      return;
    }
    this.#receivedHigh = receivedMin;
    this.#txn.afterwards(() => void (state.receivedHigh = receivedMin));
  }
}
