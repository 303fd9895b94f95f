/** What sends: the way out of the process, the endpoints that are managed while it runs, and those of the config. */
import type { EndpointsPort } from '../api/port.ts';
import type { Clock } from '../core/clock.ts';
import type { IdMaker } from '../core/id.ts';
import type { Observer } from '../core/observer.ts';
import { createEgress, type Egress } from '../deliver/egress/egress.ts';
import { endpointRunner, type GoneAnswer } from '../deliver/endpoint/runner.ts';
import type { Runner } from '../deliver/runner.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { Holds } from '../dispatch/holds.ts';
import { operationalEvent } from '../dispatch/operational.ts';
import type { EndpointView } from '../endpoints/definition.ts';
import { EndpointDirectory } from '../endpoints/directory.ts';
import { Endpoints } from '../endpoints/endpoints.ts';
import type { EndpointPolicy } from '../endpoints/policy.ts';
import { Vault } from '../endpoints/vault.ts';
import { HoldfastError } from '../errors.ts';
import type { Settings } from '../settings.ts';
import type { RegistryStore } from '../store/store.ts';
import { RELEASE } from './release.ts';

export interface SendingOptions {
  readonly settings: Settings;
  readonly registry: RegistryStore;
  readonly clock: Clock;
  readonly ids: IdMaker;
  readonly observer: Observer;
  readonly sources: ReadonlySet<string>;
  readonly keys: readonly string[];
  readonly policy: EndpointPolicy;
  /** What works with it; asked when there is work, not before. */
  readonly dispatcher: () => Dispatcher;
  readonly holds: () => Holds;
}

/** Who disables an endpoint that says it is gone. */
const BY_ANSWER = 'its answer';

export class Sending {
  readonly egress: Egress;
  readonly directory: EndpointDirectory;
  readonly #options: SendingOptions;
  readonly #runner: Runner;
  readonly #vault: Vault;
  #endpoints: Endpoints | null = null;

  /** @throws HoldfastError config_invalid */
  constructor(options: SendingOptions) {
    const { settings, clock, registry, observer } = options;
    this.#options = options;
    this.egress = egressOf(settings, clock);
    this.#vault = new Vault(options.keys);
    this.#runner = endpointRunner({
      egress: this.egress,
      clock,
      release: RELEASE,
      target: ({ destination, event }) => {
        const entry = this.directory.entry(destination);
        if (entry === null) throw new HoldfastError('destination_unknown', { detail: `'${destination}'.` });
        return entry.target(event, clock.now());
      },
      // It may have been given to another tenant since the event was routed to it. Whose it is now is not this one's to know.
      refused: ({ destination, event }) =>
        this.directory.mayHave(destination, event.tenant) ? null : "tenant: the endpoint is not of the event's tenant",
      gone: (destination, answer) => void this.#gone(destination, answer),
    });
    this.directory = new EndpointDirectory({
      registry,
      clock,
      observer,
      vault: this.#vault,
      policy: options.policy,
      runner: this.#runner,
      changed: (id) => options.dispatcher().lanes.changed(id),
    });
  }

  /** Reads the endpoints; before anything is dispatched. */
  async start(): Promise<void> {
    const { dispatcher, holds, ...same } = this.#options;
    const { committer, lanes } = dispatcher();
    await this.directory.start();
    this.#endpoints = new Endpoints({
      ...same,
      directory: this.directory,
      egress: this.egress,
      vault: this.#vault,
      perTenantMax: this.#options.settings.endpointsPerTenantMax,
      committer,
      lanes,
      pausedBy: (id) => holds().pauseOf(id)?.by ?? null,
      forgotten: (id) => holds().forget(id),
      disabled: ({ id, tenant, url, reason }) =>
        dispatcher().report({ type: 'endpoint.disabled', body: { endpoint: id, tenant, url, reason }, about: null }),
    });
    await this.#endpoints.start();
  }

  async stop(): Promise<void> {
    this.#endpoints?.stop();
    this.directory.stop();
    await this.egress.close();
  }

  /** What endpoints of the config are made with. */
  forConfig(): { readonly egress: Egress; readonly gone: (destination: string, answer: GoneAnswer) => void } {
    return { egress: this.egress, gone: (destination, answer) => void this.#gone(destination, answer) };
  }

  /** Why an endpoint takes nothing for now. */
  disabledReason(id: string): string | null {
    return this.directory.entry(id)?.stored.disabled?.reason ?? null;
  }

  /** What the admin API asks of endpoints. */
  port(): EndpointsPort {
    const endpoints = (): Endpoints => {
      if (this.#endpoints === null) throw new HoldfastError('not_started');
      return this.#endpoints;
    };
    return {
      list: async ({ tenant, after, limit }) => {
        const all = endpoints().list();
        const rows = all.filter((row) => row.id > after && (tenant === null || row.tenant === tenant));
        const page = rows.slice(0, limit);
        return { rows: page, cursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
      },
      get: async (id) => endpoints().get(id),
      create: async (input, secret) => endpoints().create(input, secret),
      update: async (id, change, version) => endpoints().update(id, change, version),
      setState: async (id, state, by) => this.#setState(endpoints(), { id, state, by }),
      rotate: async (id, options) => endpoints().rotate(id, options),
      remove: async (id) => endpoints().remove(id),
      test: async (id, by) => this.#test(endpoints().get(id), by),
    };
  }

  async #setState(
    endpoints: Endpoints,
    { id, state, by }: { readonly id: string; readonly state: EndpointView['state']; readonly by: string },
  ): Promise<EndpointView> {
    const holds = this.#options.holds();
    const before = endpoints.get(id).state;
    if (before === state && (state !== 'paused' || holds.isPausedItself(id))) return endpoints.get(id);
    // Paused before it is enabled: in between nothing of what was held may go.
    if (state === 'paused') await holds.pause(id, by);
    if (state === 'disabled') await endpoints.disable(id, { reason: `by ${by}`, by });
    else if (before === 'disabled') await endpoints.enable(id);
    if (state === 'active' && holds.isPausedItself(id)) await holds.resume(id, by);
    return endpoints.get(id);
  }

  /** An event for just this endpoint. */
  async #test({ id, tenant }: EndpointView, by: string): Promise<string> {
    const { clock, ids, dispatcher } = this.#options;
    const report = { type: 'endpoint.test', body: { endpoint: id, by }, about: null } as const;
    const event = { ...operationalEvent(report, { ids, clock }), tenant };
    const { intake } = dispatcher();
    const answer = await dispatcher().append({
      events: [{ event, dedupeWindowMs: 0, deliveries: intake.only(id, event) }],
    });
    if (answer.status === 'refused') throw new HoldfastError('invalid_input', { detail: answer.reason });
    return event.id;
  }

  async #gone(destination: string, { why, url }: GoneAnswer): Promise<void> {
    const { observer, holds } = this.#options;
    try {
      if (this.directory.entry(destination) !== null)
        await this.#endpoints?.disable(destination, { reason: why, by: BY_ANSWER, whileAt: url });
      else await holds().pause(destination, `${BY_ANSWER}: ${why}`);
    } catch (error) {
      observer.note('error', 'could not disable an endpoint that is gone', { destination, error: String(error) });
    }
  }
}

function egressOf(settings: Settings, clock: Clock): Egress {
  const { egressAllow: allow, egressHttp: http, egressProxy } = settings;
  return createEgress({ clock, allow, http, ...(egressProxy === null ? {} : { proxy: { url: egressProxy } }) });
}
