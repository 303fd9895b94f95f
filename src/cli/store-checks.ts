/** What `doctor` looks at in the store: what it is, what a commit survives, what its user may do, and the clocks. */
import { randomFillSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { redactedSettings } from '../config.ts';
import { formatDuration } from '../core/duration.ts';
import { IdMaker } from '../core/id.ts';
import { systemClock } from '../gateway/clock.ts';
import { makeStore } from '../gateway/stores.ts';
import type { StoreReport } from '../store/store.ts';
import { Client, httpSend } from './client.ts';
import { failed, type Finding, placeFinding } from './finding.ts';
import { findToken, runningGateway, type Setup } from './locate.ts';

/** Further ahead or behind than this, times that people compare with the server's are off. */
const APART_MS_MAX = 1_000;
/** The oldest time that can be right: this was written after it. */
const WRITTEN_AT = Date.UTC(2026, 0, 1);
const AHEAD_MS_MAX = 5_000;

/** Whatever store the settings name. */
export async function checkStore(setup: Setup): Promise<readonly Finding[]> {
  try {
    if (setup.storePath !== null) return await embeddedFindings(setup, setup.storePath);
    return setup.settings.store === 'memory:' ? [memoryFinding()] : await sharedFindings(setup);
  } catch (error) {
    return [failed('store', error)];
  }
}

/** An embedded store, from the gateway that owns it or by opening it; and the clock against its newest event. */
async function embeddedFindings(setup: Setup, storePath: string): Promise<readonly Finding[]> {
  const running = runningGateway(storePath);
  if (running !== null) return askStore(new Client(httpSend(running.adminUrl), findToken(setup)), setup);
  if (!existsSync(storePath)) return [placeFinding('store', storePath)];
  const { openOffline } = await import('./offline.ts');
  await using offline = await openOffline(setup);
  return await askStore(offline.client, setup);
}

function memoryFinding(): Finding {
  const text = 'in memory: nothing survives the process';
  return { check: 'durability', state: 'warn', text, action: 'Set store to sqlite:PATH.' };
}

async function askStore(client: Client, setup: Setup): Promise<readonly Finding[]> {
  const { store } = await client.get<{ store: StoreReport | null }>('/api/queues/info');
  if (store === null) return [{ check: 'store', state: 'fail', text: 'The gateway has no store.' }];
  const opened: Finding = { check: 'store', state: 'ok', text: storeText(store, setup.storePath ?? '') };
  return [opened, durabilityFinding(store, true, 'Set durability to full.'), ...(await checkNewest(client))];
}

/** A shared store is asked itself, whoever uses it; nothing is made or changed there. */
async function sharedFindings({ settings, directory }: Setup): Promise<readonly Finding[]> {
  const ids = new IdMaker({ now: () => Date.now(), fill: (bytes) => void randomFillSync(bytes) });
  const { work } = await makeStore(settings, directory, { clock: systemClock, ids });
  const report = work.inspect === undefined ? await work.open() : await work.inspect();
  const place = String(redactedSettings(settings)['store']);
  const allowed = settings.allowWeakerDurability;
  const action = allowed ? 'Correct what is named.' : 'Correct it, or set HOLDFAST_ALLOW_WEAKER_DURABILITY=true.';
  return [
    { check: 'store', state: 'ok', text: storeText(report, place) },
    durabilityFinding(report, allowed, action),
    ...rightsFindings(report),
    clocksFinding(report.clockAheadMs ?? 0),
  ];
}

function storeText({ driver, version, format, settings }: StoreReport, place: string): string {
  const shown = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  const made = format === 0 ? 'empty: what it needs is made at first start' : `format ${format}`;
  return `${driver} ${version ?? ''} ${place}, ${made} (${shown.join(', ')})`;
}

function durabilityFinding({ ackMeaning, weaker }: StoreReport, allowed: boolean, action: string): Finding {
  if (weaker.length === 0) return { check: 'durability', state: 'ok', text: ackMeaning };
  const text = `${ackMeaning} Weaker than promised: ${weaker.join(', ')}`;
  return { check: 'durability', state: allowed ? 'warn' : 'fail', text, action };
}

function rightsFindings({ lacking }: StoreReport): readonly Finding[] {
  if (lacking.length === 0) return [{ check: 'rights', state: 'ok', text: 'the user of the store has what it needs' }];
  const action = 'Grant it, or connect as the user that made the store.';
  return lacking.map((text): Finding => ({ check: 'rights', state: 'fail', text, action }));
}

function clocksFinding(aheadMs: number): Finding {
  const apart = Math.abs(aheadMs);
  const text = `the store's clock is ${apart} ms ${aheadMs < 0 ? 'behind' : 'ahead of'} this machine's`;
  if (apart <= APART_MS_MAX) return { check: 'clock', state: 'ok', text };
  const action = 'Set the clocks (NTP): leases and schedules go by the store, signatures with a time by this machine.';
  return { check: 'clock', state: 'warn', text, action };
}

export function checkClock(now: number): readonly Finding[] {
  const text = new Date(now).toISOString();
  if (now >= WRITTEN_AT) return [{ check: 'clock', state: 'ok', text }];
  const action = 'Set the clock: signatures with a time are refused, and schedules are wrong.';
  return [{ check: 'clock', state: 'fail', text: `${text} cannot be right.`, action }];
}

/** A clock that went back shows in events from the future. */
async function checkNewest(client: Client): Promise<readonly Finding[]> {
  const [newest] = await client.list<{ receivedAt: string }>('/api/events', {}, 1);
  const aheadMs = newest === undefined ? 0 : Date.parse(newest.receivedAt) - Date.now();
  if (aheadMs <= AHEAD_MS_MAX) return [];
  const text = `The newest event is from the future, by ${formatDuration(aheadMs)}.`;
  return [{ check: 'clock', state: 'fail', text, action: 'Set the clock: it has gone back since.' }];
}
