/**
 * The composition root: puts the parts of a gateway together, starts and stops them. The only file that picks a store.
 */
import { randomFillSync } from 'node:crypto';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type AdminApi, createAdminApi } from './api/admin.ts';
import type { AdminPort, DestinationLive, EmitRequest } from './api/port.ts';
import { type Config, processEnvironment, redactedSettings, type ResolvedConfig, resolveConfig } from './config.ts';
import type { Clock, Random } from './core/clock.ts';
import { EMITTED } from './core/event.ts';
import { IdMaker } from './core/id.ts';
import type { Observer } from './core/observer.ts';
import type { EmitOptions } from './deliver/emit.ts';
import { makeEmitted } from './deliver/emitted.ts';
import type { BatchHandler, Handler } from './deliver/handler.ts';
import { LoopBlame } from './deliver/loop-blame.ts';
import { takes } from './dispatch/destination.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { Holds } from './dispatch/holds.ts';
import { Replays } from './dispatch/replay.ts';
import { Retention } from './dispatch/retention.ts';
import { HoldfastError } from './errors.ts';
import { adminPort, hashToken } from './gateway/admin.ts';
import { systemClock } from './gateway/clock.ts';
import { type BatchOptions, destinationOf, type HandlerOptions, type Registration } from './gateway/destinations.ts';
import { DiskWatch } from './gateway/disk.ts';
import { limitsOf, rejectionLog, retentionOf } from './gateway/parts.ts';
import { type Listeners, listen } from './gateway/listeners.ts';
import { type Observing, observe } from './gateway/observing.ts';
import { peaksOf, savePeaks } from './gateway/peaks.ts';
import { RELEASE } from './gateway/release.ts';
import { makeStore } from './gateway/stores.ts';
import { mapRoutes, succession } from './gateway/succession.ts';
import { adminToken, storeDirectory } from './gateway/token.ts';
import type { BodyOf, Registry, SourceName } from './gateway/types.ts';
import { Acceptor } from './ingest/accept.ts';
import { verifyAgain } from './ingest/again.ts';
import { type FastifyPluginLike, fastifyIngest } from './ingest/fastify.ts';
import { type FetchOptions, fetchIngest } from './ingest/fetch.ts';
import { ingestMiddleware, type Middleware } from './ingest/middleware.ts';
import type { IngestPorts } from './ingest/ports.ts';
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

/**
 * EX_SOFTWARE of sysexits: a supervisor starts the process again. A failed fsync is never retried: what was
 * acknowledged is in the file, and the restart recovers it.
 */
const FATAL_EXIT = 70;
const LEASE_MS = 60_000;
const SEEN_MS = 3_600_000;

/** What `/health` says this gateway does. */
const FEATURES = { queue_based_processing: true, event_driven_architecture: true, scalable_webhook_delivery: true } as const;

/** Made anew with every start, gone with every stop. */
interface Started {
  readonly report: StoreReport;
  readonly store: Store;
  readonly dispatcher: Dispatcher;
  readonly holds: Holds;
  readonly replays: Replays;
  readonly retention: Retention;
  readonly disk: DiskWatch;
  readonly blame: LoopBlame;
  readonly port: AdminPort;
  readonly admin: AdminApi;
  readonly token: string | null;
}

/**
 * A gateway: receives webhooks of its sources, commits them, and gets every one processed by its handlers.
 * Register handlers, then `start()`. `stop()` is safe twice and unstarted.
 */
export class Gateway<Given extends Config = Config> implements Registry<Given> {
  readonly #options: GatewayOptions;
  readonly #config: ResolvedConfig;
  readonly #clock: Clock;
  readonly #ids: IdMaker;
  readonly #registrations: Registration[] = [];
  readonly #observing: Observing;
  readonly #rejections: RejectionLog;
  readonly #acceptor: Acceptor;
  #started: Started | null = null;
  #starting: Promise<void> | null = null;
  #stopping = false;
  #sealed = false;
  #listeners: Listeners | null = null;

  /** @throws HoldfastError config_invalid, config_unknown_setting, secret_missing */
  constructor(config: Given, options: GatewayOptions = {}) {
    this.#options = options;
    this.#config = resolveConfig(config, options.environment ?? processEnvironment);
    this.#clock = options.clock ?? systemClock;
    this.#ids = new IdMaker({ now: () => this.#clock.now(), fill: (bytes) => void randomFillSync(bytes) });
    this.#observing = observe({ settings: this.#config.settings, clock: this.#clock, extra: options.observer ?? {} });
    this.#rejections = rejectionLog(this.#config.settings, this.#directory, this.#clock);
    this.#acceptor = new Acceptor(this.#ingestPorts());
  }

  /** Every setting as it is in force; secrets only as set or not. */
  get settings(): Readonly<Record<string, unknown>> {
    return redactedSettings(this.#config.settings);
  }

  /** What an acknowledgement of this gateway means; `null` before `start()`. */
  get report(): StoreReport | null {
    return this.#started?.report ?? null;
  }

  /** The destinations of this process as they are now. @throws HoldfastError not_started */
  destinations(): readonly DestinationLive[] {
    return this.#running().port.destinations();
  }

  // ----------------------------------------------------------------------------------------------- handlers

  handle<const From extends SourceName<Given>, const Type extends string = string>(
    name: string,
    options: HandlerOptions<From, Type>,
    handler?: Handler<BodyOf<Given, From, Type>>,
  ): void {
    this.#register({ name, options, handler: (handler as Handler | undefined) ?? null, batch: false });
  }

  handleBatch<const From extends SourceName<Given>, const Type extends string = string>(
    name: string,
    options: BatchOptions<From, Type>,
    handler?: BatchHandler<BodyOf<Given, From, Type>>,
  ): void {
    this.#register({ name, options, handler: (handler as BatchHandler | undefined) ?? null, batch: true });
  }

  #register(registration: Registration): void {
    if (this.#sealed) {
      throw new HoldfastError('config_invalid', { detail: `Register '${registration.name}' before start().` });
    }
    if (this.#registrations.some(({ name }) => name === registration.name)) {
      throw new HoldfastError('destination_duplicate', { detail: `'${registration.name}'.` });
    }
    this.#registrations.push(registration);
  }

  // ---------------------------------------------------------------------------------------------- lifecycle

  /**
   * Opens the store, recovers what a crash left, and begins to attempt what is ready. Safe to call twice.
   * @throws HoldfastError store_owned, store_corrupt, store_format, config_invalid, destination_duplicate
   */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    const { settings } = this.#config;
    await this.#loadHandlers();
    this.#sealed = true;
    const parts = { clock: this.#clock, ids: this.#ids };
    const store = this.#options.store?.(parts) ?? (await makeStore(settings, this.#directory, parts));
    const report = await store.work.open();
    const { observer } = this.#observing;
    const blame = new LoopBlame({ clock: this.#clock, observer });
    const dispatcher = this.#makeDispatcher(store, blame);
    const shared = { ...store, clock: this.#clock, observer, committer: dispatcher.committer, lanes: dispatcher.lanes };
    const holds = new Holds(shared);
    const replays = new Replays({ ...shared, ids: this.#ids, takers: (source, type) => this.#takers(dispatcher, source, type) });
    const retention = new Retention({ ...shared, store: store.work, holds, ...retentionOf(settings) });
    const disk = new DiskWatch(storeDirectory(settings.store, this.#directory), settings.diskReserveBytes, this.#clock);
    const token = await adminToken(settings, this.#directory);
    await this.#rejections.open();
    const port = adminPort({
      store,
      report,
      dispatcher,
      holds,
      replays,
      rejections: this.#rejections,
      verifyAgain: (filter) => verifyAgain(this.#acceptor, filter),
      sources: this.#config.sources,
      ...this.#observing,
      gate: () => this.#gate(),
      emit: (requests) => this.#emitAll(requests),
      tokenHash: token === null ? null : hashToken(token),
    });
    this.#observing.serve(port);
    const admin = createAdminApi(port, { clock: this.#clock, version: RELEASE, features: FEATURES });
    this.#started = { report, store, dispatcher, holds, replays, retention, disk, blame, port, admin, token };
    await this.#begin(this.#started);
  }

  /** Everything is in place: now work begins. */
  async #begin({ store, report, dispatcher, holds, replays, retention, disk, blame }: Started): Promise<void> {
    const { observer, stats, metrics, every } = this.#observing;
    await disk.start();
    for (const { name, formerly } of [...dispatcher.lanes.values()].map((lane) => lane.destination)) {
      for (const from of formerly) await dispatcher.committer.act({ kind: 'rename', from, to: name });
    }
    await holds.start();
    const counts = await store.history.counts();
    stats.restorePeaks(await peaksOf(store.registry));
    const open = new Map(counts.destinations.map((row) => [row.destination, row.blocked + row.due + row.ready + row.claimed]));
    blame.start();
    metrics.start();
    dispatcher.start(report.unclean, open);
    retention.start();
    await replays.resume();
    every(SEEN_MS, () => void holds.seen().catch(() => undefined));
    observer.note('info', 'started', { store: report.driver, ackMeaning: report.ackMeaning, unclean: report.unclean, destinations: dispatcher.lanes.size });
  }

  /** Listens for webhooks and, apart or on the same port, for the admin API. Starts first if needed. */
  async listen(): Promise<Listeners> {
    await this.start();
    const started = this.#running();
    this.#listeners ??= await listen({ settings: this.#config.settings, directory: this.#directory, acceptor: this.#acceptor, admin: started.admin, token: started.token });
    return this.#listeners;
  }

  /**
   * Stops gracefully: takes no more, commits what was read, lets running attempts end within the grace, gives back the
   * rest. Safe twice and unstarted.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    const started = this.#started;
    if (started === null || this.#stopping) return;
    this.#stopping = true;
    const graceMs = options.graceMs ?? this.#config.settings.graceMs;
    await this.#listeners?.close();
    this.#listeners = null;
    started.replays.stop();
    started.disk.stop();
    await started.retention.stop();
    if (options.drain === true) await started.dispatcher.drain(graceMs);
    await started.dispatcher.stop(graceMs);
    if (started.dispatcher.committer.state === 'open') {
      await started.holds.seen();
      await savePeaks(started.dispatcher.committer, this.#observing.stats.peaks());
    }
    started.holds.stop();
    await started.dispatcher.committer.close();
    started.blame.stop();
    await this.#rejections.close();
    await started.store.work.close();
    this.#observing.observer.note('info', 'stopped');
    this.#observing.stop();
    this.#started = null;
    this.#starting = null;
    this.#stopping = false;
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
   * Starts with the first request, since such a host has no place to start it. When a hot reload made a new gateway of
   * the same store, that one takes over: the old one is stopped first.
   */
  routes(options: RoutesOptions = {}): Routes {
    const handlers = ingestRoutes(() => this.#acceptor, options);
    const takeOver = succession(this.#config.settings.store, this);
    const afterStart = (handle: Routes['POST']): Routes['POST'] => async (request) => {
      await takeOver();
      return handle(request);
    };
    return mapRoutes(handlers, afterStart);
  }

  /** Ingest as a Fastify plugin: `app.register(gateway.fastify(), { prefix: '/webhooks' })`. */
  fastify(): FastifyPluginLike {
    return fastifyIngest(this.#acceptor);
  }

  /** The admin API, to be mounted where you say. It asks for its token wherever it is. @throws HoldfastError not_started */
  admin(): AdminApi {
    return this.#running().admin;
  }

  // ------------------------------------------------------------------------------------------------- emitting

  /**
   * Commits an event of the application's own; resolves after the commit.
   * @returns its id; that of the first when the dedupe key is a repeat
   * @throws HoldfastError not_started, store_unavailable, backlog_full, invalid_input, body_too_large
   */
  async emit(type: string, body: unknown, options: EmitOptions = {}): Promise<string> {
    const { dispatcher } = this.#running();
    const row = dispatcher.emitted(makeEmitted(type, body, options), null);
    const answer = await dispatcher.append({ events: [row] });
    if (answer.status === 'refused') throw new HoldfastError('invalid_input', { detail: answer.reason });
    return answer.events[0]?.eventId ?? row.event.id;
  }

  /** Cancels a delayed event that nobody has begun to attempt. @throws HoldfastError not_found, not_cancellable */
  cancel(eventId: string): Promise<void> {
    return this.#running().port.cancel(eventId);
  }

  async #emitAll(requests: readonly EmitRequest[]): Promise<{ eventId: string; duplicate: boolean }[]> {
    const { dispatcher } = this.#running();
    const events = requests.map(({ type, body, contentType, options }) => dispatcher.emitted({ type, body, contentType, options }, null));
    const answer = await dispatcher.append({ events });
    if (answer.status === 'refused') throw new HoldfastError('invalid_input', { detail: answer.reason });
    return answer.events.map((event) => ({ eventId: event.eventId, duplicate: event.status === 'duplicate' }));
  }

  // ---------------------------------------------------------------------------------------------------- parts

  get #directory(): string {
    return this.#options.directory ?? process.cwd();
  }

  #running(): Started {
    if (this.#started === null) throw new HoldfastError('not_started');
    return this.#started;
  }

  #gate(): ReturnType<IngestPorts['gate']> {
    if (this.#stopping || this.#started === null) return 'stopping';
    if (this.#started.disk.low) return 'disk_reserve';
    return this.#started.dispatcher.committer.state === 'open' ? 'open' : 'store_unavailable';
  }

  #ingestPorts(): IngestPorts {
    const { settings, sources } = this.#config;
    return {
      observer: this.#observing.observer,
      limits: limitsOf(settings),
      sources,
      trustedProxies: settings.trustedProxies,
      rejections: this.#rejections,
      clock: this.#clock,
      ids: this.#ids,
      gate: () => this.#gate(),
      route: (event) => this.#running().dispatcher.route(event),
      withdraw: (rows) => this.#running().dispatcher.withdraw(rows),
      append: (append) => this.#running().dispatcher.append(append),
      awaitAnswer: (source, eventId) => this.#running().dispatcher.answers.wait(eventId, source.responder ?? ''),
    };
  }

  #makeDispatcher(store: Store, blame: LoopBlame): Dispatcher {
    const { observer } = this.#observing;
    const sources = new Set([...this.#config.sources.map(({ name }) => name), EMITTED]);
    const destinations = this.#registrations.map((registration) => destinationOf(registration, { sources, blame, observer }));
    for (const { name, responder } of this.#config.sources) {
      if (responder !== null && !destinations.some((destination) => destination.name === responder && destination.from.has(name))) {
        throw new HoldfastError('config_invalid', { detail: `sources.${name}.responder: no handler '${responder}' takes from '${name}'.` });
      }
    }
    const { runningMax, handOffBytesMax } = this.#config.settings;
    return new Dispatcher({
      store: store.work,
      clock: this.#clock,
      ids: this.#ids,
      observer,
      random: this.#options.random ?? Math.random,
      destinations,
      runningMax,
      handOffBytesMax,
      leaseMs: LEASE_MS,
      release: RELEASE,
      committerChanged: (state) => {
        if (state !== 'closed') observer.note(state === 'open' ? 'info' : 'error', `the store is ${state}`);
        if (state === 'fatal') (this.#options.onFatal ?? (() => process.exit(FATAL_EXIT)))();
      },
    });
  }

  #takers(dispatcher: Dispatcher, source: string, type: string): string[] {
    return [...dispatcher.lanes.values()].map((lane) => lane.destination).filter((one) => takes(one, source, type)).map(({ name }) => name);
  }

  async #loadHandlers(): Promise<void> {
    const { handlers } = this.#config;
    if (handlers === null) return;
    const path = resolve(this.#directory, handlers);
    const loaded = (await import(pathToFileURL(path).href)) as { default?: (gateway: Gateway<Given>) => unknown };
    if (typeof loaded.default !== 'function') {
      throw new HoldfastError('config_invalid', { detail: `handlers: ${handlers} has no default export that is a function.` });
    }
    await loaded.default(this);
  }
}
