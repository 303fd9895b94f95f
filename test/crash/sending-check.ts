/**
 * The checker of sending. It knows what the clients were told, what the receivers saw and answered, what the API said was
 * done, and what the store says in the end.
 */
import { isAck, type Sent } from './client.ts';
import type { Received } from './receiver.ts';
import type { Stored, StoredDelivery } from './stored.ts';
import type { Plan } from './wire.ts';

export type SendingRule =
  /** An acknowledged event is not stored, or an endpoint that should get it is owed nothing. */
  | 'lost'
  /** A delivery has not ended, though everything had time to. */
  | 'open'
  /** The store says that it was sent, and the receiver never answered so. */
  | 'unsent'
  /** A dead letter that nothing led to. */
  | 'reason'
  /** More than one delivery of an event to an endpoint. */
  | 'twice'
  /** Sent again although it was known to have ended, or although no process was killed in between. */
  | 'repeated'
  /** Another webhook-id than that of the event. */
  | 'id'
  /** Other bytes than came in, or a signature that does not verify. */
  | 'bytes'
  /** A request for an event or endpoint that there is none of. */
  | 'phantom'
  /** Requests of one order key in another order than the events were committed in. */
  | 'order'
  /** The store does not open, or is damaged. */
  | 'integrity';

export interface SendingBreach {
  readonly rule: SendingRule;
  readonly text: string;
}

/** An endpoint whose maker was told that it exists. */
export interface Known {
  readonly destination: string;
  readonly path: string;
  readonly plans: ReadonlySet<Plan>;
  readonly ordered: boolean;
}

export interface SendingEvidence {
  readonly sent: readonly Sent[];
  readonly got: readonly Received[];
  readonly stored: Stored;
  readonly endpoints: readonly Known[];
  /** What the API showed as ended, and when by the clock of the test: destination and event id, with a space between. */
  readonly ended: ReadonlyMap<string, number>;
  /** Paths of endpoints whose maker was never answered: they may exist. */
  readonly unknownPaths: ReadonlySet<string>;
}

export interface SendingVerdict {
  readonly breaches: readonly SendingBreach[];
  /** Deliveries that were answered finally more than once. */
  readonly duplicates: number;
  readonly summary: string;
}

type Report = (rule: SendingRule, text: string) => void;

export function checkSending(evidence: SendingEvidence): SendingVerdict {
  const breaches: SendingBreach[] = [];
  const breach: Report = (rule, text) => void breaches.push({ rule, text });
  const { sent, got, stored } = evidence;
  for (const problem of stored.problems) breach('integrity', problem);
  const requests = Map.groupBy(got, ({ path, key }) => `${path} ${key}`);
  checkOwed(evidence, requests, breach);
  checkRequests(evidence, breach);
  const duplicates = checkRepeats(evidence, requests, breach);
  checkOrder(evidence, breach);
  const states = Object.groupBy(stored.deliveries, ({ state, reason }) => reason ?? state);
  const ended = Object.entries(states).map(([state, all]) => `${state} ${all?.length ?? 0}`);
  const summary =
    `webhooks ${sent.length}, acknowledged ${sent.filter(({ tries }) => tries.some(isAck)).length}; ` +
    `deliveries: ${ended.join(', ')}; requests ${got.length}, duplicates ${duplicates}`;
  return { breaches, duplicates, summary };
}

type Requests = ReadonlyMap<string, readonly Received[]>;

function checkOwed({ sent, stored, endpoints }: SendingEvidence, requests: Requests, breach: Report): void {
  const byKey = new Map(stored.events.map((event) => [event.key, event]));
  const owed = Map.groupBy(stored.deliveries, ({ eventId, destination }) => `${destination} ${eventId}`);
  for (const { key, plan, tries } of sent) {
    const event = byKey.get(key);
    const ids = new Set(tries.filter(isAck).map(({ id }) => id));
    if (ids.size > 0 && event === undefined) breach('lost', `${key} was acknowledged and is not stored`);
    if (event === undefined) continue;
    for (const endpoint of endpoints.filter(({ plans }) => plans.has(plan))) {
      const [delivery, ...more] = owed.get(`${endpoint.destination} ${event.id}`) ?? [];
      if (delivery === undefined) breach('lost', `${key} owes nothing to ${endpoint.path}`);
      else checkDelivery({ delivery, plan, requests: requests.get(`${endpoint.path} ${key}`) ?? [] }, breach);
      if (more.length > 0) breach('twice', `${key} owes ${endpoint.path} ${more.length + 1} deliveries`);
    }
  }
  for (const { state, destination, eventId } of stored.deliveries) {
    if (state !== 'succeeded' && state !== 'dead') breach('open', `${eventId} for ${destination} is ${state}`);
  }
}

function checkDelivery(
  { delivery, plan, requests }: { delivery: StoredDelivery; plan: Plan; requests: readonly Received[] },
  breach: Report,
): void {
  const { state, reason, destination, eventId } = delivery;
  const wanted = plan === 'reject' ? 400 : 204;
  const named = `${eventId} (${plan}) for ${destination}`;
  if (state === 'dead' && reason !== 'rejected') breach('reason', `${named} is dead of ${reason}`);
  if (state === 'dead' && plan !== 'reject') breach('reason', `${named} was rejected by nobody`);
  if (!requests.some(({ status }) => status === wanted)) {
    const seen = requests.map(({ status }) => status ?? 'cut').join(', ');
    breach('unsent', `${named} is ${state}; the receiver answered ${seen || 'nothing'}`);
  }
}

function checkRequests({ sent, got, stored, endpoints, unknownPaths }: SendingEvidence, breach: Report): void {
  const events = new Map(stored.events.map((event) => [event.key, event]));
  const shas = new Map(sent.map(({ key, sha }) => [key, sha]));
  const paths = new Set(endpoints.map(({ path }) => path));
  for (const { path, key, webhookId, sha, signed } of got) {
    const event = events.get(key);
    if (event === undefined || !(paths.has(path) || unknownPaths.has(path))) breach('phantom', `${key} at ${path}`);
    if (event !== undefined && webhookId !== event.id) breach('id', `${key} at ${path} as ${webhookId}`);
    if (shas.get(key) !== sha) breach('bytes', `${key} at ${path} has other bytes`);
    if (!signed) breach('bytes', `${key} at ${path} is not signed with the secret that was given`);
  }
}

/** A final answer may be followed by another request only where a kill came before its outcome was committed. */
function checkRepeats({ ended, endpoints }: SendingEvidence, requests: Requests, breach: Report): number {
  const destinations = new Map(endpoints.map(({ path, destination }) => [path, destination]));
  let duplicates = 0;
  for (const [name, all] of requests) {
    for (const [index, { path, webhookId, run, at }] of all.entries()) {
      const known = ended.get(`${destinations.get(path)} ${webhookId}`);
      if (known !== undefined && at > known) breach('repeated', `${name} was sent again after it had ended`);
      const before = all.slice(0, index).findLast(({ status }) => status !== null && status !== 500);
      if (before === undefined) continue;
      duplicates++;
      if (before.run === run) breach('repeated', `${name} was sent again in start ${run}, without a kill`);
    }
  }
  return duplicates;
}

function checkOrder({ got, stored, endpoints }: SendingEvidence, breach: Report): void {
  const place = new Map(stored.events.map(({ id }, index) => [id, index]));
  const ordered = new Set(endpoints.filter((endpoint) => endpoint.ordered).map(({ path }) => path));
  const inTurn = got.filter(({ path, order }) => order !== null && ordered.has(path));
  for (const [name, all] of Map.groupBy(inTurn, ({ path, order }) => `${path} ${order}`)) {
    let last = -1;
    for (const { webhookId, key } of all) {
      const at = place.get(webhookId) ?? -1;
      if (at < last) breach('order', `${name}: ${key} after a later one`);
      last = Math.max(last, at);
    }
  }
}

/** The breaches as a text. */
export function explainSending({ breaches, summary }: SendingVerdict): string {
  const shown = breaches.slice(0, 10).map(({ rule, text }) => `  ${rule}: ${text}`);
  return [`${breaches.length} breaches; ${summary}`, ...shown].join('\n');
}
