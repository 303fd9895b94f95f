import { formatBytes, formatDuration } from '../../core/duration.ts';
import { defineCommand, gatewayOptions, jsonOption } from '../command.ts';
import { withReader } from '../connect.ts';
import { type Output, plain } from '../output.ts';
import { amount, stateText } from '../text.ts';

/** What is shown of `GET /api/queues/stats`. */
interface Stats {
  readonly destinations: readonly {
    readonly name: string;
    readonly status: string;
    readonly breaker: string;
    readonly size: number;
    readonly processed: number;
    readonly failed: number;
    readonly deadLetters: number;
    readonly processedPerS: number;
    readonly oldestReadyAgeMs: number | null;
  }[];
  readonly sources: readonly { readonly name: string; readonly accepted: number; readonly duplicates: number }[];
  readonly events: number;
  readonly bytesOnDisk: number;
}

/** What is shown of `GET /ready`. */
interface Ready {
  readonly ackMeaning?: string | null;
  readonly weaker?: readonly string[];
}

/** What is shown of `GET /api/processes`. */
interface Processes {
  readonly releases: readonly string[];
  readonly rows: readonly {
    readonly host: string;
    readonly pid: number;
    readonly role: string;
    readonly release: string;
    readonly ageMs: number;
    readonly seenMsAgo: number;
  }[];
}

export const status = defineCommand({
  name: 'status',
  summary: 'Shows what an acknowledgement means, the processes, the sources, and the figures of each destination.',
  options: { json: jsonOption, ...gatewayOptions },
  examples: ['holdfast status', 'holdfast status --json'],
  run: (invocation) =>
    withReader(invocation, async ({ client, address }) => {
      const { out, options } = invocation;
      const stats = await client.get<Stats>('/api/queues/stats');
      const { store } = await client.get<{ store: Ready | null }>('/api/queues/info');
      const processes = await client.get<Processes>('/api/processes');
      if (options.json)
        out.json({
          gateway: address === null ? null : { url: address.url, adminUrl: address.adminUrl },
          store,
          processes: processes.rows,
          ...stats,
        });
      else {
        showStatus(out, stats, store);
        showProcesses(out, processes);
      }
      return 0;
    }),
});

function showStatus(out: Output, stats: Stats, store: Ready | null): void {
  if (typeof store?.ackMeaning === 'string') out.line(`A 2xx means: ${store.ackMeaning}`);
  for (const text of store?.weaker ?? []) out.line(out.paint('yellow', `Weaker than promised: ${plain(text)}`));
  out.line(`${amount(stats.events, 'event')} kept, ${formatBytes(stats.bytesOnDisk)} on disk`);
  out.line();
  if (stats.sources.length > 0) {
    const rows = stats.sources.map(({ name, accepted, duplicates }) => [
      plain(name),
      String(accepted),
      String(duplicates),
    ]);
    out.table(['SOURCE', 'ACCEPTED', 'DUPLICATES'], rows);
    out.line();
  }
  out.table(
    ['DESTINATION', 'STATE', 'BREAKER', 'OPEN', 'PROCESSED', 'FAILED TRIES', 'DEAD', 'PER S', 'OLDEST READY'],
    stats.destinations.map((row) => [
      plain(row.name),
      stateText(out, row.status),
      stateText(out, row.breaker),
      String(row.size),
      String(row.processed),
      String(row.failed),
      row.deadLetters === 0 ? '0' : out.paint('red', String(row.deadLetters)),
      row.processedPerS.toFixed(1),
      row.oldestReadyAgeMs === null ? '-' : formatDuration(row.oldestReadyAgeMs),
    ]),
  );
}

/** One process alone is no news. */
function showProcesses(out: Output, { releases, rows }: Processes): void {
  if (rows.length < 2) return;
  out.line();
  out.table(
    ['PROCESS', 'ROLE', 'RELEASE', 'AGE', 'SEEN'],
    rows.map(({ host, pid, role, release, ageMs, seenMsAgo }) => [
      plain(`${host}:${pid}`),
      plain(role),
      plain(release),
      formatDuration(ageMs),
      `${formatDuration(seenMsAgo)} ago`,
    ]),
  );
  if (releases.length > 1)
    out.line(out.paint('yellow', `Different releases work side by side: ${releases.map(plain).join(', ')}.`));
}
