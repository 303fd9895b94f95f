/** What a test and the gateways it starts as processes say to each other. */

/** How a worker is made. */
export interface WorkerOptions {
  readonly store: string;
  /** Where its endpoints and handlers tell that they were called. */
  readonly receiver: string;
  /** Limits of its endpoints, by name. */
  readonly endpoints: Readonly<Record<string, { readonly concurrency: number; readonly rate?: number }>>;
  /** How long a claim is good for. */
  readonly lease: string;
  readonly role: 'all' | 'gateway' | 'worker';
}

export type Asked =
  /** Emits so many events of a type. */
  | { readonly kind: 'emit'; readonly type: string; readonly count: number }
  /** Asks its admin API. */
  | { readonly kind: 'get'; readonly path: string };

export type Told =
  | { readonly kind: 'ready' }
  | { readonly kind: 'emitted' }
  | { readonly kind: 'got'; readonly body: unknown };
