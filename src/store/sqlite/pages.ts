/** Pages in memory: those of what was just committed are settled without a read. */
import type { Reader } from './reader.ts';
import { Page, type PageKey } from './page.ts';

/** Entries in memory, over all pages: 18 bytes each at most. */
const ENTRIES_MAX = 128 * 1024;
/** A page costs some hundred bytes however few entries it has. */
const PAGE_WEIGHT = 16;

export class Pages {
  readonly #reader: Reader;
  /** By destination, then by seq. In the order of use. */
  readonly #pages = new Map<number, Map<number, Page>>();
  readonly #order = new Set<Page>();
  #weight = 0;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** The page as it is committed; `null`: there is none. */
  get(key: PageKey): Page | null {
    const known = this.#pages.get(key.destination)?.get(key.seq);
    if (known !== undefined) return known;
    const row = this.#reader.first('page', key.destination, key.seq);
    if (row === null) return null;
    const page = Page.decode(key, row['data'] as Uint8Array);
    this.put(page);
    return page;
  }

  /** Keeps a page that was committed, in place of the one before. */
  put(page: Page): void {
    const { destination, seq } = page.key;
    this.forget(page.key);
    let pages = this.#pages.get(destination);
    if (pages === undefined) this.#pages.set(destination, (pages = new Map<number, Page>()));
    pages.set(seq, page);
    this.#order.add(page);
    this.#weight += page.count + PAGE_WEIGHT;
    for (const oldest of this.#order) {
      if (this.#weight <= ENTRIES_MAX) break;
      this.forget(oldest.key);
    }
  }

  forget({ destination, seq }: PageKey): void {
    const pages = this.#pages.get(destination);
    const page = pages?.get(seq);
    if (pages === undefined || page === undefined) return;
    pages.delete(seq);
    if (pages.size === 0) this.#pages.delete(destination);
    this.#order.delete(page);
    this.#weight -= page.count + PAGE_WEIGHT;
  }
}
