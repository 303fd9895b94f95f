/** The library's public names. */
import type { Config, Exact } from './config.ts';
import { Gateway, type GatewayOptions } from './gateway.ts';

/**
 * Makes a gateway of a config. Register handlers on it, then `await gateway.start()`.
 * @throws HoldfastError config_invalid, config_unknown_setting, secret_missing
 */
export function createGateway<const Given extends Config>(
  config: Given & Exact<Given>,
  options: GatewayOptions = {},
): Gateway<Given> {
  return new Gateway<Given>(config, options);
}

export { type Config, defineConfig } from './config.ts';
export type { Clock } from './core/clock.ts';
export type { Duration } from './core/duration.ts';
export { exponential, fixed, never, type RetryPolicy, standardSchedule } from './core/retry.ts';
export type { EmitOptions, SqlTransaction, TransactionOption } from './deliver/emit.ts';
export type {
  Batch,
  BatchContext,
  BatchEmitOptions,
  BatchHandler,
  Handler,
  HandlerContext,
  HandlerEvent,
} from './deliver/handler.ts';
export { Reject, RetryLater, Skip, Unavailable } from './deliver/outcomes.ts';
export { type ErrorCode, errorCodes, HoldfastError } from './errors.ts';
export type { Gateway, GatewayOptions, StopOptions } from './gateway.ts';
export type { BatchOptions, HandlerOptions } from './gateway/destinations.ts';
export type { EndpointOptions } from './gateway/endpoints.ts';
export type { EndpointsOptions } from './gateway/endpoints-queue.ts';
export type {
  AdminMountOptions,
  Caller,
  Identify,
  Identity,
  Operations,
  OperationsOptions,
  Scope,
} from './gateway/operations.ts';
export type { EveryOptions } from './gateway/schedules.ts';
export type { SourceConfig } from './ingest/source.ts';
export type { HistoryStore } from './store/store.ts';
export { secret } from './verify/secret.ts';
