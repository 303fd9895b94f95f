/** Versioned documents, and who is told when they change. */
import type { Clock, Timer } from '../../core/clock.ts';
import type { Document, DocumentAnswer, DocumentWrite, JsonValue } from '../store.ts';
import type { Committing } from './commit.ts';
import type { Row, Statement } from './connection.ts';
import { numberIn, textIn } from './rows.ts';
import { documentText, storedText } from './text.ts';

/** How often is looked whether another process wrote something: a lost notification is made good within the 5 s. */
const LOOK_MS = 2_000;

export async function getDocument(
  { connections, schema }: Committing,
  kind: string,
  key: string,
): Promise<Document | null> {
  const text = `SELECT kind, key, value::text AS value, version FROM ${schema}.document
    WHERE kind = $1 AND key = $2 AND value IS NOT NULL`;
  const [row] = await connections.read(text, [storedText(kind), storedText(key)]);
  return row === undefined ? null : documentOf(row);
}

export async function listDocuments({ connections, schema }: Committing, kind: string): Promise<readonly Document[]> {
  const text = `SELECT kind, key, value::text AS value, version FROM ${schema}.document
    WHERE kind = $1 AND value IS NOT NULL ORDER BY key`;
  return (await connections.read(text, [storedText(kind)])).map(documentOf);
}

export function putDocument(to: Committing, write: DocumentWrite): Promise<DocumentAnswer> {
  return writeDocument(to, write, [{ text: `SELECT ${to.schema}.tell_1($1, NULL, true)`, values: [to.owner] }]);
}

/** Like {@link putDocument}, without a word to anybody: a notification costs all processes a look each. */
export function beatDocument(to: Committing, write: DocumentWrite): Promise<DocumentAnswer> {
  return writeDocument(to, write, []);
}

async function writeDocument(
  { connections, schema }: Committing,
  { kind, key, value, ifVersion }: DocumentWrite,
  before: readonly Statement[],
): Promise<DocumentAnswer> {
  const put = `SELECT ${schema}.put_document($1, $2, $3, $4) AS version`;
  const values = [storedText(kind), storedText(key), documentText(value), ifVersion];
  const [row] = await connections.run([...before, { text: put, values }]);
  const version = row?.['version'] ?? null;
  return version === null
    ? { status: 'refused', reason: 'conflict' }
    : { status: 'committed', version: Number(version) };
}

function documentOf(row: Row): Document {
  return {
    kind: textIn(row, 'kind'),
    key: textIn(row, 'key'),
    value: JSON.parse(String(row['value'])) as JsonValue,
    version: numberIn(row, 'version'),
  };
}

/** Who watches which kind. Own writes are told at once, those of others when a look finds that versions have risen. */
export class Watchers {
  readonly #clock: Clock;
  readonly #use: () => Committing;
  readonly #watchers = new Set<{ readonly kind: string; readonly changed: () => void }>();
  #seen: ReadonlyMap<string, string> | null = null;
  #timer: Timer | null = null;
  #looking: Promise<void> | null = null;

  constructor(clock: Clock, use: () => Committing) {
    this.#clock = clock;
    this.#use = use;
  }

  watch(kind: string, changed: () => void): () => void {
    const watcher = { kind, changed };
    this.#watchers.add(watcher);
    if (this.#timer === null) this.look();
    return () => void this.#watchers.delete(watcher);
  }

  /** These kinds were written. */
  tell(kinds: ReadonlySet<string>): void {
    for (const { kind, changed } of this.#watchers) if (kinds.has(kind)) queueMicrotask(changed);
  }

  /** Looks now, and again after a while as long as somebody watches. */
  look(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
      if (this.#watchers.size > 0) this.#timer = this.#clock.schedule(LOOK_MS, () => this.look());
      else this.#seen = null;
    });
  }

  /** Resolves when nobody looks. */
  async quiet(): Promise<void> {
    await this.#looking;
  }

  async stop(): Promise<void> {
    this.#watchers.clear();
    await this.#looking;
    this.#timer?.cancel();
    this.#timer = null;
    this.#seen = null;
  }

  async #look(): Promise<void> {
    try {
      const { connections, schema } = this.#use();
      // Versions only rise, also of what is deleted: whatever was written since the last look has changed the sum.
      const rows = await connections.read(
        `SELECT kind, sum(version)::text AS sum FROM ${schema}.document GROUP BY kind`,
      );
      const sums = new Map(rows.map((row) => [textIn(row, 'kind'), String(row['sum'])]));
      const before = this.#seen;
      this.#seen = sums;
      // At first there is nothing to compare with, and whoever watches may have read before somebody wrote.
      const watched = [...this.#watchers].map(({ kind }) => kind);
      const kinds = before === null ? watched : [...sums.keys()].filter((kind) => sums.get(kind) !== before.get(kind));
      this.tell(new Set(kinds));
    } catch {
      // The store is not there now: the next look finds what this one would have.
    }
  }
}
