/**
 * The checker. It knows three things: what the clients were told, what the handlers say they did, and what the store says
 * in the end. It compares them by the rules of a gateway that loses nothing, and says of each breach which rule it broke.
 */
import type { LogLine } from './wire.ts';
import type { Sent } from './client.ts';
import { isAck } from './client.ts';
import type { Stored, StoredDelivery, StoredEventRow } from './stored.ts';

export type Rule =
  /** An acknowledged event is not in the store. */
  | 'lost'
  /** A delivery has not ended, though everything had time to. */
  | 'open'
  /** The store says that a handler ended it, and no handler says so. */
  | 'unprocessed'
  /** A dead letter without a reason, or with one that nothing led to. */
  | 'reason'
  /** An event that nobody sent, or that a handler saw and the store does not have. */
  | 'phantom'
  /** Other bytes than those that were sent. */
  | 'bytes'
  /** Two events of one dedupe key, two answers to it, or two deliveries to one destination. */
  | 'twice'
  /** A handler ended the same delivery twice without a fault in between. */
  | 'repeated'
  /** Events of one order key were handled in another order than they were committed in. */
  | 'order'
  /** The outcome that counts is not that of the newest claim. */
  | 'stale'
  /** More attempts are counted than handlers began. */
  | 'counted'
  /** The store does not open, or is damaged. */
  | 'integrity';

export interface Breach {
  readonly rule: Rule;
  readonly text: string;
}

export interface Evidence {
  readonly sent: readonly Sent[];
  readonly log: readonly LogLine[];
  readonly stored: Stored;
  /** Every destination an event is owed to. */
  readonly destinations: readonly string[];
  /** Starts of the gateway that ended gracefully: nothing is done twice after them. */
  readonly cleanRuns?: ReadonlySet<number>;
  /** Leases ended while handlers ran: then a delivery may be handled twice in one start. */
  readonly leasesEnd?: boolean;
}

export interface Verdict {
  readonly breaches: readonly Breach[];
  /** The sets of the claim, in one line for people. */
  readonly summary: string;
  /** Invocations beyond the first that ended well, of how many deliveries. */
  readonly duplicates: number;
  /** Stored events whose sender was never told. */
  readonly ghosts: number;
  readonly acked: number;
}

const SHOWN = 10;

export function check(evidence: Evidence): Verdict {
  const breaches: Breach[] = [];
  const breach = (rule: Rule, text: string): void => void breaches.push({ rule, text });
  const facts = factsOf(evidence);
  for (const problem of evidence.stored.problems) breach('integrity', problem);
  checkEvents(facts, breach);
  checkDeliveries(facts, breach);
  const duplicates = checkRepeats(facts, breach);
  checkOrder(facts, breach);
  return {
    breaches,
    duplicates,
    ghosts: ghostsOf(facts),
    acked: facts.acked.length,
    summary: summaryOf(facts, duplicates),
  };
}

/** The breaches as a text that says how many of which, and shows some. */
export function explain({ breaches, summary }: Verdict): string {
  const counts = Object.entries(Object.groupBy(breaches, ({ rule }) => rule)).map(
    ([rule, all]) => `${rule} ${all.length}`,
  );
  const shown = breaches.slice(0, SHOWN).map(({ rule, text }) => `  ${rule}: ${text}`);
  return [`${breaches.length} breaches (${counts.join(', ')}); ${summary}`, ...shown].join('\n');
}

type Report = (rule: Rule, text: string) => void;

interface Facts extends Evidence {
  readonly acked: readonly Sent[];
  readonly byKey: ReadonlyMap<string, readonly StoredEventRow[]>;
  readonly events: ReadonlyMap<string, StoredEventRow>;
  readonly deliveriesOf: ReadonlyMap<string, readonly StoredDelivery[]>;
  readonly linesOf: ReadonlyMap<string, readonly LogLine[]>;
  readonly sentByKey: ReadonlyMap<string, Sent>;
}

function factsOf(evidence: Evidence): Facts {
  const { sent, log, stored } = evidence;
  return {
    ...evidence,
    acked: sent.filter(({ tries }) => tries.some(isAck)),
    byKey: Map.groupBy(stored.events, ({ key }) => key),
    events: new Map(stored.events.map((event) => [event.id, event])),
    deliveriesOf: Map.groupBy(stored.deliveries, ({ eventId }) => eventId),
    linesOf: Map.groupBy(log, ({ delivery }) => delivery),
    sentByKey: new Map(sent.map((one) => [one.key, one])),
  };
}

function checkEvents(facts: Facts, breach: Report): void {
  for (const { key, sha, tries } of facts.acked) {
    const ids = new Set(tries.filter(isAck).map(({ id }) => id));
    if (ids.size > 1) breach('twice', `${key} was acknowledged as ${[...ids].join(' and as ')}`);
    for (const id of ids) {
      const event = id === null ? undefined : facts.events.get(id);
      if (event === undefined) breach('lost', `${key} was acknowledged as ${id}, which is not in the store`);
      else if (event.sha !== sha) breach('bytes', `${key} is stored as other bytes than were sent`);
    }
  }
  for (const [key, events] of facts.byKey) {
    if (!facts.sentByKey.has(key)) breach('phantom', `${key} is in the store and was never sent`);
    if (events.length > 1) breach('twice', `${key} is stored ${events.length} times`);
  }
  for (const { event, key, sha } of facts.log) {
    const stored = facts.events.get(event);
    if (stored === undefined) breach('phantom', `a handler got ${event} (${key}), which is not in the store`);
    const sent = facts.sentByKey.get(key);
    if (sent !== undefined && sent.sha !== sha) breach('bytes', `a handler got ${key} as other bytes than were sent`);
  }
}

function checkDeliveries(facts: Facts, breach: Report): void {
  for (const event of facts.stored.events) {
    const deliveries = facts.deliveriesOf.get(event.id) ?? [];
    for (const destination of facts.destinations) {
      const owed = deliveries.filter((one) => one.destination === destination);
      if (owed.length === 0) breach('lost', `${event.key} owes nothing to ${destination}`);
      if (owed.length > 1) breach('twice', `${event.key} owes ${destination} ${owed.length} deliveries`);
    }
    for (const delivery of deliveries) checkDelivery(facts, { event, delivery }, breach);
  }
}

function checkDelivery(
  facts: Facts,
  { event, delivery }: { event: StoredEventRow; delivery: StoredDelivery },
  breach: Report,
): void {
  const { state, reason, attempts, destination } = delivery;
  const named = `${event.key} for ${destination}`;
  const lines = facts.linesOf.get(delivery.id) ?? [];
  const begun = lines.filter(({ ended }) => ended === null);
  if (attempts > begun.length) breach('counted', `${named} counts ${attempts} attempts, ${begun.length} began`);
  if (state === 'dead' && reason === 'crashed') {
    // Its handler took the process with it: nobody could write that down.
    if (begun.length === 0) breach('reason', `${named} is dead of crashes and never began`);
    return;
  }
  if (state === 'dead' && reason === null) breach('reason', `${named} is dead without a reason`);
  const wanted = state === 'dead' && reason === 'rejected' ? 'rejected' : state === 'dead' ? 'failed' : state;
  if (wanted !== 'succeeded' && wanted !== 'skipped' && wanted !== 'rejected' && wanted !== 'failed') {
    breach('open', `${named} is ${state}`);
    return;
  }
  if (!lines.some(({ ended }) => ended === wanted)) {
    breach('unprocessed', `${named} is ${state} in the store; of its handler there is ${describe(lines)}`);
    return;
  }
  const newest = begun.at(-1)?.invocation;
  const ending = lines.find(({ invocation, ended }) => invocation === newest && ended !== null)?.ended;
  if (ending !== wanted)
    breach('stale', `${named} is ${state}; its newest invocation ${newest} ended ${ending ?? 'never'}`);
}

function describe(lines: readonly LogLine[]): string {
  return lines.map(({ invocation, ended }) => `${invocation} ${ended ?? 'began'}`).join(', ') || 'no line';
}

/** A delivery may be handled again where a fault came between its end and the commit of its outcome, and only there. */
function checkRepeats(facts: Facts, breach: Report): number {
  let duplicates = 0;
  for (const [delivery, lines] of facts.linesOf) {
    const finals = lines.filter(({ ended }) => ended !== null && ended !== 'failed');
    for (let index = 1; index < finals.length; index++) {
      duplicates++;
      const before = finals[index - 1];
      const after = finals[index];
      if (before === undefined || after === undefined) continue;
      const clean = before.run === after.run ? facts.leasesEnd !== true : facts.cleanRuns?.has(before.run) === true;
      if (clean)
        breach('repeated', `${delivery} (${after.key}) ended in start ${before.run} and again in start ${after.run}`);
    }
  }
  return duplicates;
}

/** The handlers' log of a key, without repeats in a row, is the order in which the store committed its events. */
function checkOrder(facts: Facts, breach: Report): void {
  const committed = Map.groupBy(
    facts.stored.deliveries.filter(({ orderKey }) => orderKey !== null),
    ({ destination, orderKey }) => `${destination} ${orderKey}`,
  );
  for (const [name, deliveries] of committed) {
    const place = new Map(deliveries.map(({ id }, index) => [id, index]));
    let last = -1;
    for (const line of facts.log) {
      const at = place.get(line.delivery);
      if (at === undefined) continue;
      if (at < last) breach('order', `${name}: ${line.key} ${line.ended ?? 'began'} after a later one had begun`);
      last = Math.max(last, at);
    }
  }
  checkSequence(facts, breach);
}

/** Who was acknowledged before the next of its key was sent at all was committed before it. */
function checkSequence(facts: Facts, breach: Report): void {
  const place = new Map(facts.stored.events.map(({ key }, index) => [key, index]));
  const ordered = Map.groupBy(
    facts.acked.filter(({ order }) => order !== null),
    ({ order }) => order,
  );
  for (const [order, sent] of ordered) {
    const byEnd = sent.map((one) => ({
      key: one.key,
      from: one.tries[0]?.startedAt ?? 0,
      to: one.tries.at(-1)?.endedAt ?? 0,
    }));
    for (const later of byEnd) {
      const wrong = byEnd.find(
        (earlier) => earlier.to < later.from && (place.get(earlier.key) ?? 0) > (place.get(later.key) ?? 0),
      );
      if (wrong !== undefined)
        breach('order', `${order}: ${wrong.key} was acknowledged before ${later.key} was sent, and stored after it`);
    }
  }
}

function ghostsOf({ stored, acked }: Facts): number {
  const told = new Set(acked.map(({ key }) => key));
  return stored.events.filter(({ key }) => !told.has(key)).length;
}

function summaryOf(facts: Facts, duplicates: number): string {
  const { sent, acked, stored, log } = facts;
  const unknown = sent.filter(({ tries }) => tries.some(({ status, refused }) => status === 0 && !refused)).length;
  const repeated = sent.filter(({ tries }) => tries.length > 1).length;
  const states = Object.entries(
    Object.groupBy(stored.deliveries, ({ state, reason }) => (reason === null ? state : `${state}:${reason}`)),
  );
  const ended = states.map(([state, all]) => `${state} ${all?.length ?? 0}`).join(', ');
  return (
    `attempted ${sent.length}, acknowledged ${acked.length}, at some time unknown ${unknown}, sent again ${repeated}; ` +
    `stored ${stored.events.length} (never acknowledged ${ghostsOf(facts)}); deliveries: ${ended || 'none'}; ` +
    `handler invocations ${log.filter((line) => line.ended === null).length}, duplicates ${duplicates}`
  );
}
