/** How a gateway is typed by its config: handlers know the sources, and the bodies of the types they take. */
import type { Config } from '../config.ts';
import type { BatchHandler, Handler } from '../deliver/handler.ts';
import type { EmitOptions } from '../deliver/emit.ts';
import type { EmittedBody, EmittedType } from '../deliver/event-types.ts';
import type { SourceBody } from '../ingest/source.ts';
import type { BatchOptions, HandlerOptions } from './destinations.ts';
import type { EndpointOptions } from './endpoints.ts';
import type { EndpointsOptions } from './endpoints-queue.ts';
import type { EveryOptions } from './schedules.ts';

/** Names a handler may take events from. */
export type SourceName<Given extends Config> = (keyof Given['sources'] & string) | 'emitted' | 'holdfast';

/** The body of events from these sources, narrowed by their types where the body is a union told apart by `type`. */
export type BodyOf<Given extends Config, From extends string, Type extends string> = From extends 'emitted'
  ? EmittedAs<EmitsOf<Given>, Type>
  : Narrowed<From extends keyof Given['sources'] ? SourceBody<Given['sources'][From]> : unknown, Type>;

/** The catalogue of a config; `unknown` where it has none. */
export type EmitsOf<Given extends Config> = Given extends { readonly emits: infer Emits } ? Emits : unknown;

/** The body of an emitted event as a handler gets it: of the types that it names, whole or by how they begin (`order.*`). */
type EmittedAs<Emits, Type extends string> = Type extends `${infer Start}*`
  ? Known<{ [Name in keyof Emits & string]: Begins<Name, Start> extends true ? EmittedBody<Emits, Name> : never }>
  : Type extends keyof Emits
    ? EmittedBody<Emits, Type>
    : unknown;

/** Whether types of this name in a catalogue, which may itself end in `*`, can begin so. */
type Begins<Name extends string, Start extends string> = Name extends `${Start}${string}`
  ? true
  : Start extends EmittedType<{ readonly [Same in Name]: unknown }>
    ? true
    : false;

/** What is in it; of nothing nothing is known. */
type Known<Bodies> = [Bodies[keyof Bodies]] extends [never] ? unknown : Bodies[keyof Bodies];

/** An event of a batch that is emitted at once. */
export type Emission<Given extends Config> = EmitOptions &
  (unknown extends EmitsOf<Given>
    ? { readonly type: string; readonly body: unknown }
    : {
        readonly [Name in keyof EmitsOf<Given> & string]: {
          readonly type: EmittedType<{ readonly [Same in Name]: unknown }>;
          readonly body: EmittedBody<EmitsOf<Given>, Name> | Uint8Array;
        };
      }[keyof EmitsOf<Given> & string]);

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
    handler?: Handler<BodyOf<Given, From, Type>, EmitsOf<Given>>,
  ): void;
  /** As `handle`, for several events a call. */
  handleBatch<const From extends SourceName<Given>, const Type extends string = string>(
    name: string,
    options: BatchOptions<From, Type>,
    handler?: BatchHandler<BodyOf<Given, From, Type>, EmitsOf<Given>>,
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
  /**
   * What the endpoints that are managed through the API can take, and how each is paced where it does not say. They are
   * one queue by this name: shown, paused, cleared and replayed together, while each keeps a lane of its own. Once.
   * @throws HoldfastError config_invalid, destination_duplicate
   */
  endpoints<const From extends SourceName<Given>, const Type extends string = string>(
    name: string,
    options?: EndpointsOptions<From, Type>,
  ): void;
  /**
   * Emits an event at intervals: once, however many processes have the schedule. Times are full multiples of the period
   * since 1970. Of the times that passed while no process ran, the last is made up for.
   * @throws HoldfastError config_invalid
   */
  every<const Type extends EmittedType<EmitsOf<Given>>>(
    name: string,
    options: EveryOptions<Type, EmittedBody<EmitsOf<Given>, Type>>,
  ): void;
}
