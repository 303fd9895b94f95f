/** What `doctor` says of the spool: whether it can be used, and whether something waits in it. */
import { existsSync, statSync } from 'node:fs';
import { formatBytes, formatDuration } from '../core/duration.ts';
import { HoldfastError } from '../errors.ts';
import { spoolPath } from '../gateway/spooling.ts';
import type { Check } from './checks.ts';
import { type Finding, placeFinding } from './finding.ts';
import type { SpoolDetail } from './spool.ts';

const OTHERS = 0o077;

export const checkSpool: Check = async (setup, surroundings) => {
  const { settings, directory } = setup;
  if (settings.spool === null) return [];
  try {
    const path = spoolPath(settings.spool, directory);
    if (setup.storePath !== null || settings.store === 'memory:') return [unfit(settings.store)];
    if (!existsSync(path)) return [placeFinding('spool', path)];
    const { spoolStatus } = await import('./spool.ts');
    return [...modeOf(path), ...findings(path, await spoolStatus(setup, surroundings, {}))];
  } catch (error) {
    return [problem(error)];
  }
};

function unfit(store: string): Finding {
  const text = `not with the store ${store.slice(0, store.indexOf(':') + 1)}`;
  return { check: 'spool', state: 'fail', text, action: 'Leave spool out: that store is away only with its gateway.' };
}

function modeOf(path: string): readonly Finding[] {
  if (process.platform === 'win32' || (statSync(path).mode & OTHERS) === 0) return [];
  return [{ check: 'files', state: 'warn', text: `${path} can be read by others`, action: `chmod 600 ${path}` }];
}

function findings(
  path: string,
  { events, bytes, bytesMax, oldestAt, aside, refuses }: SpoolDetail,
): readonly Finding[] {
  const found: Finding[] = [];
  if (events === 0) found.push({ check: 'spool', state: 'ok', text: `${path}, empty, up to ${formatBytes(bytesMax)}` });
  else {
    const age = oldestAt === null ? '' : `, the oldest for ${formatDuration(Date.now() - Date.parse(oldestAt))}`;
    const text = `${events} events (${formatBytes(bytes)}) are in no store yet${age}`;
    const action = 'Bring the store back. If no gateway runs on this spool any more: holdfast spool drain.';
    found.push({ check: 'spool', state: refuses === null ? 'warn' : 'fail', text, action });
  }
  if (aside > 0) {
    const text = `${aside} requests were acknowledged and are refused by the store`;
    found.push({ check: 'spool', state: 'fail', text, action: 'See holdfast spool status.' });
  }
  return found;
}

function problem(error: unknown): Finding {
  // Its gateway runs, and cannot be asked from here.
  if (error instanceof HoldfastError && ['gateway_unreachable', 'unauthorized', 'store_owned'].includes(error.code))
    return { check: 'spool', state: 'ok', text: 'a process owns it; its gateway says more: holdfast spool status' };
  if (error instanceof HoldfastError)
    return { check: 'spool', state: 'fail', text: `${error.message} [${error.code}]`, action: error.action };
  return { check: 'spool', state: 'fail', text: error instanceof Error ? error.message : String(error) };
}
