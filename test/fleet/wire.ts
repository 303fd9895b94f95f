/** What the processes of a fleet and those who start them agree on. */
import { createHmac } from 'node:crypto';

export const SOURCE = 'shop';
export const SECRET = 'the secret of the fleet';
export const TOKEN = 'hf_the_admin_token_of_the_fleet';
/** Takes everything in order. */
export const ORDERED = 'ledger';
/** Takes everything, as it comes. */
export const FREE = 'mail';

export type Role = 'all' | 'gateway' | 'worker';

export interface MemberOptions {
  /** Of this start of this process: `worker-2.5` */
  readonly member: string;
  readonly role: Role;
  readonly store: string;
  readonly queue: string | null;
  readonly leaseMs: number;
  /** The file that all handlers of the fleet write to. */
  readonly log: string;
  readonly handlerMs: number;
  /** The start that stops itself (SIGSTOP) when it has begun with {@link FREE}. */
  readonly stopsItself?: string;
  readonly logLevel?: string;
}

/** A line before and after each invocation of a handler. */
export interface LogLine {
  readonly member: string;
  readonly destination: string;
  readonly delivery: string;
  readonly order: string;
  /** `ORDER:SEQUENCE` */
  readonly key: string;
  readonly ended: boolean;
}

export type Told =
  | { readonly kind: 'ready'; readonly ingest: string; readonly admin: string }
  | { readonly kind: 'refused'; readonly message: string };

export function signature(body: string): string {
  return createHmac('sha256', SECRET).update(body).digest('hex');
}
