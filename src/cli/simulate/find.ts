/** As whom `simulate` signs: a source of the config with its own secret, or a provider with a given one. */
import { didYouMean } from '../../core/suggest.ts';
import { HoldfastError } from '../../errors.ts';
import { type Environment, resolveSource, type Source, type SourceConfig } from '../../ingest/source.ts';
import type { Provider, ProviderSettings } from '../../verify/provider.ts';
import type { Verifier } from '../../verify/verifier.ts';
import type { Surroundings } from '../command.ts';
import { UsageError } from '../exit.ts';
import { overlay, type Setup } from '../locate.ts';
import { plain } from '../output.ts';
import { setupEnvironment } from '../playground.ts';
import { type Pair, pairFor, type TrialPair } from './pair.ts';

/** Whom to sign as. */
export interface Wanted {
  readonly name: string;
  readonly secret: string | undefined;
  /** Where the provider would call, for schemes that sign it. */
  readonly publicUrl: string | undefined;
  /** Where the key pair of a provider that signs with one is kept; `null`: nowhere. */
  readonly keyFile: string | null;
}

export interface Found {
  readonly source: Source;
  /** The pair it signs with, where the provider has one and its private half is not configured. */
  readonly trial: { readonly provider: Provider; readonly pair: TrialPair } | null;
}

/** The source of the config by this name, else the provider. @throws UsageError, HoldfastError secret_missing */
export async function findSource(surroundings: Surroundings, setup: Setup, wanted: Wanted): Promise<Found> {
  const environment = setupEnvironment(setup, surroundings.environment);
  const { name, secret } = wanted;
  const { sources } = setup.config;
  const configured = Object.hasOwn(sources, name) ? sources[name] : undefined;
  if (configured !== undefined && secret !== undefined) {
    throw new UsageError(
      `--secret is for a provider without a source: '${plain(name)}' is in the config, with its own.`,
    );
  }
  if (configured !== undefined) return configuredSource(configured, wanted, environment);
  const { findProvider, providers } = await import('../../verify/catalog.ts');
  const provider = findProvider(name);
  if (provider === undefined) {
    const names = Object.keys(sources);
    const hint = didYouMean(name, [...names, ...providers.map(({ key }) => key)]);
    throw new UsageError(
      `There is no source '${plain(name)}', nor a provider.${hint} Sources: ${names.join(', ') || 'none'}.`,
    );
  }
  const { signsWithPair } = await import('../../verify/trial.ts');
  const trial = signsWithPair(name) ? pairFor(provider, wanted.keyFile) : null;
  const source = resolveSource(name, providerVerifier(provider, wanted, trial?.pair ?? null), { environment });
  return { source, trial: trial === null ? null : { provider, pair: trial } };
}

/** Settings that hold what a provider and its receiver share, the likeliest first. */
const SHARED_SETTINGS = [
  'secrets',
  'tokens',
  'credentials',
  'primaryKeys',
  'verifyToken',
  'webhookId',
  'topics',
] as const satisfies readonly (keyof ProviderSettings)[];

/** The setting a secret from the command line is for; `null` where the provider has none. */
function sharedSetting({ variables }: Provider): (typeof SHARED_SETTINGS)[number] | null {
  return SHARED_SETTINGS.find((setting) => setting in variables) ?? null;
}

function providerVerifier(provider: Provider, { secret, publicUrl }: Wanted, pair: Pair | null): Verifier {
  const setting = sharedSetting(provider);
  if (secret !== undefined && setting === null) {
    throw new UsageError(`${provider.key} has no shared secret but a key pair: name a file for one with --key-file.`);
  }
  return provider.make({
    ...(secret !== undefined && setting !== null && { [setting]: secret }),
    ...(publicUrl !== undefined && provider.signsUrl === true && { publicUrl }),
    ...pairSettings(pair),
  });
}

function pairSettings(pair: Pair | null): Pick<ProviderSettings, 'publicKeys' | 'privateKeys' | 'certificates'> {
  if (pair === null) return {};
  const { publicKeys, certificates, privateKeys } = pair;
  return {
    privateKeys,
    ...(publicKeys !== undefined && { publicKeys }),
    ...(certificates !== undefined && { certificates }),
  };
}

/** The source, able to sign: with its own secret, or with a pair of ours where its provider alone could. */
async function configuredSource(
  config: SourceConfig | Verifier,
  wanted: Wanted,
  environment: Environment,
): Promise<Found> {
  const { name } = wanted;
  const declared = typeof config.verify === 'function' ? (config as Verifier) : (config as SourceConfig).verify;
  const [{ findProvider }, { signsWithPair }] = await Promise.all([
    import('../../verify/catalog.ts'),
    import('../../verify/trial.ts'),
  ]);
  const provider = signsWithPair(declared.name) ? findProvider(declared.name) : undefined;
  const known = provider === undefined ? resolveSource(name, config, { environment }) : resolveIfKnown();
  if (known !== null && (known.verifier.sign !== undefined || !known.verifier.proves))
    return { source: known, trial: null };
  if (provider === undefined) {
    throw new HoldfastError('config_invalid', {
      detail: `${declared.name} of '${name}' cannot sign: it has no private key.`,
    });
  }
  const pair = pairFor(provider, wanted.keyFile);
  // The source needs a public key to be made, and none is known yet where the pair is to be configured first.
  const variable = provider.variables.publicKeys ?? '';
  const source =
    known ?? resolveSource(name, config, { environment: overlay(environment, { [variable]: pair.pair.publicKeys }) });
  // A topic or a webhook id, where the provider has one, is read from its variable.
  const trial = provider.make(pairSettings(pair.pair));
  const signer = trial.bind?.(environment) ?? trial;
  const verify: Verifier['verify'] = (request, now) => source.verifier.verify(request, now);
  return { source: { ...source, verifier: { ...signer, verify } }, trial: { provider, pair } };

  function resolveIfKnown(): Source | null {
    try {
      return resolveSource(name, config, { environment });
    } catch (error) {
      if (error instanceof HoldfastError && error.code === 'secret_missing') return null;
      throw error;
    }
  }
}
