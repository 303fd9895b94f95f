/**
 * The endpoints that are managed through the API, in memory: which of them an event is for, and what each is to
 * dispatch. Read from the registry at start, and again when another process changed one.
 */
import type { Clock } from '../core/clock.ts';
import type { StoredEvent } from '../core/event.ts';
import { Follower } from '../core/follower.ts';
import type { Observer } from '../core/observer.ts';
import type { Runner } from '../deliver/runner.ts';
import type { Destination } from '../dispatch/destination.ts';
import type { Directory } from '../dispatch/lanes.ts';
import type { Document, RegistryStore } from '../store/store.ts';
import type { StoredEndpoint } from './definition.ts';
import { BodyOnce, Entry } from './entry.ts';
import { type EndpointPolicy, offers } from './policy.ts';
import type { Vault } from './vault.ts';

export const ENDPOINT = 'endpoint';

export interface DirectoryOptions {
  readonly registry: RegistryStore;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly vault: Vault;
  readonly policy: EndpointPolicy;
  /** Sends to whichever endpoint a claim is for. */
  readonly runner: Runner;
  /** An endpoint came, changed or went. */
  readonly changed: (id: string) => void;
}

interface EndpointDocument {
  readonly stored: StoredEndpoint;
  readonly version: number;
}

/** Changes of other processes are read at most this often. */
const READ_AGAIN_MS = 1000;
/** Kinds of events whose endpoints are remembered; beyond it, remembering starts anew. */
const REMEMBERED_MAX = 10_000;

export class EndpointDirectory implements Directory {
  readonly #options: DirectoryOptions;
  readonly #entries = new Map<string, Entry>();
  /** The endpoints of each tenant; under `null` those of all. */
  readonly #byTenant = new Map<string | null, Set<Entry>>();
  /** By tenant, source and type: those that may take such an event. */
  readonly #remembered = new Map<string, readonly Entry[]>();
  readonly #bodies = new BodyOnce();
  readonly #follower: Follower<Document>;

  constructor(options: DirectoryOptions) {
    this.#options = options;
    const { registry, clock, observer } = options;
    this.#follower = new Follower({
      registry,
      kind: ENDPOINT,
      clock,
      gatherMs: READ_AGAIN_MS,
      known: () => this.#entries.keys(),
      apply: (id, row) =>
        this.#take(id, row && { stored: row.value as unknown as StoredEndpoint, version: row.version }),
      failed: (error) => observer.note('error', 'could not read the endpoints again', { error: String(error) }),
    });
  }

  start(): Promise<void> {
    return this.#follower.start();
  }

  stop(): void {
    this.#follower.stop();
  }

  get size(): number {
    return this.#entries.size;
  }

  entry(id: string): Entry | null {
    return this.#entries.get(id) ?? null;
  }

  entries(): MapIterator<Entry> {
    return this.#entries.values();
  }

  // ------------------------------------------------------------------------------------------- for dispatch

  find(name: string): Destination | null {
    const entry = this.#entries.get(name);
    return entry === undefined || entry.stored.deleting
      ? null
      : entry.destination(this.#options.runner, this.#options.policy);
  }

  disabledSince(name: string): number | null {
    return this.#entries.get(name)?.stored.disabled?.at ?? null;
  }

  *names(): Iterable<string> {
    for (const { id, stored } of this.#entries.values()) if (stored.disabled === null && !stored.deleting) yield id;
  }

  matching(event: StoredEvent, until: number): readonly string[] {
    if (this.#entries.size === 0) return [];
    const ids: string[] = [];
    for (const entry of this.#candidates(event)) {
      if (entry.stored.createdAt <= until && entry.accepts(event, this.#bodies)) ids.push(entry.id);
    }
    return ids;
  }

  /** How many endpoints a tenant has, those that are being deleted among them. */
  ofTenant(tenant: string): number {
    return this.#byTenant.get(tenant)?.size ?? 0;
  }

  reach(tenant: string | null): number {
    const own = tenant === null ? 0 : this.ofTenant(tenant);
    return own + (this.#byTenant.get(null)?.size ?? 0);
  }

  mayHave(name: string, tenant: string | null): boolean {
    const own = this.#entries.get(name)?.stored.tenant ?? null;
    return own === null || own === tenant;
  }

  #candidates({ tenant, source, type }: StoredEvent): readonly Entry[] {
    const key = JSON.stringify([tenant, source, type]);
    const remembered = this.#remembered.get(key);
    if (remembered !== undefined) return remembered;
    if (!offers(this.#options.policy, source, type)) return [];
    const all = [...(this.#byTenant.get(null) ?? []), ...(tenant === null ? [] : (this.#byTenant.get(tenant) ?? []))];
    const found = all.filter((entry) => !entry.stored.deleting && entry.takes(source, type));
    if (this.#remembered.size >= REMEMBERED_MAX) this.#remembered.clear();
    this.#remembered.set(key, found);
    return found;
  }

  // -------------------------------------------------------------------------------------------- its contents

  /** Takes in a document as this process committed it; `null`: it is gone. */
  apply(id: string, document: EndpointDocument | null): void {
    this.#follower.wrote(id);
    this.#take(id, document);
  }

  /** Reads all of them again. */
  refresh(): Promise<void> {
    return this.#follower.refresh();
  }

  /** Older versions than the one here are passed over. */
  #take(id: string, document: EndpointDocument | null): void {
    const before = this.#entries.get(id);
    if (document !== null && before !== undefined && before.version >= document.version) return;
    if (document === null && before === undefined) return;
    if (before !== undefined) this.#byTenant.get(before.stored.tenant)?.delete(before);
    if (document === null) this.#entries.delete(id);
    else {
      const entry = new Entry(id, document, this.#options.vault);
      const { tenant } = entry.stored;
      this.#entries.set(id, entry);
      const own = this.#byTenant.get(tenant) ?? new Set();
      this.#byTenant.set(tenant, own.add(entry));
    }
    this.#remembered.clear();
    this.#options.changed(id);
  }
}
