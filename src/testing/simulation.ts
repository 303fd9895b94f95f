/** What `holdfast simulate` sends, for load tests in code: the same payloads, signed the same way. */
import { randomBytes } from 'node:crypto';
import { makerOf, togetherCount } from '../cli/simulate/plan.ts';
import { HoldfastError } from '../errors.ts';
import { resolveSource } from '../ingest/source.ts';
import { findProvider } from '../verify/catalog.ts';
import type { ProviderSettings } from '../verify/provider.ts';
import { trialSettings } from '../verify/trial.ts';
import type { UnsignedRequest, Verifier } from '../verify/verifier.ts';

/** What to simulate of a provider. */
export interface SimulationOptions {
  /** The provider's settings, its secret among them. Default: new ones, found in `settings` of the simulation. */
  readonly settings?: ProviderSettings;
  /** Event type. Default: the provider's mix. */
  readonly type?: string;
  /** What the provider sends at once about one user, over and over: of ROOK eleven documents. Default `false`. */
  readonly together?: boolean;
  /** Path of the source. Default `/in/` and the provider's key. */
  readonly path?: string;
  /** The URL entered at the provider, for schemes that sign it. Default `http://127.0.0.1`. */
  readonly publicUrl?: string;
  /** Text that no other run has; the same text gives the same ids and values again. Default: random. */
  readonly run?: string;
  /** Milliseconds since 1970: when what is told happened. Default: the system's clock. */
  readonly now?: () => number;
}

/** Requests of one provider, endlessly many; give it to `sendLoad`. */
export interface Simulation {
  /** Signs and verifies with `settings`. */
  readonly verifier: Verifier;
  /** What a gateway is configured with to take the requests: its secret, or the public half of a new key pair. */
  readonly settings: ProviderSettings;
  /** How many requests belong together; 1 where each is on its own. */
  readonly burst: number;
  /** Request number `index`, from 0, not signed yet: `signRequest(verifier, request, now)` signs it. */
  readonly make: (index: number) => UnsignedRequest;
}

/**
 * Requests as a provider sends them: its headers and bodies, ids of their own, in the order of its mix.
 *
 * @example await sendLoad({ origin, count: 10_000, ratePerS: 500, ...simulation('stripe', { settings: { secrets } }) })
 * @param key of the provider: `stripe`, `rook`, …
 * @throws HoldfastError `config_invalid` when there is no such provider, it sends nothing together, or a setting is wrong
 */
export function simulation(key: string, options: SimulationOptions = {}): Simulation {
  const provider = findProvider(key);
  if (provider === undefined) throw new HoldfastError('config_invalid', { detail: `There is no provider '${key}'.` });
  const publicUrl = options.publicUrl ?? 'http://127.0.0.1';
  const settings = { publicUrl, ...(options.settings ?? trialSettings(key, publicUrl)) };
  const source = resolveSource(key, provider.make(settings), { environment: () => undefined });
  const together = options.together === true;
  const burst = together ? togetherCount(source) : 1;
  if (burst === null) {
    throw new HoldfastError('config_invalid', { detail: `Nothing is known that ${key} sends at once.` });
  }
  const make = makerOf({
    source,
    ...(options.path !== undefined && { path: options.path }),
    type: together ? null : (options.type ?? null),
    payload: null,
    together,
    headers: [],
    run: options.run ?? randomBytes(6).toString('hex'),
    now: options.now ?? Date.now,
  });
  return { verifier: source.verifier, settings, burst, make };
}
