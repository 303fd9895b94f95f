/**
 * Key pairs for providers that sign with one. Nobody but the provider has its private key, so `simulate` signs with a
 * pair of its own, and says how a gateway is told to take it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { Provider } from '../../verify/provider.ts';
import { trialSettings } from '../../verify/trial.ts';
import { UsageError } from '../exit.ts';

const keyFile = z.object({
  provider: z.string(),
  publicKeys: z.string().optional(),
  certificates: z.record(z.string(), z.string()).optional(),
  privateKeys: z.string(),
});

/** Both halves, as the settings of a provider. */
export type Pair = z.infer<typeof keyFile>;

export interface TrialPair {
  readonly pair: Pair;
  /** Where it is kept; `null`: nowhere, the next run has another. */
  readonly file: string | null;
}

/** The pair of a file, made and written there where the file is missing; without a file a new one. */
export function pairFor(provider: Provider, file: string | null): TrialPair {
  const text = file === null ? null : readIfThere(file);
  if (text !== null) return { pair: parsePair(provider, file ?? '', text), file };
  const { publicKeys, certificates, privateKeys } = trialSettings(provider.key, '');
  const pair = keyFile.parse({ provider: provider.key, publicKeys, certificates, privateKeys });
  if (file !== null) writeFileSync(file, `${JSON.stringify(pair, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  return { pair, file };
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw new UsageError(`--key-file: ${file} cannot be read (${code ?? 'unknown error'}).`);
  }
}

function parsePair({ key }: Provider, file: string, text: string): Pair {
  try {
    const pair = keyFile.parse(JSON.parse(text));
    if (pair.provider === key) return pair;
  } catch {
    // Said below, without what the file holds.
  }
  throw new UsageError(`--key-file: ${file} holds no key pair for ${key}. Name another file, and one is made there.`);
}

/** What a person is told: the public half, where it goes, and what to beware of. */
export function explainPair(provider: Provider, { pair, file }: TrialPair): readonly string[] {
  const kept =
    file === null
      ? 'Another run has another pair; with --key-file FILE it is kept.'
      : `The pair is kept in ${file}: its private half signs whatever a gateway that takes it accepts.`;
  return [
    `${provider.title} signs with a key pair whose private half nobody else has: this run signs with one of its own.`,
    ...whereToPut(provider, pair),
    `${kept} Never configure it where real webhooks arrive.`,
  ];
}

function whereToPut(provider: Provider, { publicKeys, certificates = {} }: Pair): readonly string[] {
  const variable = provider.variables.publicKeys;
  if (publicKeys !== undefined && variable !== undefined) {
    return [
      `Public half: ${publicKeys}`,
      `The gateway takes it from ${variable}, after a comma beside the provider's own, or from ${provider.factory}({ publicKeys: '…' }).`,
    ];
  }
  return Object.entries(certificates).flatMap(([url, pem]) => [
    'Public half:',
    pem.trimEnd(),
    `The gateway takes it as the certificate of its URL: ${provider.factory}({ certificates: { '${url}': \`…\` } }).`,
  ]);
}
