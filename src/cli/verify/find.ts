/** By what `holdfast verify` judges: a source of the config, or a provider with the settings of the command line. */
import { HoldfastError } from '../../errors.ts';
import { didYouMean } from '../../core/suggest.ts';
import { type Environment, resolveSource } from '../../ingest/source.ts';
import { findProvider, providers } from '../../verify/catalog.ts';
import type { Provider, ProviderSettings } from '../../verify/provider.ts';
import type { Verifier, VerifyRequest } from '../../verify/verifier.ts';
import { UsageError } from '../exit.ts';
import type { Setup } from '../locate.ts';
import { plain } from '../output.ts';
import { setupEnvironment } from '../playground.ts';

/** What the command line says of the receiver. */
export interface Given {
  readonly name: string;
  readonly secrets: readonly string[];
  /** As entered at the provider. */
  readonly url: string | undefined;
  /** PEM, instead of what would be fetched. */
  readonly certificate: string | undefined;
  readonly request: VerifyRequest;
}

export interface Judge {
  readonly verifier: Verifier;
  /** Texts that are never shown, wherever they turn up. */
  readonly hidden: readonly string[];
  /** The same receiver, configured otherwise, to find out what would have verified; `null` where that cannot be made. */
  readonly otherwise: ((change: Partial<Pick<Given, 'secrets' | 'url'>>) => Verifier | null) | null;
}

/** @throws UsageError, HoldfastError secret_missing, config_invalid */
export function findJudge(setup: Setup, outer: Environment, given: Given): Judge {
  const environment = setupEnvironment(setup, outer);
  const { sources } = setup.config;
  const configured = Object.hasOwn(sources, given.name) ? sources[given.name] : undefined;
  if (configured !== undefined && given.secrets.length === 0) {
    const { verifier } = resolveSource(given.name, configured, { environment });
    return { verifier, otherwise: null, hidden: [] };
  }
  const provider = findProvider(given.name);
  if (provider === undefined) {
    const names = Object.keys(sources);
    const hint = didYouMean(given.name, [...names, ...providers.map(({ key }) => key)]);
    throw new UsageError(`There is no provider '${plain(given.name)}', nor a source.${hint}`);
  }
  const make = (settings: Given): Verifier => {
    const verifier = provider.make(settingsOf(provider, settings));
    return verifier.bind?.(environment) ?? verifier;
  };
  return {
    verifier: make(given),
    hidden: [...given.secrets, ...secretsIn(provider, environment)],
    otherwise(change) {
      try {
        return make({ ...given, ...change });
      } catch (error) {
        if (error instanceof HoldfastError) return null;
        throw error;
      }
    },
  };
}

/** What the provider's variables hold. */
function secretsIn({ variables }: Provider, environment: Environment): readonly string[] {
  const values = Object.values(variables).flatMap((name) => environment(name)?.split(',') ?? []);
  return values.map((value) => value.trim()).filter((value) => value !== '');
}

/** Settings that a receiver verifies with, the likeliest first. */
const SETTINGS = [
  'secrets',
  'publicKeys',
  'tokens',
  'credentials',
  'primaryKeys',
  'webhookId',
  'topics',
] as const satisfies readonly (keyof ProviderSettings)[];

function settingsOf(provider: Provider, { secrets, url, certificate, request }: Given): ProviderSettings {
  const setting = SETTINGS.find((name) => name in provider.variables) ?? 'secrets';
  const certificates =
    certificate === undefined ? null : Object.fromEntries(namedIn(request).map((at) => [at, certificate]));
  return {
    ...(secrets.length > 0 && { [settingFor(provider, setting, secrets)]: secrets }),
    ...(url !== undefined && { publicUrl: url }),
    ...(certificates !== null && { certificates }),
  };
}

/** A public key of Standard Webhooks is told from a secret by its prefix. */
function settingFor({ variables }: Provider, setting: keyof ProviderSettings, [first = '']: readonly string[]) {
  return 'publicKeys' in variables && first.startsWith('whpk_') ? 'publicKeys' : setting;
}

/** Where a request says its certificate is: a header of PayPal, a field of SNS. */
function namedIn({ headers, body }: VerifyRequest): readonly string[] {
  const at = headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'paypal-cert-url');
  const field = /"SigningCertU(?:RL|rl)"\s*:\s*"([^"\\]+)"/.exec(Buffer.from(body).toString('latin1'))?.[1];
  return [headers[at + 1], field].filter((text) => text !== undefined);
}
