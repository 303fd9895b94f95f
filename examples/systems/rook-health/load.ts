/**
 * Sends bursts as ROOK does: eleven documents at once for each user, signed.
 *
 *   node --conditions=holdfast-source examples/systems/rook-health/load.ts [USERS] [ORIGIN …]
 *
 * USERS defaults to 200; with several origins the bursts go to them by turns. BURSTS_PER_S=2 spreads the bursts; without it
 * all come as fast as answers do.
 */
import { type LoadReport, sendLoad, type Simulation, simulation } from 'holdfast/testing';
import { setting } from './config.ts';

const PATH = '/api/webhooks/rook/health-data';
/** Of an origin: ten users at once. */
const CONNECTIONS = 110;

/** What ROOK sends, of one user after the other. @param run The same text makes the same users and documents again. */
export function bursts(secrets: string, run = String(Date.now())): Simulation {
  const now = Date.now();
  return simulation('rook', { settings: { secrets }, together: true, path: PATH, run, now: () => now });
}

/** The users of the first so many bursts. */
export function usersOf({ make, burst }: Simulation, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => {
    const { user_id: user } = JSON.parse(Buffer.from(make(index * burst).body).toString()) as { user_id: string };
    return user;
  });
}

export interface Burst {
  readonly simulation: Simulation;
  readonly origins: readonly string[];
  readonly users: number;
  /** Bursts begun per second; `null`: as fast as answers come. */
  readonly perS: number | null;
  /** Called with each answer; `index` is that of the document. */
  readonly answered?: (index: number, status: number) => void;
}

/** Each user's documents go to one origin, the users to the origins by turns. Reports by origin. */
export function sendBursts({ simulation: rook, origins, users, perS, answered }: Burst): Promise<LoadReport[]> {
  const { burst, verifier, make } = rook;
  const sending = origins.map((origin, turn) => {
    const count = Math.ceil((users - turn) / origins.length);
    const indexOf = (index: number): number =>
      (Math.floor(index / burst) * origins.length + turn) * burst + (index % burst);
    return sendLoad({
      origin,
      verifier,
      count: count * burst,
      concurrency: CONNECTIONS,
      burst,
      ratePerS: perS === null ? null : (perS * burst) / origins.length,
      make: (index) => make(indexOf(index)),
      answered: (index, { status }) => answered?.(indexOf(index), status),
    });
  });
  return Promise.all(sending);
}

async function main(count: string | undefined, ...given: readonly string[]): Promise<void> {
  const origins = given.length === 0 ? ['http://127.0.0.1:8440'] : given;
  const rook = bursts(setting('ROOK_SECRET_HASH_KEY'));
  const users = usersOf(rook, Number(count ?? 200));
  const headers = { 'content-type': 'application/json' };
  for (const externalId of users) {
    await fetch(`${origins[0]}/api/users`, { method: 'POST', headers, body: JSON.stringify({ externalId }) });
  }
  const { BURSTS_PER_S: perS } = process.env;
  const reports = await sendBursts({
    simulation: rook,
    origins,
    users: users.length,
    perS: perS === undefined ? null : Number(perS),
  });
  for (const { statuses, errors, perS: rate, latencyMs } of reports) console.log({ statuses, errors, rate, latencyMs });
  console.log(`${origins[0]}/api/users/${users[0]}/wearables`);
}

if (import.meta.main) await main(...(process.argv.slice(2) as [string?, ...string[]]));
