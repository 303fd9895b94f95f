/** One gateway on one store, through all of its starts and ends, with its client and its handlers' log. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePort } from '../../scripts/services/service.ts';
import { check, explain, type Verdict } from './check.ts';
import { Client } from './client.ts';
import { Seeded } from './random.ts';
import { readStored } from './stored.ts';
import { type Exit, GatewayProcess, type StartOptions, withDeadline } from './supervisor.ts';
import { LEDGER, type LogLine, MAIL, TOKEN } from './wire.ts';

export interface TrialOptions {
  /** Where the store is. Default: a temporary directory. The log is always in one. */
  readonly directory?: string;
  /** What every start has. */
  readonly start?: Partial<StartOptions>;
  readonly seed?: number;
  /** Leases end while handlers run: a fault of its own, which may repeat what it hits. */
  readonly leasesEnd?: boolean;
}

/** No promise: what takes longer hangs, also on a busy machine. */
const DRAIN_DEADLINE_MS = 60_000;
const LOOK_MS = 20;

export class Trial {
  readonly random: Seeded;
  readonly client: Client;
  readonly directory: string;
  readonly log: string;
  /** Starts that ended gracefully. */
  readonly cleanRuns = new Set<number>();
  readonly #home = mkdtempSync(join(tmpdir(), 'holdfast-crash-'));
  readonly #options: TrialOptions;
  readonly #t: TestContext;
  #gateway: GatewayProcess | null = null;
  #runs = 0;
  #port = 0;
  #serves = false;
  #up = Promise.withResolvers<string>();

  constructor(t: TestContext, options: TrialOptions = {}) {
    this.#t = t;
    this.#options = options;
    this.random = new Seeded(options.seed);
    this.directory = options.directory ?? join(this.#home, 'data');
    this.log = join(this.#home, 'handlers.log');
    this.client = new Client({ random: this.random, up: () => this.#up.promise });
    t.diagnostic(`seed ${this.random.seed}`);
    t.after(async () => {
      this.client.stop();
      await this.#gateway?.kill();
      rmSync(this.#home, { recursive: true, force: true });
    });
  }

  get path(): string {
    return join(this.directory, 'holdfast.db');
  }

  /** Where it serves, or served last. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get gateway(): GatewayProcess {
    assert.ok(this.#gateway, 'the gateway was started');
    return this.#gateway;
  }

  /** Begins a start of the gateway on the same store and port; `ready` follows. */
  launch(options: Partial<StartOptions> = {}): GatewayProcess {
    mkdirSync(this.directory, { recursive: true });
    const { directory, log } = this;
    const run = ++this.#runs;
    const gateway = new GatewayProcess({ directory, log, port: this.#port, ...this.#options.start, ...options, run });
    this.#gateway = gateway;
    void this.#closeWith(gateway);
    return gateway;
  }

  async #closeWith(gateway: GatewayProcess): Promise<void> {
    await gateway.exited;
    if (this.#gateway === gateway) this.#down();
  }

  /** From now on the client waits for the next start; whoever waits already waits for the same. */
  #down(): void {
    if (this.#serves) this.#up = Promise.withResolvers();
    this.#serves = false;
  }

  /** Starts it and waits until it serves. The client sends from then on, or once `look` has seen what there is. */
  async start(options: Partial<StartOptions> = {}, look?: () => Promise<void>): Promise<GatewayProcess> {
    // Nobody else may be given it while the gateway is down.
    if (this.#port === 0) this.#port = await freePort();
    const gateway = this.launch(options);
    const { url } = await gateway.ready();
    await look?.();
    this.#serves = true;
    this.#up.resolve(url);
    return gateway;
  }

  /** SIGKILL; the client waits for the next start. */
  async kill(): Promise<Exit> {
    this.#down();
    return this.gateway.kill();
  }

  /** Waits for it to end by itself; the client waits for the next start. */
  async ended(): Promise<Exit> {
    const exit = await this.gateway.ended();
    this.#down();
    return exit;
  }

  /** Asks the running gateway's API. */
  async api<Answer>(path: string): Promise<Answer> {
    const response = await fetch(`${this.url}${path}`, { headers: { authorization: `Bearer ${TOKEN}` } });
    assert.equal(response.status, 200, `${path} answered ${response.status}`);
    return (await response.json()) as Answer;
  }

  /** Whether an event with this dedupe key is stored. */
  async has(key: string): Promise<boolean> {
    const { rows } = await this.api<{ rows: unknown[] }>(`/api/events?dedupeKey=${key}`);
    return rows.length > 0;
  }

  /** Waits until every delivery, or every one of a destination, has ended. */
  async drained(destination?: string): Promise<void> {
    const deadline = performance.now() + DRAIN_DEADLINE_MS;
    const of = destination === undefined ? '' : `&destination=${destination}`;
    for (;;) {
      const { rows } = await this.api<{ rows: unknown[] }>(
        `/api/deliveries?state=blocked,due,ready,claimed&limit=1${of}`,
      );
      if (rows.length === 0) return;
      assert.ok(performance.now() < deadline, `drained within ${DRAIN_DEADLINE_MS} ms: ${JSON.stringify(rows)}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Waits until every invocation that began in this start has ended. */
  async invocationsEnded(): Promise<void> {
    const deadline = performance.now() + DRAIN_DEADLINE_MS;
    for (;;) {
      const lines = this.lines().filter(({ run }) => run === this.#runs);
      const began = lines.filter(({ ended }) => ended === null).length;
      if (began === lines.length - began) return;
      assert.ok(performance.now() < deadline, `every invocation ended within ${DRAIN_DEADLINE_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** SIGTERM; the gateway must end well. */
  async stop(): Promise<void> {
    const run = this.#runs;
    const { gateway } = this;
    const exit = await gateway.stop();
    assert.deepEqual(exit, { code: 0, signal: null }, gateway.stderr);
    this.cleanRuns.add(run);
  }

  /** The handlers' log. A line that was cut by the end of its process is none. */
  lines(): LogLine[] {
    if (!existsSync(this.log)) return [];
    const lines = readFileSync(this.log, 'utf8').split('\n');
    return lines.slice(0, -1).map((line) => JSON.parse(line) as LogLine);
  }

  /** Lets everything end, stops the gateway and compares. */
  async verdict(): Promise<Verdict> {
    await this.drained();
    await this.stop();
    return this.compare();
  }

  /** Compares what the gateway left, which has ended. */
  async compare(): Promise<Verdict> {
    const stored = await readStored(this.path);
    const { sent } = this.client;
    const { cleanRuns } = this;
    const verdict = check({
      sent,
      log: this.lines(),
      stored,
      destinations: [LEDGER, MAIL],
      cleanRuns,
      leasesEnd: this.#options.leasesEnd ?? false,
    });
    this.#t.diagnostic(verdict.summary);
    return verdict;
  }

  /** As `verdict`, and nothing may be wrong. */
  async clean(): Promise<Verdict> {
    const verdict = await this.verdict();
    assert.deepEqual(verdict.breaches, [], explain(verdict));
    return verdict;
  }

  within<Value>(promise: Promise<Value>, what: string): Promise<Value> {
    return withDeadline(promise, DRAIN_DEADLINE_MS, what);
  }
}
