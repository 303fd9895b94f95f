/** What a start makes and a stop ends: the store, dispatch, and all that works beside them. */
import { type AdminApi, createAdminApi } from '../api/admin.ts';
import { type Ask, localAsk } from '../api/local.ts';
import type { AdminPort } from '../api/port.ts';
import type { CommitterState } from '../commit/committer.ts';
import type { ResolvedConfig } from '../config.ts';
import type { Clock, Random } from '../core/clock.ts';
import { EMITTED, OPERATIONAL } from '../core/event.ts';
import type { IdMaker } from '../core/id.ts';
import { LoopBlame } from '../deliver/loop-blame.ts';
import type { Broker } from '../dispatch/broker.ts';
import type { Destination } from '../dispatch/destination.ts';
import { Dispatcher } from '../dispatch/dispatcher.ts';
import { fanOutDestination } from '../dispatch/fan-out.ts';
import { Group, groupedHistory } from '../dispatch/group.ts';
import { Holds, SEEN_MS } from '../dispatch/holds.ts';
import { Replays } from '../dispatch/replay.ts';
import { Retention } from '../dispatch/retention.ts';
import type { EndpointPolicy } from '../endpoints/policy.ts';
import type { Acceptor } from '../ingest/accept.ts';
import type { IngestPorts } from '../ingest/ports.ts';
import { TrustedProxies } from '../ingest/proxies.ts';
import { verifyAgain } from '../ingest/again.ts';
import type { Store, StoreCounts, StoreReport } from '../store/store.ts';
import { adminPort } from './admin.ts';
import { Alerts } from './alerts.ts';
import { AuditLog } from './audit.ts';
import { DiskWatch } from './disk.ts';
import { Emitting } from './emitting.ts';
import { policyOf } from './endpoints-queue.ts';
import { vaultKeys } from './keys.ts';
import { lastWords } from './last-words.ts';
import { openWhole } from './move-store.ts';
import type { Observing } from './observing.ts';
import { alertsOf, openOf, retentionOf } from './parts.ts';
import { peaksOf } from './peaks.ts';
import { openBroker, roleOf } from './queues.ts';
import { Processes, tellingBreakers } from './processes.ts';
import { destinationsOf, type Registrations } from './registrations.ts';
import { Renames } from './renames.ts';
import { FEATURES, RELEASE } from './release.ts';
import { respondersOf } from './responders.ts';
import { Schedules } from './schedules.ts';
import { Sending } from './sending.ts';
import type { Spooling } from './spooling.ts';
import { type AdminToken, adminToken, storeDirectory } from './token.ts';
import { Tokens } from './tokens.ts';

/** Whether new events are taken now; else why not. */
export type Gate = ReturnType<IngestPorts['gate']>;

/** What is there before the parts are put together. */
interface Opened {
  readonly store: Store;
  readonly report: StoreReport;
  readonly broker: Broker | null;
  readonly token: AdminToken;
  /** Seal the secrets of endpoints. */
  readonly keys: readonly string[];
}

export interface EngineParts {
  readonly config: ResolvedConfig;
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdMaker;
  readonly registered: Registrations;
  readonly observing: Observing;
  readonly acceptor: Acceptor;
  readonly gate: () => Gate;
  /** Whether it takes new events for a moment only: to be called ready no more. */
  readonly leaving: () => boolean;
  /** Takes what the store cannot; `null`: nothing does. */
  readonly spooling: Spooling | null;
  /** The store is lost: the process must end. */
  readonly onFatal: () => void;
}

const IDLE_MS = 5000;
/** Where nothing tells of what other processes make ready. */
const LOOK_MS = 250;
/** How long a bulk replay may stand still before another process goes on with it. */
const TAKE_OVER_MS = 60_000;
const ALERTS_MS = 15_000;

export class Engine {
  readonly report: StoreReport;
  readonly dispatcher: Dispatcher;
  readonly emitting: Emitting;
  readonly port: AdminPort;
  readonly admin: AdminApi;
  /** Asks its routes within the process. */
  readonly ask: Ask;
  /** The admin token in force, as far as it is known here. */
  readonly token: AdminToken;
  /** Whether the store found damage in what it has: then nothing new is taken. */
  damaged = false;
  readonly #parts: EngineParts;
  readonly #store: Store;
  readonly #sources: ReadonlySet<string>;
  readonly #policy: EndpointPolicy;
  readonly #group: Group;
  readonly #sending: Sending;
  readonly #broker: Broker | null;
  readonly #holds: Holds;
  readonly #replays: Replays;
  readonly #retention: Retention;
  readonly #tokens: Tokens;
  readonly #audit: AuditLog;
  readonly #disk: DiskWatch;
  readonly #alerts: Alerts;
  readonly #blame: LoopBlame;
  readonly #processes: Processes;
  readonly #schedules: Schedules;
  readonly #renames: Renames;

  /** @throws HoldfastError config_invalid */
  constructor(parts: EngineParts, opened: Opened) {
    const { clock, ids, config, observing } = parts;
    const { store, report, token, broker } = opened;
    this.#parts = parts;
    this.#store = store;
    this.report = report;
    this.#broker = broker;
    this.token = token;
    this.#blame = new LoopBlame({ clock, observer: observing.observer });
    this.#sources = new Set([...config.sources.map(({ name }) => name), EMITTED, OPERATIONAL]);
    this.#policy = policyOf(parts.registered.endpoints, this.#sources);
    this.#group = new Group(this.#policy.queue);
    this.#alerts = this.#makeAlerts();
    this.#sending = this.#makeSending(opened.keys);
    this.#processes = new Processes({
      ...parts,
      registry: store.registry,
      dispatcher: () => this.dispatcher,
      registrations: parts.registered.destinations,
    });
    this.dispatcher = this.#makeDispatcher();
    const diskLow = (): boolean => this.diskLow;
    this.emitting = new Emitting({ ...parts, store, dispatcher: this.dispatcher, types: config.emits, diskLow });
    const { committer, lanes } = this.dispatcher;
    const history = groupedHistory(store.history, this.#group);
    const shared = {
      ...store,
      history,
      group: this.#group,
      clock,
      ids,
      observer: observing.observer,
      committer,
      lanes,
    };
    this.#holds = new Holds(shared);
    this.#replays = new Replays({ ...shared, takers: (event) => this.dispatcher.intake.takers(event) });
    this.#tokens = new Tokens({ ...shared, adminHashes: [...token.hashes, ...(parts.spooling?.token.hashes ?? [])] });
    const { auditEntriesMax: entriesMax, retainAuditMs: retainMs } = config.settings;
    const audit = new AuditLog({ ...shared, entriesMax, retainMs });
    this.#audit = audit;
    const destinations = (): Destination[] => [...lanes.values()].map((lane) => lane.destination);
    this.#renames = new Renames({ committer, audit, destinations, members: () => this.#processes.list() });
    this.#retention = new Retention({
      ...shared,
      store: store.work,
      holds: this.#holds,
      buried: (destination, count) => lanes.ended(destination, count),
      ...retentionOf(config.settings),
    });
    this.#schedules = this.#makeSchedules();
    const directory = storeDirectory(config.settings.store, parts.directory);
    this.#disk = new DiskWatch(directory, config.settings.diskReserveBytes, clock);
    this.port = this.#makePort();
    observing.serve(this.port);
    const proxies = new TrustedProxies(config.settings.trustedProxies);
    const sender = (peer: string, headers: Headers): string => proxies.sender(peer, [...headers].flat());
    const shown = { clock, version: RELEASE, features: FEATURES };
    this.admin = createAdminApi(this.port, { ...shown, sender });
    this.ask = localAsk(this.port, shown);
  }

  /** Opens the store and puts everything in place. @throws as the store's `open`, and HoldfastError config_invalid */
  static async open(parts: EngineParts, store: Store): Promise<Engine> {
    const report = await openWhole(store);
    let broker: Broker | null = null;
    let engine: Engine | null = null;
    try {
      const { clock, config, observing } = parts;
      broker = await openBroker(config.settings, report, { clock, observer: observing.observer });
      const token = await adminToken(config.settings, parts.directory, { ...store, shared: report.shared });
      await parts.acceptor.ports.rejections.open();
      const keys = await vaultKeys(config.settings, parts.directory);
      engine = new Engine(parts, { store, report, broker, token, keys });
      await engine.#begin();
      return engine;
    } catch (error) {
      // Nothing of what had begun goes on working on a store that is closed.
      await engine?.stop(0, false).catch(() => undefined);
      await broker?.close();
      await store.work.close(); // Whoever corrects what was wrong can start again.
      throw error;
    }
  }

  /** What a verifier needs from outside. */
  fetchText(url: string): Promise<string> {
    return this.#sending.egress.fetchText(url);
  }

  /** Whether there is less disk than the reserve. */
  get diskLow(): boolean {
    return this.#disk.low;
  }

  /** Whether it takes new events. */
  get gate(): Gate {
    if (this.damaged) return 'store_unavailable';
    if (this.diskLow) return 'disk_reserve';
    return this.dispatcher.committer.state === 'open' ? 'open' : 'store_unavailable';
  }

  async #begin(): Promise<void> {
    const { dispatcher, report } = this;
    const { observer, stats, metrics, every } = this.#parts.observing;
    await this.#disk.start();
    await this.#renames.start();
    await this.#sending.start();
    await this.#holds.start();
    await this.#tokens.start();
    const counts = await this.#store.history.counts();
    stats.restorePeaks(await peaksOf(this.#store.registry));
    await this.#processes.start();
    this.#blame.start();
    metrics.start();
    dispatcher.start(report.unclean, openOf(counts));
    this.#retention.start();
    await this.#replays.resume();
    this.#schedules.start();
    if (report.shared) every(TAKE_OVER_MS, () => void this.#replays.takeOver().catch(() => undefined));
    every(ALERTS_MS, () => void this.#alerts.look().catch(() => undefined));
    every(SEEN_MS, () => void this.#holds.seen().catch(() => undefined));
    const { driver: store, ackMeaning, unclean, weaker } = report;
    const queue = this.#broker?.state.report?.driver;
    const { role } = this.#parts.config.settings;
    const destinations = this.#parts.registered.destinations.length;
    observer.note('info', 'started', { store, queue, role, ackMeaning, unclean, destinations });
    if (weaker.length > 0) observer.note('warn', 'the store may lose what is acknowledged', { store, weaker });
  }

  /** Lets running attempts end within the grace, gives back the rest, commits it all, and closes the store. */
  async stop(graceMs: number, drain: boolean): Promise<void> {
    const { observing, acceptor } = this.#parts;
    const { committer } = this.dispatcher;
    this.#replays.stop();
    this.#schedules.stop();
    this.#disk.stop();
    await this.#retention.stop();
    if (drain) await this.dispatcher.drain(graceMs);
    await this.dispatcher.stop(graceMs);
    await lastWords(this.#holds, committer, observing);
    await this.#processes.stop();
    this.#holds.stop();
    await this.#sending.stop();
    this.#tokens.stop();
    await committer.close();
    this.#blame.stop();
    await acceptor.ports.rejections.close();
    await this.#broker?.close();
    await this.#store.work.close();
    observing.observer.note('info', 'stopped');
    observing.stop();
  }

  /** What the store counts; on a shared one it is also what each lane is owed, since others work on it too. */
  async #count(): Promise<StoreCounts> {
    const counts = await this.#store.history.counts();
    if (this.report.shared) this.dispatcher.lanes.counted(openOf(counts));
    if (this.report.shared) void this.#renames.counted(counts);
    return counts;
  }

  #makeSending(keys: readonly string[]): Sending {
    const { config, clock, ids, observing } = this.#parts;
    return new Sending({
      settings: config.settings,
      registry: this.#store.registry,
      clock,
      ids,
      observer: observing.observer,
      sources: this.#sources,
      keys,
      policy: this.#policy,
      dispatcher: () => this.dispatcher,
      holds: () => this.#holds,
    });
  }

  #makeAlerts(): Alerts {
    return new Alerts({
      clock: this.#parts.clock,
      ...alertsOf(this.#parts.config.settings),
      counts: () => this.#count(),
      freeBytes: () => this.#disk.freeBytes,
      report: (report) => this.dispatcher.report(report),
      speaks: () => this.#processes.speaks,
    });
  }

  /** @throws HoldfastError config_invalid */
  #makeSchedules(): Schedules {
    const { registered, clock, config, observing } = this.#parts;
    return new Schedules({
      schedules: registered.schedules,
      types: config.emits,
      clock,
      emit: async (emitted) => void (await this.emitting.emit([emitted])),
      failed: (schedule, error) => observing.observer.note('error', 'could not emit on time', { schedule, error }),
    });
  }

  #makePort(): AdminPort {
    const { config, observing, acceptor, gate, leaving, spooling } = this.#parts;
    return adminPort({
      store: { ...this.#store, history: groupedHistory(this.#store.history, this.#group) },
      group: this.#group,
      report: this.report,
      broker: this.#broker,
      spool: spooling,
      dispatcher: this.dispatcher,
      holds: this.#holds,
      replays: this.#replays,
      rejections: acceptor.ports.rejections,
      verifyAgain: (filter) => verifyAgain(acceptor, filter),
      sources: config.sources,
      disabledReason: (id) => this.#sending.disabledReason(id),
      endpoints: this.#sending.port(),
      policy: this.#policy,
      ...observing,
      gate,
      leaving,
      emit: (requests) => this.emitting.requested(requests),
      eventTypes: () => config.emits?.list() ?? null,
      tokens: this.#tokens,
      audit: this.#audit,
      processes: () => this.#processes.list(),
    });
  }

  #makeDispatcher(): Dispatcher {
    const { config, registered, observing, clock, ids, random } = this.#parts;
    const { observer } = observing;
    const { registry } = this.#store;
    const { directory } = this.#sending;
    const { environment } = config;
    const sources = this.#sources;
    const known = { sources, blame: this.#blame, observer, clock, environment, ...this.#sending.forConfig() };
    const destinations = destinationsOf(registered.destinations, known, config.emits);
    return new Dispatcher({
      store: this.#store.work,
      transactions: this.#store,
      clock,
      ids,
      observer: tellingBreakers(observer, this.#alerts.observer, this.#processes.observer),
      random,
      destinations: [
        ...destinations,
        fanOutDestination({ directory, registry, committer: () => this.dispatcher.committer }),
      ],
      directory,
      paused: (name) => this.#holds.pauseOf(name) !== null,
      responders: respondersOf(config.sources, destinations),
      elsewhere: this.report.shared ? this.#store.history : null,
      role: roleOf(config.settings.role),
      broker: this.#broker,
      lookMs: this.report.shared && this.#broker === null && this.#store.work.onReady === undefined ? LOOK_MS : IDLE_MS,
      shared: this.#processes.shared,
      runningMax: config.settings.runningMax,
      handOffBytesMax: config.settings.handOffBytesMax,
      leaseMs: config.settings.leaseMs,
      release: RELEASE,
      committerChanged: (state, why) => this.#committerChanged(state, why),
      damaged: (error) => {
        if (!this.damaged) observer.note('error', `${error.message} Nothing new is taken.`, { action: error.action });
        this.damaged = true;
      },
    });
  }

  #committerChanged(state: CommitterState, why: unknown): void {
    if (state === 'closed') return;
    const told = why instanceof Error ? { error: String(why) } : undefined;
    this.#parts.observing.observer.note(state === 'open' ? 'info' : 'error', `the store is ${state}`, told);
    this.#parts.spooling?.storeChanged(state === 'open');
    if (state === 'fatal') this.#parts.onFatal();
  }
}
