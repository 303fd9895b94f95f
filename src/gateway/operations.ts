/** What the admin API can do, for code within the process: one method a route, by the same schemas. */
import { deliveries } from '../api/deliveries.ts';
import { endpointDeliveries } from '../api/endpoint-deliveries.ts';
import { endpoints } from '../api/endpoints.ts';
import { events } from '../api/events.ts';
import { states } from '../api/health.ts';
import { type Handed, queryText } from '../api/input.ts';
import type { Ask } from '../api/local.ts';
import { queues } from '../api/queues.ts';
import { rejections } from '../api/rejections.ts';
import { replays } from '../api/replays.ts';
import type { AnswerOf, ValueRoute } from '../api/route.ts';
import { sources } from '../api/sources.ts';
import type { DeadReason, DeliveryState } from '../core/delivery.ts';
import { type ErrorCode, HoldfastError } from '../errors.ts';
import type { EndpointChange, EndpointInput } from '../endpoints/definition.ts';
import type { ReplayFilter } from '../dispatch/replay.ts';

/** Who may use the admin API where it is mounted. */
export type { Caller, Identity, Scope } from '../api/caller.ts';
export type { Identify } from '../api/guard.ts';
export type { AdminMountOptions } from '../api/mountable.ts';

/** For whom {@link Operations} work. */
export interface OperationsOptions {
  /** Who acts, as the audit log and what is paused show it: the user of your own interface. Default `application`. */
  readonly by?: string;
  /** Sees and changes what is this tenant's only, as a token bound to it would. Default: everything. */
  readonly tenant?: string;
}

/** A moment: a Date, milliseconds since 1970, ISO 8601, or an age such as `1h`. */
type Moment = Date | number | string;

/** Which page of a list. */
interface Listing {
  /** From the answer before. */
  readonly cursor?: string | undefined;
  /** Most rows; 1 to 200, default 50. */
  readonly limit?: number | undefined;
  /** Which come first. Default `newest`. */
  readonly order?: 'newest' | 'oldest' | undefined;
}

/** By when it was received: from `since` on, and before `until`. */
interface Received {
  readonly since?: Moment | undefined;
  readonly until?: Moment | undefined;
}

interface EventSearch extends Listing, Received {
  readonly source?: string | undefined;
  readonly type?: string | undefined;
  readonly tenant?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly dedupeKey?: string | undefined;
  /** `true`: only events that no destination matched. */
  readonly unmatched?: boolean | undefined;
}

interface DeadLetterSearch extends Listing, Received {
  readonly destination?: string | undefined;
  readonly source?: string | undefined;
  readonly type?: string | undefined;
  readonly tenant?: string | undefined;
  readonly reason?: DeadReason | undefined;
  readonly replayId?: string | undefined;
  /** Default `false`: those that nobody has dealt with. */
  readonly resolved?: boolean | 'all' | undefined;
}

interface DeliverySearch extends Omit<DeadLetterSearch, 'resolved'> {
  readonly eventId?: string | undefined;
  readonly state?: readonly DeliveryState[] | undefined;
  /** Of dead letters. */
  readonly resolved?: boolean | undefined;
}

interface RejectionSearch extends Listing, Received {
  readonly source?: string | undefined;
  /** What the sender was answered. */
  readonly code?: ErrorCode | undefined;
  /** Why in detail. */
  readonly reason?: string | undefined;
}

interface ReplaySearch extends Omit<ReplayFilter, 'since' | 'until'>, Received {}

/**
 * Made by `gateway.operations()`. Each method does and answers what the route named beside it does, ready to be sent as
 * JSON: times are ISO 8601. Changes are in the audit log, as done by `by`, before they are answered.
 *
 * Every method @throws HoldfastError not_started, invalid_input, store_unavailable, and what its route says besides;
 * `forbidden` where a tenant was given and the route concerns everybody.
 */
export class Operations {
  readonly #ask: Ask;
  readonly #on: { readonly by: string; readonly tenant: string | null };

  constructor(ask: Ask, { by = 'application', tenant }: OperationsOptions) {
    this.#ask = ask;
    this.#on = { by, tenant: tenant ?? null };
  }

  // -------------------------------------------------------------------------------------------- state and figures

  /** `GET /health`: states of store and queues, and what this gateway does. */
  health(): Promise<AnswerOf<typeof states.health>> {
    return this.#do(states.health);
  }

  /** `GET /api/queues/health`: whether each destination works off what it is owed. */
  queuesHealth(): Promise<AnswerOf<typeof queues.health>> {
    return this.#do(queues.health);
  }

  /** `GET /api/queues/stats`: figures in all, of each destination, and of each source. */
  stats(): Promise<AnswerOf<typeof queues.stats>> {
    return this.#do(queues.stats);
  }

  /** `GET /api/queues/info`: what the store is and promises, and how each destination is set. */
  info(): Promise<AnswerOf<typeof queues.info>> {
    return this.#do(queues.info);
  }

  /** `GET /api/sources`: path, how requests are verified, mode. */
  sources(): Promise<AnswerOf<typeof sources>> {
    return this.#do(sources);
  }

  // -------------------------------------------------------------------------------------------------- destinations

  /** `POST /api/queues/:destination/pause`: what it is owed waits; ingest goes on. @throws destination_unknown */
  async pause(destination: string): Promise<void> {
    await this.#do(queues.pause, { params: { destination } });
  }

  /** `POST /api/queues/:destination/resume`. @throws destination_unknown */
  async resume(destination: string): Promise<void> {
    await this.#do(queues.resume, { params: { destination } });
  }

  /** `POST /api/queues/:destination/retry`: replays its dead letters, in the background. @throws destination_unknown */
  retry(destination: string): Promise<AnswerOf<typeof queues.retry>> {
    return this.#do(queues.retry, { params: { destination } });
  }

  /** `POST /api/queues/:destination/clear`: its open deliveries become dead letters. @throws destination_unknown */
  clear(destination: string): Promise<AnswerOf<typeof queues.clear>> {
    return this.#do(queues.clear, { params: { destination } });
  }

  // ------------------------------------------------------------------------------------------ events and deliveries

  /** `GET /api/events`. */
  events(search: EventSearch = {}): Promise<AnswerOf<typeof events.list>> {
    return this.#do(events.list, { query: search });
  }

  /** `GET /api/events/:id`: with its deliveries and one timeline of all that happened to it. @throws not_found */
  event(id: string): Promise<AnswerOf<typeof events.one>> {
    return this.#do(events.one, { params: { id } });
  }

  /** `GET /api/events/:id/body`: the bytes as they were received. @throws not_found, body_purged */
  body(id: string): Promise<Uint8Array> {
    return this.#do(events.body, { params: { id } });
  }

  /** `GET /api/deliveries`. */
  deliveries(search: DeliverySearch = {}): Promise<AnswerOf<typeof deliveries.list>> {
    return this.#do(deliveries.list, { query: search });
  }

  /** `GET /api/deliveries/:id`: with its attempts, and when and why it is attempted next. @throws not_found */
  delivery(id: string): Promise<AnswerOf<typeof deliveries.one>> {
    return this.#do(deliveries.one, { params: { id } });
  }

  /** `GET /api/dead-letters`: those that are not resolved, unless asked otherwise. */
  deadLetters(search: DeadLetterSearch = {}): Promise<AnswerOf<typeof deliveries.deadLetters>> {
    return this.#do(deliveries.deadLetters, { query: search });
  }

  /** `POST /api/dead-letters/resolve`: they are dealt with, and are not delivered. */
  resolve(ids: readonly string[], note: string): Promise<AnswerOf<typeof deliveries.resolve>> {
    return this.#do(deliveries.resolve, { body: { ids, note } });
  }

  // --------------------------------------------------------------------------------------------------------- replay

  /** `POST /api/events/:id/replay`: to where it went, or to these. @throws not_found, body_purged, replay_open */
  replayEvent(id: string, destinations?: readonly string[]): Promise<AnswerOf<typeof events.replay>> {
    return this.#do(events.replay, { params: { id }, body: { destinations } });
  }

  /** `POST /api/dead-letters/replay`: these, at most 1,000; one that cannot be replayed says so in its row. */
  replayDeadLetters(ids: readonly string[]): Promise<AnswerOf<typeof deliveries.replay>> {
    return this.#do(deliveries.replay, { body: { ids } });
  }

  /** `POST /api/replays` with `dryRun`: what a bulk replay would make. @throws destination_unknown */
  async planReplay(filter: ReplaySearch): Promise<NonNullable<AnswerOf<typeof replays.start>['plan']>> {
    const { plan } = await this.#do(replays.start, { body: { filter: replayFilter(filter), dryRun: true } });
    return there(plan);
  }

  /**
   * `POST /api/replays`: begins a bulk replay, which runs in the background after live traffic. Default: of dead letters
   * that are not resolved, 100 a second. @throws destination_unknown
   */
  async startReplay(
    filter: ReplaySearch,
    options: { readonly ratePerS?: number } = {},
  ): Promise<AnswerOf<typeof replays.one>> {
    const { replay } = await this.#do(replays.start, { body: { filter: replayFilter(filter), ...options } });
    return there(replay);
  }

  /** `GET /api/replays`. */
  replays(): Promise<AnswerOf<typeof replays.list>> {
    return this.#do(replays.list);
  }

  /** `GET /api/replays/:id`: how far it is. @throws not_found */
  replay(id: string): Promise<AnswerOf<typeof replays.one>> {
    return this.#do(replays.one, { params: { id } });
  }

  /** `DELETE /api/replays/:id`: deliveries it has made stay. @throws not_found */
  cancelReplay(id: string): Promise<AnswerOf<typeof replays.cancel>> {
    return this.#do(replays.cancel, { params: { id } });
  }

  // ------------------------------------------------------------------------------------------------------ rejections

  /** `GET /api/rejections`: what was refused and why. */
  rejections(search: RejectionSearch = {}): Promise<AnswerOf<typeof rejections.list>> {
    return this.#do(rejections.list, { query: search });
  }

  /** `GET /api/rejections/:id`: the request, its credentials redacted. @throws not_found */
  rejection(id: string): Promise<AnswerOf<typeof rejections.one>> {
    return this.#do(rejections.one, { params: { id } });
  }

  /** `POST /api/rejections/verify-again`: tries them as they came, after a secret was corrected. Default: all. */
  verifyAgain(
    which: { readonly source?: string; readonly ids?: readonly string[] } = {},
  ): Promise<AnswerOf<typeof rejections.verifyAgain>> {
    return this.#do(rejections.verifyAgain, { body: which });
  }

  // ------------------------------------------------------------------------------------------------------- endpoints

  /** `GET /api/endpoints`, in the order they were made. */
  endpoints(
    search: { readonly tenant?: string } & Omit<Listing, 'order'> = {},
  ): Promise<AnswerOf<typeof endpoints.list>> {
    return this.#do(endpoints.list, { query: search });
  }

  /** `GET /api/endpoints/:id`. @throws not_found */
  endpoint(id: string): Promise<AnswerOf<typeof endpoints.one>> {
    return this.#do(endpoints.one, { params: { id } });
  }

  /** `POST /api/endpoints`: its secret is shown this once. `secret`: one that the receiver has. @throws blocked_target */
  createEndpoint(input: EndpointInput & { readonly secret?: string }): Promise<AnswerOf<typeof endpoints.create>> {
    return this.#do(endpoints.create, { body: input });
  }

  /** `PATCH /api/endpoints/:id`; with `version`, only from that one. @throws not_found, blocked_target, conflict */
  updateEndpoint(
    id: string,
    change: EndpointChange & { readonly state?: 'active' | 'paused' | 'disabled'; readonly version?: number },
  ): Promise<AnswerOf<typeof endpoints.update>> {
    return this.#do(endpoints.update, { params: { id }, body: change });
  }

  /** `DELETE /api/endpoints/:id`: what it was owed becomes dead letters. @throws not_found */
  async removeEndpoint(id: string): Promise<void> {
    await this.#do(endpoints.remove, { params: { id } });
  }

  /** `POST /api/endpoints/:id/rotate-secret`: the old ones sign beside it, by default for a day. @throws not_found */
  rotateSecret(
    id: string,
    options: { readonly overlapMs?: number; readonly secret?: string } = {},
  ): Promise<AnswerOf<typeof endpoints.rotate>> {
    return this.#do(endpoints.rotate, { params: { id }, body: options });
  }

  /** `POST /api/endpoints/:id/test`: sends it an event of the type `endpoint.test`. @throws not_found */
  testEndpoint(id: string): Promise<AnswerOf<typeof endpoints.test>> {
    return this.#do(endpoints.test, { params: { id } });
  }

  /** `GET /api/endpoints/:id/deliveries`: what it is owed and was sent. @throws not_found */
  endpointDeliveries(
    id: string,
    search: Pick<DeliverySearch, 'type' | 'state' | 'since' | 'until' | keyof Listing> = {},
  ): Promise<AnswerOf<typeof endpointDeliveries.list>> {
    return this.#do(endpointDeliveries.list, { params: { id }, query: search });
  }

  /** `GET /api/endpoints/:id/deliveries/:delivery`: with its attempts. @throws not_found */
  endpointDelivery(id: string, delivery: string): Promise<AnswerOf<typeof endpointDeliveries.one>> {
    return this.#do(endpointDeliveries.one, { params: { id, delivery } });
  }

  /** `POST /api/endpoints/:id/deliveries/:delivery/replay`: sends it again. @throws not_found, body_purged, replay_open */
  replayToEndpoint(id: string, delivery: string): Promise<AnswerOf<typeof endpointDeliveries.replay>> {
    return this.#do(endpointDeliveries.replay, { params: { id, delivery } });
  }

  /** A failure, also one to begin, is a rejection of the promise. */
  async #do<Value>(route: ValueRoute<Value>, handed: Handed = {}): Promise<Value> {
    return this.#ask(route, handed, this.#on);
  }
}

/** Times in a body are text, too. */
function replayFilter({ since, until, ...same }: ReplaySearch): Readonly<Record<string, unknown>> {
  return {
    ...same,
    ...(since === undefined ? {} : { since: queryText('since', since) }),
    ...(until === undefined ? {} : { until: queryText('until', until) }),
  };
}

/** The one of two answers that was asked for. */
function there<Value>(value: Value | null): Value {
  if (value === null) throw new HoldfastError('internal', { detail: 'A route left out its answer.' });
  return value;
}
