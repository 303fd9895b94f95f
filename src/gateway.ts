/**
 * The composition root: puts the parts of a gateway together, starts and stops them. The only file that picks a store.
 */
import { randomFillSync } from 'node:crypto';
import { type AdminMountOptions, type MountableAdmin, mountable } from './api/mountable.ts';
import type { DestinationLive, SourceInfo } from './api/port.ts';
import { type Config, processEnvironment, redactedSettings, type ResolvedConfig, resolveConfig } from './config.ts';
import type { Clock, Random } from './core/clock.ts';
import { IdMaker } from './core/id.ts';
import type { Observer } from './core/observer.ts';
import type { EmitOptions, TransactionOption } from './deliver/emit.ts';
import { makeBatch, makeEmitted } from './deliver/emitted.ts';
import type { EmittedBody, EmittedType } from './deliver/event-types.ts';
import type { BatchHandler, Handler } from './deliver/handler.ts';
import type { Dispatcher } from './dispatch/dispatcher.ts';
import { HoldfastError } from './errors.ts';
import { systemClock } from './gateway/clock.ts';
import type { BatchOptions, HandlerOptions } from './gateway/destinations.ts';
import type { EndpointOptions } from './gateway/endpoints.ts';
import type { EndpointsOptions } from './gateway/endpoints-queue.ts';
import { Engine, type EngineParts, type Gate } from './gateway/engine.ts';
import { exitFatal } from './gateway/fatal.ts';
import { type Listeners, listen } from './gateway/listeners.ts';
import { type Observing, observe } from './gateway/observing.ts';
import { loadHandlers } from './gateway/load-handlers.ts';
import { ingestPorts, rejectionLog } from './gateway/parts.ts';
import { Operations, type OperationsOptions } from './gateway/operations.ts';
import { Registrations } from './gateway/registrations.ts';
import type { EveryOptions } from './gateway/schedules.ts';
import { type Spooling, type Standby, spoolingOf } from './gateway/spooling.ts';
import { makeStore } from './gateway/stores.ts';
import { mapRoutes, succession } from './gateway/succession.ts';
import type { TokenOrigin } from './gateway/token.ts';
import type { BodyOf, Emission, EmitsOf, Registry, SourceName } from './gateway/types.ts';
import { Acceptor } from './ingest/accept.ts';
import { type FastifyPluginLike, fastifyIngest } from './ingest/fastify.ts';
import { type FetchOptions, fetchIngest } from './ingest/fetch.ts';
import { ingestMiddleware, type Middleware } from './ingest/middleware.ts';
import type { RejectionLog } from './ingest/rejections.ts';
import { ingestRoutes, type Routes, type RoutesOptions } from './ingest/routes.ts';
import type { Store, StoreReport } from './store/store.ts';

/** What a host may give a gateway besides its config. */
export interface GatewayOptions {
  /** Where `handlers` and a relative store path start from. Default: the working directory. */
  readonly directory?: string;
  /** Time and randomness; tests hold them still. Default: the real ones. */
  readonly clock?: Clock;
  readonly random?: Random;
  /** Reads `secret(…)` and settings. Default: the process's environment. */
  readonly environment?: (name: string) => string | undefined;
  /** Told of everything that happens, beside log and metrics. */
  readonly observer?: Partial<Observer>;
  /** Called when the store is lost (I/O error): the process must end and start again. Default: exits with status 70. */
  readonly onFatal?: () => void;
  /** A store of your own making, instead of the one the config names. */
  readonly store?: (parts: { readonly clock: Clock; readonly ids: IdMaker }) => Store;
}

/** How `stop` ends. */
export interface StopOptions {
  /** Works off what is ready first, for at most the grace time. */
  readonly drain?: boolean;
  /** Milliseconds that running attempts get. Default: the setting `grace`. */
  readonly graceMs?: number;
}

const ALIVE_MS = 3_600_000;

/**
 * A gateway: receives webhooks of its sources, commits them, and gets every one processed by its handlers.
 * Register handlers, then `start()`. `stop()` is safe twice and unstarted.
 */
export class Gateway<Given extends Config = Config> implements Registry<Given> {
  readonly #options: GatewayOptions;
  readonly #config: ResolvedConfig;
  readonly #clock: Clock;
  readonly #ids: IdMaker;
  readonly #registered = new Registrations();
  readonly #observing: Observing;
  readonly #rejections: RejectionLog;
  readonly #acceptor: Acceptor;
  readonly #spooling: Spooling | null;
  #engine: Engine | null = null;
  #starting: Promise<void> | null = null;
  /** `leaving`: it takes webhooks, and says that it will not for long. `stopping` until it is started again. */
  #ending: 'leaving' | 'stopping' | null = null;
  #stopping: Promise<void> | null = null;
  #listeners: Promise<Listeners> | null = null;
  /** Keeps the process alive while the gateway runs: no timer of its own does. */
  #alive: NodeJS.Timeout | null = null;

  /** @throws HoldfastError config_invalid, config_unknown_setting, secret_missing */
  constructor(config: Given, options: GatewayOptions = {}) {
    this.#options = options;
    this.#config = resolveConfig(config, options.environment ?? processEnvironment, {
      fetchText: (url) => this.#running().fetchText(url),
    });
    this.#clock = options.clock ?? systemClock;
    this.#ids = new IdMaker({ now: () => this.#clock.now(), fill: (bytes) => void randomFillSync(bytes) });
    this.#observing = observe({ settings: this.#config.settings, clock: this.#clock, extra: options.observer ?? {} });
    this.#rejections = rejectionLog(this.#config.settings, this.#directory, {
      clock: this.#clock,
      observer: this.#observing.observer,
    });
    this.#spooling = spoolingOf({ ...this.#parts(), acceptor: () => this.#acceptor });
    const ports = { ...this.#parts(), rejections: this.#rejections, spooling: this.#spooling };
    const dispatcher = (): Dispatcher => (this.#engine ?? unstarted()).dispatcher;
    this.#acceptor = new Acceptor(ingestPorts({ ...ports, gate: () => this.#gate(), dispatcher }));
  }

  /** Every setting as it is in force; secrets only as set or not. */
  get settings(): Readonly<Record<string, unknown>> {
    return redactedSettings(this.#config.settings);
  }

  /** What an acknowledgement of this gateway means; `null` before `start()`. */
  get report(): StoreReport | null {
    return this.#engine?.report ?? null;
  }

  /** A bearer token of the admin API, good in this process at least: show it to its owner only. @throws HoldfastError not_started */
  get adminToken(): string {
    return this.#running().token.token;
  }

  /** Where `adminToken` comes from, and so where it is good. @throws HoldfastError not_started */
  get adminTokenOrigin(): TokenOrigin {
    return this.#running().token.origin;
  }

  /**
   * What the admin API can do, from within the process: figures, lists, pause, resume, clear, replay, endpoints. The same
   * checks, answers and audit log; no token and no socket. It can be kept; its methods work while the gateway runs.
   */
  operations(options: OperationsOptions = {}): Operations {
    return new Operations((...asked) => this.#running().ask(...asked), options);
  }

  /** The destinations of this process as they are now. @throws HoldfastError not_started */
  destinations(): readonly DestinationLive[] {
    return this.#running().port.destinations();
  }

  /** The sources, never with a secret. @throws HoldfastError not_started */
  sources(): readonly SourceInfo[] {
    return this.#running().port.sources();
  }

  // ----------------------------------------------------------------------------------------------- handlers

  handle<const From extends SourceName<Given>, const Type extends string = string>(
    name: string,
    options: HandlerOptions<From, Type>,
    handler?: Handler<BodyOf<Given, From, Type>, EmitsOf<Given>>,
  ): void {
    this.#registered.destination({ name, options, handler: (handler as Handler | undefined) ?? null, batch: false });
  }

  handleBatch<const From extends SourceName<Given>, const Type extends string = string>(
    name: string,
    options: BatchOptions<From, Type>,
    handler?: BatchHandler<BodyOf<Given, From, Type>, EmitsOf<Given>>,
  ): void {
    this.#registered.destination({
      name,
      options,
      handler: (handler as BatchHandler | undefined) ?? null,
      batch: true,
    });
  }

  endpoint<const From extends SourceName<Given>, const Type extends string = string>(
    name: string,
    options: EndpointOptions<From, Type>,
  ): void {
    this.#registered.destination({ name, endpoint: options });
  }

  endpoints<const From extends SourceName<Given>, const Type extends string = string>(
    name: string,
    options: EndpointsOptions<From, Type> = {},
  ): void {
    this.#registered.managed({ name, options });
  }

  every<const Type extends EmittedType<EmitsOf<Given>>>(
    name: string,
    options: EveryOptions<Type, EmittedBody<EmitsOf<Given>, Type>>,
  ): void {
    this.#registered.schedule({ name, options: options as EveryOptions });
  }

  // ---------------------------------------------------------------------------------------------- lifecycle

  /**
   * Opens the store, recovers what a crash left, and begins to attempt what is ready. Safe to call twice.
   * @throws HoldfastError store_owned, store_corrupt, store_format, config_invalid, destination_duplicate
   */
  start(): Promise<void> {
    return (this.#starting ??= this.#start().catch((error: unknown) => {
      this.#rest();
      this.#starting = null; // Whoever corrects what was wrong can start again.
      throw error;
    }));
  }

  async #start(): Promise<void> {
    this.#ending = null;
    await this.#registered.load(() => loadHandlers(this.#config.handlers, this.#directory, this));
    await this.#observing.trace();
    this.#registered.seal();
    this.#alive ??= setInterval(() => undefined, ALIVE_MS);
    await (this.#spooling?.open(() => this.#open()) ?? this.#open());
  }

  async #open(): Promise<Engine> {
    const parts = this.#parts();
    const store = this.#options.store?.(parts) ?? (await makeStore(this.#config.settings, this.#directory, parts));
    this.#engine = await Engine.open(
      {
        ...parts,
        random: this.#options.random ?? Math.random,
        registered: this.#registered,
        acceptor: this.#acceptor,
        gate: () => this.#gate(),
        spooling: this.#spooling,
      },
      store,
    );
    return this.#engine;
  }

  /** Listens for webhooks and, apart or on the same port, for the admin API. Starts first if needed. */
  async listen(): Promise<Listeners> {
    const startsHere = this.#starting === null;
    await this.start();
    const { admin, token } = this.#running();
    this.#listeners ??= listen({
      settings: this.#config.settings,
      directory: this.#directory,
      acceptor: this.#acceptor,
      admin,
      token: token.token,
    });
    return this.#listeners.catch(async (error: unknown) => {
      this.#listeners = null;
      // Nobody could reach it, and it would own the store and work.
      if (startsHere) await this.stop({ graceMs: 0 });
      throw error;
    });
  }

  /**
   * Stops gracefully: takes no more, commits what was read, lets running attempts end within the grace, gives back the
   * rest. Safe twice and unstarted: who asks while it stops waits for the same.
   */
  stop(options: StopOptions = {}): Promise<void> {
    return (this.#stopping ??= this.#stop(options).finally(() => (this.#stopping = null)));
  }

  async #stop({ graceMs = this.#config.settings.graceMs, drain = false }: StopOptions): Promise<void> {
    await this.#starting?.catch(() => undefined);
    if ((this.#engine ?? this.#spooling?.standby ?? null) === null) return;
    const { drainDelayMs: delayMs } = this.#config.settings;
    this.#ending = delayMs > 0 ? 'leaving' : 'stopping';
    if (delayMs > 0) await (await this.#listeners?.catch(() => null))?.leave({ delayMs, graceMs, clock: this.#clock });
    this.#ending = 'stopping';
    await (await this.#listeners?.catch(() => null))?.close(graceMs);
    this.#listeners = null;
    await this.#spooling?.rest();
    await this.#engine?.stop(graceMs, drain);
    await this.#spooling?.close();
    this.#rest();
    this.#engine = this.#starting = null;
  }

  /** Lets the process end. */
  #rest(): void {
    if (this.#alive !== null) clearInterval(this.#alive);
    this.#alive = null;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  // ------------------------------------------------------------------------------------------------ mounting

  /** Ingest for any host that speaks `Request` and `Response`. */
  fetch(request: Request, options: FetchOptions = {}): Promise<Response> {
    return fetchIngest(this.#acceptor, request, options);
  }

  /** Ingest for Express and Connect. Mount it before any body parser. */
  middleware(): Middleware {
    return ingestMiddleware(this.#acceptor);
  }

  /**
   * Ingest for Next.js route handlers: `export const { GET, POST } = gateway.routes({ basePath: '/api/hooks' })`.
   * Starts with the first request. When a hot reload made a new gateway of the same store, the old one is stopped first.
   */
  routes(options: RoutesOptions = {}): Routes {
    const handlers = ingestRoutes(() => this.#acceptor, options);
    const takeOver = succession(this.#config.settings.store, this);
    const afterStart =
      (handle: Routes['POST']): Routes['POST'] =>
      async (request) => {
        await takeOver();
        return handle(request);
      };
    return mapRoutes(handlers, afterStart);
  }

  /** Ingest as a Fastify plugin: `app.register(gateway.fastify(), { prefix: '/webhooks' })`. */
  fastify(): FastifyPluginLike {
    return fastifyIngest(this.#acceptor);
  }

  /**
   * The admin API, to be mounted where you say: `fetch` for hosts that speak `Request`, `handler` for Express, Connect
   * and node:http, `fastify` as a plugin (`app.register(gateway.admin().fastify)`), which leaves to the application what
   * it has a route for. It asks for its token wherever it is, unless `identify` knows who asks.
   * @throws HoldfastError not_started
   */
  admin(options: AdminMountOptions = {}): MountableAdmin {
    return mountable(this.#running().admin, options);
  }

  // ------------------------------------------------------------------------------------------------- emitting

  /**
   * Commits an event of the application's own; resolves after the commit. `body` is anything JSON can hold, or a
   * `Uint8Array`, up to 1 MiB. With a catalogue (`emits` in the config) its types and their bodies are known to the
   * compiler, and checked here. With `tx` it is written in a transaction of your own, and committed with it.
   * @returns its id; that of the first when the dedupe key is a repeat
   * @throws HoldfastError not_started, emit_unfit, event_type_unknown, store_unavailable, backlog_full, invalid_input,
   *   body_too_large; with `tx` also transaction_unsupported, and the database's own errors
   */
  async emit<const Type extends EmittedType<EmitsOf<Given>>>(
    type: Type,
    body: EmittedBody<EmitsOf<Given>, Type> | Uint8Array,
    options: EmitOptions & TransactionOption = {},
  ): Promise<string> {
    const { tx, ...rest } = options;
    const [answer] = await this.#running().emitting.emit([makeEmitted(type, body, rest)], tx);
    if (answer === undefined) throw new HoldfastError('internal', { detail: 'The store gave no answer.' });
    return answer.eventId;
  }

  /**
   * Commits several events of the application's own in one commit, or in a transaction of your own: all of them or none.
   * At most 10,000, and 16 MiB.
   * @returns their ids in the same order; for a repeat of a dedupe key that of the first
   * @throws HoldfastError as {@link Gateway.emit}
   */
  async emitBatch(events: readonly Emission<Given>[], { tx }: TransactionOption = {}): Promise<readonly string[]> {
    if (events.length === 0) return [];
    const answers = await this.#running().emitting.emit(makeBatch(events), tx);
    return answers.map(({ eventId }) => eventId);
  }

  /** Cancels a delayed event that nobody has begun to attempt. @throws HoldfastError not_found, not_cancellable */
  cancel(eventId: string): Promise<void> {
    return this.#running().port.cancel(eventId);
  }

  // ---------------------------------------------------------------------------------------------------- parts

  get #directory(): string {
    return this.#options.directory ?? process.cwd();
  }

  #parts(): Pick<EngineParts, 'config' | 'directory' | 'clock' | 'ids' | 'observing' | 'leaving' | 'onFatal'> {
    return {
      config: this.#config,
      directory: this.#directory,
      clock: this.#clock,
      ids: this.#ids,
      observing: this.#observing,
      leaving: () => this.#ending === 'leaving',
      onFatal: this.#options.onFatal ?? exitFatal,
    };
  }

  #running(): Standby {
    return this.#engine ?? this.#spooling?.standby ?? unstarted();
  }

  #gate(): Gate {
    if (this.#ending !== 'stopping' && this.#spooling?.isTaking === true) return this.#spooling.gate;
    if (this.#ending === 'stopping') return 'stopping';
    return this.#engine?.gate ?? 'not_started';
  }
}

function unstarted(): never {
  throw new HoldfastError('not_started');
}
