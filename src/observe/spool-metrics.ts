/** The metrics of a gateway's spool. Without a spool they have no samples. */

/** What a scrape reads of the spool. */
export interface SpoolFigures {
  readonly events: number;
  readonly bytes: number;
  readonly aside: number;
  readonly oldestAt: number | null;
  readonly totals: { readonly spooled: number; readonly drained: number; readonly aliases: number };
}

export const spoolMetricTable = {
  webhook_spool_events: ['gauge', '', 'Events in the spool that wait for the store.'],
  webhook_spool_bytes: ['gauge', '', 'Bytes in the spool.'],
  webhook_spool_oldest_seconds: ['gauge', '', 'Age of the oldest event in the spool that waits for the store.'],
  webhook_spool_aside: ['gauge', '', 'Appends in the spool that the store refused.'],
  webhook_spooled_total: ['counter', '', 'Events that were acknowledged from the spool.'],
  webhook_spool_drained_total: ['counter', '', 'Events moved from the spool into the store.'],
  webhook_spool_aliases_total: ['counter', '', 'Of these: repeats of an event that was in the store by then.'],
} as const;

type Samples = () => { readonly labels: Record<string, never>; readonly value: number }[];

/** Where each is read from. */
export function spoolReads(
  spool: () => SpoolFigures | null,
  now: () => number,
): Readonly<Record<keyof typeof spoolMetricTable, Samples>> {
  const read =
    (value: (figures: SpoolFigures) => number): Samples =>
    () => {
      const figures = spool();
      return figures === null ? [] : [{ labels: {}, value: value(figures) }];
    };
  return {
    webhook_spool_events: read(({ events }) => events),
    webhook_spool_bytes: read(({ bytes }) => bytes),
    webhook_spool_oldest_seconds: read(({ oldestAt }) =>
      oldestAt === null ? 0 : Math.max(0, now() - oldestAt) / 1000,
    ),
    webhook_spool_aside: read(({ aside }) => aside),
    webhook_spooled_total: read(({ totals }) => totals.spooled),
    webhook_spool_drained_total: read(({ totals }) => totals.drained),
    webhook_spool_aliases_total: read(({ totals }) => totals.aliases),
  };
}
