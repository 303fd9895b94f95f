/** Gets a client of the gateway a command is about or, for commands that only read, of its store. */
import { existsSync } from 'node:fs';
import { HoldfastError } from '../errors.ts';
import { Client, httpSend } from './client.ts';
import type { Surroundings } from './command.ts';
import { type Address, type AddressOptions, findAddress, findSetup, type Setup } from './locate.ts';

export interface ConnectOptions extends AddressOptions {
  readonly config?: string | undefined;
}

/** What a command works with. */
export interface Connection {
  readonly client: Client;
  readonly setup: Setup;
  /** `null`: no gateway runs, and the store was opened instead. */
  readonly address: Address | null;
}

interface Asking extends Surroundings {
  readonly options: ConnectOptions;
}

/**
 * Calls `use` with a running gateway.
 * @throws HoldfastError gateway_unreachable when none runs
 */
export async function withGateway<Answer>(
  invocation: Asking,
  use: (connection: Connection) => Promise<Answer>,
): Promise<Answer> {
  const setup = await findSetup(invocation, invocation.options.config);
  const address = findAddress(setup, invocation, invocation.options);
  if (address === null) throw notRunning(setup);
  return use({ client: new Client(httpSend(address.adminUrl), address.token), setup, address });
}

/** Calls `use` with a running gateway, else with the store itself, which it opens and closes again. */
export async function withReader<Answer>(
  invocation: Asking,
  use: (connection: Connection) => Promise<Answer>,
): Promise<Answer> {
  const setup = await findSetup(invocation, invocation.options.config);
  const address = findAddress(setup, invocation, invocation.options);
  if (address !== null) {
    const client = new Client(httpSend(address.adminUrl), address.token);
    if (isGiven(invocation) || (await answers(client))) return use({ client, setup, address });
  }
  if (setup.storePath === null || !existsSync(setup.storePath)) throw notRunning(setup, address);
  // Loaded when it is needed: with it comes the store.
  const { openOffline } = await import('./offline.ts');
  await using offline = await openOffline(setup).catch((error: unknown) => {
    throw isOwned(error) ? notAnswering(setup.storePath ?? '', error) : error;
  });
  invocation.out.note(invocation.out.paintNote('dim', `No gateway runs here: reading ${setup.storePath} itself.`));
  return await use({ client: offline.client, setup, address: null });
}

function isGiven({ options, environment }: Asking): boolean {
  return options.url !== undefined || (environment('HOLDFAST_URL') ?? '') !== '';
}

/** Whether a gateway is where one was: after a crash its process id may be another program's. */
async function answers(client: Client): Promise<boolean> {
  try {
    await client.get('/health');
    return true;
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'gateway_unreachable') return false;
    throw error;
  }
}

function isOwned(error: unknown): boolean {
  return error instanceof HoldfastError && error.code === 'store_owned';
}

/** Where it is, a gateway says when it listens, and no more when it begins to stop. */
function notAnswering(storePath: string, cause: unknown): HoldfastError {
  const detail = `A process has ${storePath}, and listens nowhere: it starts, stops, or is mounted in an application.`;
  return new HoldfastError('gateway_unreachable', { detail, cause });
}

function notRunning({ storePath }: Setup, address: Address | null = null): HoldfastError {
  const where = storePath === null ? '' : ` None owns ${storePath}.`;
  const detail = address === null ? `No gateway runs here.${where}` : `${address.adminUrl}.${where}`;
  return new HoldfastError('gateway_unreachable', { detail });
}
