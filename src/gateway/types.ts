/** How a gateway is typed by its config: handlers know the sources, and the bodies of the types they take. */
import type { Config } from '../config.ts';
import type { BatchHandler, Handler } from '../deliver/handler.ts';
import type { SourceBody } from '../ingest/source.ts';
import type { BatchOptions, HandlerOptions } from './destinations.ts';
import type { EndpointOptions } from './endpoints.ts';

/** Names a handler may take events from. */
export type SourceName<Given extends Config> = (keyof Given['sources'] & string) | 'emitted' | 'holdfast';

/** The body of events from these sources, narrowed by their types where the body is a union told apart by `type`. */
export type BodyOf<Given extends Config, From extends string, Type extends string> = Narrowed<
  From extends keyof Given['sources'] ? SourceBody<Given['sources'][From]> : unknown,
  Type
>;

type Narrowed<Body, Type extends string> = unknown extends Body
  ? Body
  : string extends Type
    ? Body
    : [Extract<Body, { readonly type: Type }>] extends [never]
      ? Body
      : Extract<Body, { readonly type: Type }>;

/** Registers handlers. All of them before `start()`. */
export interface Registry<Given extends Config> {
  /**
   * A destination whose attempts are calls of `handler`, one event each. With `run: 'thread' | 'process'` the code is
   * in `module` and `handler` is left out.
   * @throws HoldfastError config_invalid, destination_duplicate
   */
  handle<const From extends SourceName<Given>, const Type extends string = string>(
    name: string,
    options: HandlerOptions<From, Type>,
    handler?: Handler<BodyOf<Given, From, Type>>,
  ): void;
  /** As `handle`, for several events a call. */
  handleBatch<const From extends SourceName<Given>, const Type extends string = string>(
    name: string,
    options: BatchOptions<From, Type>,
    handler?: BatchHandler<BodyOf<Given, From, Type>>,
  ): void;
  /**
   * A destination whose attempts are HTTP requests to `options.url`: received webhooks byte for byte, the application's
   * own events with Holdfast's signature.
   * @throws HoldfastError config_invalid, destination_duplicate
   */
  endpoint<const From extends SourceName<Given>, const Type extends string = string>(
    name: string,
    options: EndpointOptions<From, Type>,
  ): void;
}
