/** As whom `simulate` signs: a source of the config with its own secret, or a provider with a given one. */
import { didYouMean } from '../../core/suggest.ts';
import { HoldfastError } from '../../errors.ts';
import { resolveSource, type Source } from '../../ingest/source.ts';
import type { Provider, ProviderSettings } from '../../verify/provider.ts';
import type { Surroundings } from '../command.ts';
import { UsageError } from '../exit.ts';
import type { Setup } from '../locate.ts';
import { plain } from '../output.ts';
import { setupEnvironment } from '../playground.ts';

/** Whom to sign as. */
interface Wanted {
  readonly name: string;
  readonly secret: string | undefined;
  /** Where the provider would call, for schemes that sign it. */
  readonly publicUrl: string | undefined;
}

/** The source of the config by this name, else the provider. @throws UsageError, HoldfastError secret_missing */
export async function findSource(
  { environment }: Surroundings,
  setup: Setup,
  { name, secret, publicUrl }: Wanted,
): Promise<Source> {
  const { sources } = setup.config;
  const configured = Object.hasOwn(sources, name) ? sources[name] : undefined;
  if (configured !== undefined && secret === undefined) {
    return signing(resolveSource(name, configured, setupEnvironment(setup, environment)));
  }
  if (configured !== undefined) {
    throw new UsageError(
      `--secret is for a provider without a source: '${plain(name)}' is in the config, with its own.`,
    );
  }
  const { findProvider, providers } = await import('../../verify/catalog.ts');
  const provider = findProvider(name);
  if (provider === undefined) {
    const names = Object.keys(sources);
    const hint = didYouMean(name, [...names, ...providers.map(({ key }) => key)]);
    throw new UsageError(
      `There is no source '${plain(name)}', nor a provider.${hint} Sources: ${names.join(', ') || 'none'}.`,
    );
  }
  const verifier = provider.make({
    ...(secret !== undefined && { [secretSetting(provider)]: secret }),
    ...(publicUrl !== undefined && provider.signsUrl === true && { publicUrl }),
  });
  return signing(resolveSource(name, verifier, environment));
}

/** Settings that hold what a request is signed with, the likeliest first. */
const SECRET_SETTINGS = ['secrets', 'tokens', 'credentials', 'primaryKeys', 'verifyToken'] as const;

function secretSetting({ variables }: Provider): keyof ProviderSettings {
  return SECRET_SETTINGS.find((setting) => setting in variables) ?? 'privateKeys';
}

function signing(source: Source): Source {
  const { name, verifier } = source;
  if (verifier.sign !== undefined || !verifier.proves) return source;
  throw new HoldfastError('config_invalid', {
    detail: `${verifier.name} of '${name}' cannot sign: it has no private key.`,
  });
}
