/** The files an embedded store has beside it, so that the CLI on the same machine finds the gateway. Both mode 0600. */

/** What a running gateway says about itself in its {@link runtimeFile}, as JSON. Removed by a graceful stop. */
export interface RuntimeInfo {
  readonly pid: number;
  /** Where webhooks go: `http://127.0.0.1:8420`. */
  readonly url: string;
  /** Where the admin API is; the same unless it has a port of its own. */
  readonly adminUrl: string;
}

/** Where the gateway that owns this store writes its {@link RuntimeInfo}. */
export function runtimeFile(storePath: string): string {
  return `${storePath}.json`;
}

/** Where the admin token made at first start is kept. */
export function tokenFile(storePath: string): string {
  return `${storePath}.token`;
}

/** Where the key that seals the secrets of endpoints is kept. Whoever has it and the store can read them. */
export function keyFile(storePath: string): string {
  return `${storePath}.key`;
}

/** The path of an embedded store, as written in the setting; `null` for any other store. */
export function embeddedStorePath(store: string): string | null {
  return store.startsWith('sqlite:') ? store.slice('sqlite:'.length) : null;
}

/** Reads what a runtime file holds; `null` when it is not one (half written, of another program). */
export function parseRuntimeInfo(text: string): RuntimeInfo | null {
  try {
    const { pid, url, adminUrl } = JSON.parse(text) as Partial<Record<keyof RuntimeInfo, unknown>>;
    if (typeof pid !== 'number' || typeof url !== 'string' || typeof adminUrl !== 'string') return null;
    return { pid, url, adminUrl };
  } catch {
    return null;
  }
}
