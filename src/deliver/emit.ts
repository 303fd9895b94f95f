/** What `emit` takes, on the gateway and in a handler's context. */

export interface EmitOptions {
  readonly tenant?: string;
  /** A repeat within the window is recognised and changes nothing. */
  readonly dedupeKey?: string;
  readonly orderKey?: string;
  /** Not delivered before this time; it can be cancelled until then. */
  readonly at?: Date | number;
  /** Default: that of the event being handled, else a new one. */
  readonly correlationId?: string;
}
