/**
 * A gateway with a spool: where the spool is, how it and the engine find each other, and how a gateway comes up whose
 * store cannot be reached. It takes webhooks then, and opens the store as soon as it can.
 */
import { dirname, resolve } from 'node:path';
import type { AdminApi } from '../api/admin.ts';
import { localAsk } from '../api/local.ts';
import type { AdminPort, EmitAnswer, EmitRequest, SpoolPort } from '../api/port.ts';
import { Spool } from '../commit/spool/spool.ts';
import { SPOOLED_MEANING, type SpoolState } from '../commit/spool/state.ts';
import type { ResolvedConfig } from '../config.ts';
import type { Clock, Timer } from '../core/clock.ts';
import type { StoredEvent } from '../core/event.ts';
import type { IdMaker } from '../core/id.ts';
import type { Emitted } from '../deliver/runner.ts';
import { dueAt, EMIT_WINDOW_MS, emittedEvent } from '../dispatch/emitted.ts';
import { HoldfastError } from '../errors.ts';
import type { Acceptor } from '../ingest/accept.ts';
import type { AsideRow, Spooled, SpooledEvent } from '../store/spool.ts';
import { type Append, type AppendAnswer, type EventAnswer, type NewEvent, StoreError } from '../store/store.ts';
import { DiskWatch } from './disk.ts';
import type { Emitting } from './emitting.ts';
import type { Engine } from './engine.ts';
import type { Observing } from './observing.ts';
import { FEATURES, RELEASE } from './release.ts';
import { standbyAdmin, standbyPort } from './standby.ts';
import { makeSpool } from './stores.ts';
import { type AdminToken, newToken } from './token.ts';
import { hashToken } from './tokens.ts';

export interface SpoolingParts {
  readonly config: ResolvedConfig;
  readonly directory: string;
  readonly clock: Clock;
  readonly ids: IdMaker;
  readonly observing: Observing;
  readonly acceptor: () => Acceptor;
  /** Whether it takes webhooks for a moment only. */
  readonly leaving: () => boolean;
  /** The spool is lost: the process must end. */
  readonly onFatal: () => void;
}

/** What the rest of the gateway asks of its engine, answered while there is none. */
export type Standby = Pick<Engine, 'admin' | 'ask' | 'port' | 'token' | 'fetchText'> & {
  readonly emitting: Pick<Emitting, 'emit'>;
};

/** How long a start waits for the store before it spools instead. */
const START_MS = 3000;
const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 5000;

/** The spool of these settings; `null`: none is set, or this process takes no webhooks. @throws HoldfastError config_invalid */
export function spoolingOf(parts: SpoolingParts): Spooling | null {
  const { spool, store, role } = parts.config.settings;
  if (spool === null) return null;
  const path = spoolPath(spool, parts.directory);
  if (!/^(postgres(ql)?|mongodb(\+srv)?):/.test(store)) {
    const driver = store.slice(0, store.indexOf(':') + 1);
    const detail = `spool: only for a store that can be away while its gateway works, postgres://… or mongodb://…; the store is ${driver} Leave spool out.`;
    throw new HoldfastError('config_invalid', { detail });
  }
  return role === 'worker' ? null : new Spooling(parts, path);
}

/** The file of the setting `spool`. @throws HoldfastError config_invalid */
export function spoolPath(spool: string, directory: string): string {
  const path = spool.startsWith('sqlite:') ? spool.slice('sqlite:'.length) : '';
  if (path !== '' && path !== ':memory:') return resolve(directory, path);
  throw new HoldfastError('config_invalid', { detail: `spool: expected sqlite:PATH, got '${spool}'.` });
}

export class Spooling implements SpoolPort {
  /** The admin token of a standby; good as long as the process lives, also once the store is open. */
  readonly token: AdminToken;
  readonly #parts: SpoolingParts;
  readonly #path: string;
  readonly #disk: DiskWatch;
  #spool: Spool | null = null;
  #engine: Engine | null = null;
  #standby: Standby | null = null;
  #opening: Promise<void> | null = null;
  #retry: { readonly timer: Timer; readonly end: () => void } | null = null;
  #stopped = false;
  #problem: string | null = null;

  constructor(parts: SpoolingParts, path: string) {
    const { settings } = parts.config;
    this.#parts = parts;
    this.#path = path;
    const token = settings.adminToken ?? newToken();
    this.token = { token, hashes: [hashToken(token)], origin: settings.adminToken === null ? 'own' : 'kept' };
    this.#disk = new DiskWatch(dirname(path), settings.diskReserveBytes, parts.clock);
  }

  /** Whether what comes goes into the spool now. */
  get isTaking(): boolean {
    return this.#spool?.isTaking === true;
  }

  /** Whether it takes what comes. */
  get gate(): 'open' | 'disk_reserve' | 'store_unavailable' {
    const refusal = this.#spool?.refusal ?? null;
    return refusal === null ? 'open' : refusal === 'spool_full' ? 'store_unavailable' : refusal;
  }

  /** Stands in for the engine while there is none; `null`: there is one, or nothing is started. */
  get standby(): Standby | null {
    return this.#engine === null ? this.#standby : null;
  }

  // -------------------------------------------------------------------------------------------------- lifecycle

  /**
   * Opens the spool and then, with `openEngine`, the store; where that cannot be reached, it goes on trying and this
   * resolves with a standby.
   * @throws HoldfastError as the spool's `open`; as `openEngine`, unless the store is only away
   */
  async open(openEngine: () => Promise<Engine>): Promise<void> {
    this.#stopped = false;
    const { clock, config, observing, onFatal } = this.#parts;
    const file = await makeSpool(this.#path, clock);
    const bytesMax = config.settings.spoolBytesMax;
    const { observer } = observing;
    const diskLow = (): boolean => this.#disk.low;
    const spool = new Spool({ file, clock, observer, bytesMax, diskLow, lost: onFatal });
    await spool.open();
    await this.#disk.start();
    this.#spool = spool;
    try {
      const opening = this.#open(openEngine);
      const first = await Promise.race([opening, this.#late(START_MS)]);
      if (first === 'open') return;
      this.#standBy(first === 'late' ? 'it does not answer' : first.message);
      this.#opening = this.#keepTrying(opening, openEngine);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** The engine's store takes commits again, or none any more. */
  storeChanged(isOpen: boolean): void {
    if (this.#engine !== null) this.#spool?.storeChanged(isOpen);
  }

  /** Moves nothing more into the store, and opens it no more. Before the engine is stopped. */
  async rest(): Promise<void> {
    this.#stopped = true;
    this.#spool?.rest();
    this.#retry?.end();
    await this.#opening;
  }

  /** What is in the spool stays there. Safe twice. */
  async close(): Promise<void> {
    await this.rest();
    this.#disk.stop();
    await this.#spool?.close();
    this.#spool = null;
    this.#engine = null;
    this.#standby = null;
    this.#opening = null;
  }

  // ------------------------------------------------------------------------------------------------------ taking

  append(append: Append): Promise<AppendAnswer | Spooled> {
    return this.#use().append(append);
  }

  /** Commits what the application emits, or spools it under its own ids. `routed`: as it is committed. */
  async emit(emitted: readonly Emitted[], routed: () => readonly NewEvent[]): Promise<AppendAnswer> {
    const events = this.isTaking ? emitted.map((one) => this.#unrouted(one)) : routed();
    const answer = await this.#use().append({ events }, emitted.map(dueAt));
    if (answer.status !== 'spooled') return answer;
    return {
      status: 'committed',
      events: events.map(({ event }): EventAnswer => ({ status: 'committed', eventId: event.id, claims: [] })),
    };
  }

  // --------------------------------------------------------------------------------------------------- spool port

  state(): SpoolState {
    return this.#use().state;
  }

  find(eventId: string): Promise<StoredEvent | null> {
    return this.#use().find(eventId);
  }

  aside(): Promise<readonly AsideRow[]> {
    return this.#use().asideRows();
  }

  /** Whether events are taken, and where they go. */
  ready(): ReturnType<AdminPort['ready']> {
    const gate = this.#stopped || this.#parts.leaving() ? 'stopping' : this.gate;
    return { ready: gate === 'open', reason: gate === 'open' ? null : gate };
  }

  // ------------------------------------------------------------------------------------------------------ opening

  /** `open`, or why the store could not be reached. @throws what another try does not heal */
  async #open(openEngine: () => Promise<Engine>): Promise<'open' | Error> {
    try {
      const engine = await openEngine();
      this.#engine = engine;
      this.#use().attach(this.#target(engine));
      return 'open';
    } catch (error) {
      if (!isAway(error)) throw error;
      return error;
    }
  }

  async #late(ms: number): Promise<'late'> {
    await new Promise<void>((resolve) => void this.#parts.clock.schedule(ms, resolve));
    return 'late';
  }

  #standBy(why: string): void {
    const { clock, observing } = this.#parts;
    this.#parts.observing.observer.note('warn', 'the store cannot be opened yet', { why, ackMeaning: SPOOLED_MEANING });
    this.#use().storeChanged(false);
    const acceptor = this.#parts.acceptor();
    const port = standbyPort({
      clock,
      acceptor,
      spool: this,
      ready: () => this.ready(),
      emit: (requests) => this.#emitAll(requests),
      eventTypes: () => this.#parts.config.emits?.list() ?? null,
      metrics: () => observing.metrics.text(),
      token: this.token,
    });
    this.#standby = {
      port,
      token: this.token,
      admin: standbyAdmin(port, clock, (): AdminApi | null => this.#engine?.admin ?? null),
      ask: localAsk(port, { clock, version: RELEASE, features: FEATURES }),
      emitting: { emit: (emitted, tx) => this.#emit(emitted, tx) },
      fetchText: () => Promise.reject(new HoldfastError('store_unavailable', { retryAfterS: 5 })),
    };
    observing.serve(port);
  }

  /** Also past errors of the config: what was acknowledged waits here, and whoever corrects them needs no restart. */
  async #keepTrying(first: Promise<'open' | Error>, openEngine: () => Promise<Engine>): Promise<void> {
    await this.#parts.acceptor().ports.rejections.open();
    let opening = first;
    for (let delayMs = RETRY_FIRST_MS; ; delayMs = Math.min(RETRY_LAST_MS, delayMs * 2)) {
      const tried = await opening.catch((error: unknown) => error);
      if (tried === 'open') return;
      this.#complain(tried instanceof Error ? tried.message : String(tried));
      await this.#wait(delayMs);
      if (this.#stopped) return;
      opening = this.#open(openEngine);
    }
  }

  #complain(problem: string): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#parts.observing.observer.note('error', 'the store cannot be opened', { error: problem });
  }

  #wait(ms: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        this.#retry?.timer.cancel();
        this.#retry = null;
        resolve();
      };
      this.#retry = { timer: this.#parts.clock.schedule(ms, end), end };
    });
  }

  #target({ dispatcher, port }: Engine): Parameters<Spool['attach']>[0] {
    const route = ({ event, dedupeWindowMs, dueAt: at }: SpooledEvent, late: boolean): NewEvent => {
      const deliveries = this.#isOwed(event) ? dispatcher.intake.deliveries(event, at, late) : [];
      return { event, dedupeWindowMs, deliveries };
    };
    return {
      isOpen: () => dispatcher.committer.state === 'open',
      route: (item) => route(item, false),
      routeLate: (item) => route(item, true),
      append: (append) => dispatcher.append(append),
      isStored: async (eventId) => (await port.history.event(eventId)) !== null,
    };
  }

  /** What does not fit its schema is owed only where its source says so. */
  #isOwed({ unfit, source }: StoredEvent): boolean {
    return unfit === null || this.#parts.config.sources.find(({ name }) => name === source)?.routeUnfit === true;
  }

  // ----------------------------------------------------------------------------------------------------- emitting

  /** Of a gateway whose store was never reached. */
  async #emit(emitted: readonly Emitted[], tx?: unknown): Promise<readonly EventAnswer[]> {
    await this.#parts.config.emits?.check(emitted);
    if (this.#engine !== null) return this.#engine.emitting.emit(emitted, tx);
    if (tx !== undefined) throw new HoldfastError('store_unavailable', { retryAfterS: 5 });
    const answer = await this.emit(emitted, () => []);
    if (answer.status === 'refused') throw new HoldfastError('invalid_input', { detail: answer.reason });
    return answer.events;
  }

  async #emitAll(requests: readonly EmitRequest[]): Promise<EmitAnswer[]> {
    const answers = await this.#emit(requests);
    return answers.map(({ eventId }) => ({ eventId, duplicate: false, differs: false }));
  }

  #unrouted(emitted: Emitted): NewEvent {
    return {
      event: emittedEvent(emitted, null, this.#parts),
      dedupeWindowMs: emitted.windowMs ?? EMIT_WINDOW_MS,
      deliveries: [],
    };
  }

  #use(): Spool {
    if (this.#spool === null) throw new HoldfastError('not_started');
    return this.#spool;
  }
}

/** Whether the store is only not there now. */
function isAway(error: unknown): error is Error {
  if (error instanceof StoreError) return error.failure !== 'fatal';
  return error instanceof HoldfastError && error.code === 'store_unavailable';
}
