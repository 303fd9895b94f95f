/** Connecting, making what is not there yet, and reading back what an acknowledgement of this database means. */
import { type Db, type Document, MongoClient, type MongoClientOptions, MongoError, type WriteConcern } from 'mongodb';
import { HoldfastError } from '../../errors.ts';
import type { Clock } from '../../core/clock.ts';
import { clockAhead } from '../fitness.ts';
import type { StoreReport } from '../store.ts';
import { isDuplicateKey } from './apply.ts';
import { collectionsOf, createCollections } from './collections.ts';
import { asking } from './failure.ts';
import { lackingRights, privilegesOf } from './rights.ts';

/** The format of the database that this version writes, and up to which it reads. */
const FORMAT = 1;

/** Names the database, where the URL does not. */
const DATABASE = 'holdfast';

/** What goes on longer than this has failed: a driver never waits without a limit. */
const CONNECT_MS_MAX = 5_000;
/** A server that comes back is seen by the next look at it: the client's own default is 10 s. */
const HEARTBEAT_MS = 1_000;
const SOCKET_MS_MAX = 30_000;
const WRITE_CONCERN_MS_MAX = 20_000;

/**
 * A connection to the database that the URL names. What the URL says of settings is so; else they are the strongest.
 * @throws HoldfastError config_invalid, in the words of the client, which are never about a password
 */
export function connect(url: string): { readonly client: MongoClient; readonly db: Db } {
  try {
    return connected(url);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const detail = `store: ${why}. Expected mongodb://USER:PASSWORD@HOST:PORT/DATABASE, percent-encoded.`;
    throw new HoldfastError('config_invalid', { detail, cause });
  }
}

function connected(url: string): { readonly client: MongoClient; readonly db: Db } {
  const named = new Set([...new URLSearchParams(url.split('?')[1] ?? '').keys()].map((name) => name.toLowerCase()));
  const unnamed = Object.entries(defaults).filter(([name]) => !named.has(name.toLowerCase()));
  // A write that got no answer is found out about by its position in the log.
  const client = new MongoClient(url, { ...Object.fromEntries(unnamed), appName: 'holdfast', retryWrites: false });
  const name = new URL(url.replace(/^mongodb(\+srv)?:\/\/[^/?]*/, 'mongodb://host')).pathname.slice(1);
  return { client, db: client.db(name === '' ? DATABASE : decodeURIComponent(name)) };
}

const defaults: MongoClientOptions = {
  w: 'majority',
  journal: true,
  wtimeoutMS: WRITE_CONCERN_MS_MAX,
  readPreference: 'primary',
  connectTimeoutMS: CONNECT_MS_MAX,
  serverSelectionTimeoutMS: CONNECT_MS_MAX,
  heartbeatFrequencyMS: HEARTBEAT_MS,
  socketTimeoutMS: SOCKET_MS_MAX,
};

/**
 * Makes the collections, the indexes and the state, where they are missing. Answers the format there is then.
 * @throws HoldfastError store_format when a newer version has written this database
 */
export async function prepare(db: Db): Promise<number> {
  await asking(async () => {
    const { state } = collectionsOf(db);
    const known = await state.findOne({ _id: 'state' });
    if (known !== null && known.format > FORMAT) {
      const detail = `It has format ${known.format}; this version reads up to ${FORMAT}.`;
      throw new HoldfastError('store_format', { detail });
    }
    // The state comes last: where it is, all else is.
    if (known !== null) return;
    await createCollections(db);
    // Two processes may open an empty database at once: one of them makes the state.
    const empty = { _id: 'state', format: FORMAT, applied: 0, seq: 0, events: 0 } as const;
    await state.insertOne(empty).catch(unlessThere);
  });
  return FORMAT;
}

function unlessThere(error: unknown): void {
  if (!isDuplicateKey(error)) throw error;
}

/** What a server says of itself. */
interface Server {
  readonly version: string;
  readonly product: 'mongodb' | 'ferretdb';
  readonly setName: string | null;
  /** Members that hold data. */
  readonly members: number;
  readonly isRouter: boolean;
  readonly journal: boolean | null;
  readonly storage: string | null;
  readonly majorityJournals: boolean | null;
  readonly clockAheadMs: number | null;
}

/** What a commit survives and what the user may do, by what the server says. Changes nothing. */
export async function readReport(db: Db, clock: Clock): Promise<StoreReport> {
  const server = await readServer(db, clock);
  const concern = db.writeConcern;
  const weakness = weaknessOf(server, concern);
  const lacking = lackingRights(db.databaseName, await privilegesOf(db));
  const known = lacking.length > 0 ? null : await asking(() => collectionsOf(db).state.findOne({ _id: 'state' }));
  const copies = weakness === null ? Math.floor(server.members / 2) + 1 : 1;
  return {
    driver: 'mongodb',
    ackMeaning: meaningOf(weakness, copies),
    durability: weakness === null ? 'power-cut' : 'process-crash',
    copies,
    version: `${server.product} ${server.version}`,
    weaker: weakness === null ? [] : [weakness],
    lacking,
    clockAheadMs: server.clockAheadMs,
    settings: {
      topology: server.isRouter ? 'sharded cluster' : (server.setName ?? 'standalone'),
      members: server.members,
      w: String(concern?.w ?? 'default'),
      journal: String(concern?.journal ?? 'default'),
      ...(server.storage !== null && { storageEngine: server.storage }),
      ...(server.majorityJournals !== null && { writeConcernMajorityJournalDefault: String(server.majorityJournals) }),
    },
    unclean: false,
    shared: true,
    format: known?.format ?? 0,
  };
}

async function readServer(db: Db, clock: Clock): Promise<Server> {
  const before = clock.now();
  const hello = await asking(() => db.command({ hello: 1 }));
  const after = clock.now();
  const localTime: unknown = hello['localTime'];
  const build = await asking(() => db.command({ buildInfo: 1 }));
  const admin = db.admin();
  const status = await perhaps(() => admin.serverStatus());
  const options = await perhaps(() => admin.command({ getCmdLineOpts: 1 }));
  const replicas = await perhaps(() => admin.command({ replSetGetConfig: 1 }));
  const hosts = [...list(hello['hosts']), ...list(hello['passives'])];
  return {
    version: String(build['ferretdbVersion'] ?? build['version']),
    product: build['ferretdbVersion'] === undefined && build['ferretdb'] === undefined ? 'mongodb' : 'ferretdb',
    setName: typeof hello['setName'] === 'string' ? hello['setName'] : null,
    members: Math.max(1, hosts.length),
    isRouter: hello['msg'] === 'isdbgrid',
    journal: asBoolean(at(options, 'parsed', 'storage', 'journal', 'enabled')),
    storage: asText(at(status, 'storageEngine', 'name')),
    majorityJournals: asBoolean(at(replicas, 'config', 'writeConcernMajorityJournalDefault')),
    clockAheadMs: localTime instanceof Date ? clockAhead({ before, after, server: localTime.getTime() }) : null,
  };
}

/** Why an acknowledged commit may be lost; `null`: it survives a power cut. */
function weaknessOf(server: Server, concern: WriteConcern | undefined): string | null {
  const { w, journal } = concern ?? {};
  if (server.product === 'ferretdb') return 'The server is FerretDB, which does not say when it writes to the disk.';
  if (server.storage === 'inMemory' || server.storage === 'ephemeralForTest')
    return `The storage engine is ${server.storage}.`;
  if (server.journal === false) return 'The server runs without a journal.';
  if (journal !== true) return 'journal is not true in the URL: commits are acknowledged before they are on disk.';
  if (w === 'majority') return null;
  if (server.setName === null && !server.isRouter && typeof w === 'number' && w >= 1) return null;
  if (typeof w === 'number' && w > server.members / 2 && !server.isRouter) return null;
  return `w is ${String(w)} in the URL: a commit that only a minority has is lost when the primary changes.`;
}

function meaningOf(weakness: string | null, copies: number): string {
  if (weakness !== null) return `The event is committed to MongoDB, but it may be lost: ${weakness}`;
  if (copies > 1)
    return `The event is in the journal of ${copies} members of the replica set: it survives a power cut and the loss of the primary.`;
  return 'The event is in the journal of the one MongoDB server: it survives a power cut, not the loss of its disk.';
}

/** Asks what not every user may ask and not every server knows. */
async function perhaps(ask: () => Promise<Document>): Promise<Document | null> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof MongoError) return null;
    throw error;
  }
}

function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, name) => (isRecord(inner) ? inner[name] : undefined), value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function asBoolean(value: unknown): boolean | null {
  return typeof value === 'boolean' ? value : null;
}

function asText(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
