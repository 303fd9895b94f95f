/**
 * The way of a request into the store, the same for every adapter. An adapter admits it by its head, reads its body and
 * hands it to `accept`; the order is fixed: path and method, size, headers, body, verify, read, route, commit, answer.
 * Nothing is parsed, and nothing touches the store, before it is verified.
 */
import type { StoredEvent } from '../core/event.ts';
import { type ErrorCode, HoldfastError } from '../errors.ts';
import type { Spooled } from '../store/spool.ts';
import type { AppendAnswer, NewEvent, StoredAnswer } from '../store/store.ts';
import type { HandshakeAnswer, Verdict } from '../verify/verifier.ts';
import { type IngestRequest, inputsOf, judge, makeEvents, SPLIT_MAX } from './events.ts';
import type { HeadProblem } from './head.ts';
import { Intake } from './intake.ts';
import type { IngestPorts } from './ports.ts';
import { TrustedProxies } from './proxies.ts';
import type { Rejection, RejectionStep } from './rejections.ts';
import { acceptedAllReply, acceptedReply, answerReply, makeReply, problemReply, type Reply } from './reply.ts';
import { Shares } from './shares.ts';
import { SyncWait } from './sync-wait.ts';
import { correlationOf } from './trace.ts';

/** A request on its way: where it belongs, what it is, and the time it is judged by. */
interface Visit {
  readonly intake: Intake;
  readonly request: IngestRequest;
  readonly now: number;
  /** A handshake that is also an event: what it is answered with once it is accepted. */
  readonly handshake: Reply | null;
  /** It came from the rejection log: refused again, it stays there and is not added anew. `null`: from a sender. */
  readonly again: Again | null;
}

/** Whether it was taken. A status does not tell: a provider's own answers, and a responder's, are as they like. */
interface Again {
  accepted: boolean;
}

/** Why a whole request was refused. */
interface Refusal {
  readonly step: RejectionStep;
  readonly code: ErrorCode;
  readonly reason: string;
  readonly detail?: string | undefined;
}

export class Acceptor {
  readonly ports: IngestPorts;
  readonly proxies: TrustedProxies;
  readonly intakes: readonly Intake[];
  readonly shares: Shares;
  readonly #byPath: ReadonlyMap<string, Intake>;
  readonly #byName: ReadonlyMap<string, Intake>;
  readonly #credentialsInPath: boolean;

  /** @throws HoldfastError config_invalid */
  constructor(ports: IngestPorts) {
    this.ports = ports;
    this.proxies = new TrustedProxies(ports.trustedProxies);
    this.shares = new Shares(ports.limits, ports.clock);
    this.intakes = ports.sources.map((source) => new Intake(source, ports.clock));
    this.#byPath = new Map(this.intakes.map((intake) => [intake.source.path, intake]));
    this.#credentialsInPath = ports.sources.some(({ verifier }) => verifier.credentialInPath === true);
    this.#byName = new Map(this.intakes.map((intake) => [intake.source.name, intake]));
  }

  /** Bytes of bodies held for requests that are not answered yet. */
  get heldBytes(): number {
    return this.shares.heldBytes;
  }

  /** The source with exactly this path, or with all but its last segment where that may be a credential. */
  find(path: string): Intake | undefined {
    const exact = this.#byPath.get(path);
    if (exact !== undefined || !this.#credentialsInPath) return exact;
    const above = this.#byPath.get(path.slice(0, path.lastIndexOf('/')) || '/');
    return above?.source.verifier.credentialInPath === true ? above : undefined;
  }

  named(name: string): Intake | undefined {
    return this.#byName.get(name);
  }

  /** Why a request is refused before its body is read; `null`: read it. */
  admit(intake: Intake, method: string, problem: HeadProblem | null): Reply | null {
    const { source, bucket } = intake;
    this.ports.observer.received(source.name);
    if (!source.methods.includes(method)) {
      return this.turnAway(intake, 'method_not_allowed', `Use ${intake.allow}.`);
    }
    if (problem !== null) return this.turnAway(intake, problem.code, problem.detail);
    const gate = this.ports.gate();
    if (gate !== 'open') return this.turnAway(intake, gate);
    // Only what was verified takes tokens, so nobody else can use up a source's rate.
    const waitMs = bucket?.waitMs(1) ?? 0;
    return waitMs > 0 ? this.#rateLimited(intake, waitMs) : null;
  }

  /** The answer to a request that is refused before it is whole. */
  turnAway(intake: Intake, code: ErrorCode, detail?: string): Reply {
    this.ports.observer.rejected(intake.source.name, 'limits', code);
    const later = code === 'overloaded' || code === 'address_overloaded';
    const status = later ? intake.source.verifier.defaults.retryLaterStatus : undefined;
    const headers = code === 'method_not_allowed' ? ['Allow', intake.allow] : undefined;
    return problemReply(code, { detail, status, headers });
  }

  /** Takes a whole request: verifies it, commits what it brings, and says how to answer. Never throws. */
  accept(intake: Intake, request: IngestRequest): Reply | Promise<Reply> {
    const visit: Visit = { intake, request, now: this.ports.clock.now(), handshake: null, again: null };
    return this.#enter(visit);
  }

  /** Takes a request from the rejection log, judged by the time it came. Whether it was accepted. Never throws. */
  async acceptAgain(intake: Intake, request: IngestRequest, receivedAt: number): Promise<boolean> {
    const again: Again = { accepted: false };
    await this.#enter({ intake, request, now: receivedAt, handshake: null, again });
    return again.accepted;
  }

  #enter(visit: Visit): Reply | Promise<Reply> {
    const { handshake } = visit.intake.source.verifier;
    if (handshake?.unsigned === true) return this.#withHandshake(visit, (next) => this.#verify(next));
    return this.#verify(visit);
  }

  /** Answers a handshake; else, or where it is also an event, goes on. */
  async #withHandshake(visit: Visit, goOn: (visit: Visit) => Reply | Promise<Reply>): Promise<Reply> {
    let answer: HandshakeAnswer | null;
    let reply: Reply | null;
    try {
      answer = (await visit.intake.source.verifier.handshake?.answer(visit.request, visit.now)) ?? null;
      reply = answer === null ? null : answerReply(answer);
    } catch (error) {
      return this.#failed(visit, 'handshake', error);
    }
    if (reply === null) return goOn(visit);
    if (answer?.forward === true) return goOn({ ...visit, handshake: reply });
    if (visit.again !== null) visit.again.accepted = reply.status < 400;
    return reply;
  }

  #verify(visit: Visit): Reply | Promise<Reply> {
    const { verifier } = visit.intake.source;
    try {
      const verdict = verifier.verify(visit.request, visit.now);
      if (!(verdict instanceof Promise)) return this.#judged(visit, verdict);
      return verdict
        .then((late) => this.#judged(visit, late))
        .catch((error: unknown) => this.#failed(visit, 'verify', error));
    } catch (error) {
      return this.#failed(visit, 'verify', error);
    }
  }

  #judged(visit: Visit, verdict: Verdict): Reply | Promise<Reply> {
    const { intake } = visit;
    // `ok` and nothing else: whatever a verifier gives back by mistake is no proof.
    // oxlint-disable-next-line typescript/no-unnecessary-boolean-literal-compare -- its type is only a promise of others
    if (verdict.ok !== true) return this.#notVerified(visit, verdict);
    if (intake.bucket !== null && visit.again === null && !intake.bucket.take(1)) {
      return this.#rateLimited(intake, intake.bucket.waitMs(1));
    }
    if (intake.source.verifier.handshake?.unsigned === false) {
      return this.#withHandshake(visit, (next) => this.#take(next));
    }
    return this.#take(visit);
  }

  #rateLimited(intake: Intake, waitMs: number): Reply {
    this.ports.observer.rejected(intake.source.name, 'limits', 'rate_limited');
    const status = intake.source.verifier.defaults.retryLaterStatus;
    return problemReply('rate_limited', { status, retryAfterS: waitMs / 1000 });
  }

  #notVerified(visit: Visit, verdict: Extract<Verdict, { ok: false }>): Reply {
    const { source, rejectAnswer } = visit.intake;
    const { reason, detail } = verdict;
    const correlationId = this.#reject(visit, { step: 'verify', code: 'not_verified', reason, detail });
    // Not the sender's fault, and it can pass by itself.
    if (reason === 'certificate_unavailable') return problemReply('not_verified', { status: 503, correlationId });
    if (rejectAnswer !== null) return rejectAnswer;
    const scheme =
      source.verifier.name === 'basic' ? 'Basic' : source.verifier.name === 'bearer' ? 'Bearer' : 'Webhook';
    return problemReply('not_verified', {
      detail: `Check the secret of source '${source.name}'; \`holdfast simulate ${source.name}\` sends a correctly signed request.`,
      correlationId,
      headers: ['WWW-Authenticate', `${scheme} realm="${source.name}"`],
    });
  }

  /** Reads, routes, commits and answers what has been verified. */
  async #take(visit: Visit): Promise<Reply> {
    const { intake, request } = visit;
    const { schema } = intake.source;
    try {
      const inputs = inputsOf(intake, request);
      if (typeof inputs === 'string') return this.#notEvents(visit, inputs);
      const unfit = schema === null ? null : await judge(schema, inputs);
      const { ids } = this.ports;
      const events = makeEvents(visit, inputs, { ids, receivedAt: visit.now, unfit });
      // Nobody waits for what a responder says to a request of the rejection log.
      if (intake.source.mode === 'sync' && visit.again === null) return await this.#commitSync(visit, events);
      const rows = this.#rows(intake, events);
      if (rows.length === 0) return this.#answer(visit, []);
      return this.#answered(visit, events, await this.ports.append({ events: rows }));
    } catch (error) {
      return this.#failed(visit, 'commit', error);
    }
  }

  #rows({ source }: Intake, events: readonly StoredEvent[]): NewEvent[] {
    const { dedupeWindowMs, routeUnfit } = source;
    const rows: NewEvent[] = [];
    try {
      for (const event of events) {
        const deliveries = event.unfit === null || routeUnfit ? this.ports.route(event) : [];
        rows.push({ event, dedupeWindowMs, deliveries });
      }
    } catch (error) {
      this.ports.withdraw(rows);
      throw error;
    }
    return rows;
  }

  #answered(visit: Visit, events: readonly StoredEvent[], answer: AppendAnswer | Spooled): Reply {
    if (answer.status === 'spooled') {
      return this.#answer(
        visit,
        events.map(({ id }) => id),
      );
    }
    if (answer.status === 'committed')
      return this.#answer(
        visit,
        answer.events.map(({ eventId }) => eventId),
      );
    const code = answer.reason === 'too_large' ? 'body_too_large' : 'internal';
    const correlationId = this.#reject(visit, { step: 'commit', code, reason: answer.reason });
    return problemReply(code, { correlationId });
  }

  /** Of what was accepted. A duplicate is answered like the first: by the same id. */
  #answer({ intake, handshake, again }: Visit, eventIds: readonly string[]): Reply {
    if (again !== null) again.accepted = true;
    if (handshake !== null) return handshake;
    if (intake.answer !== null) return intake.answer;
    const [only] = eventIds;
    return intake.split === null && only !== undefined ? acceptedReply(only) : acceptedAllReply(eventIds);
  }

  // --------------------------------------------------------------------------------------------------------- sync

  /** Commits, then waits within the deadline for what the responders answer; the default answer without one. */
  async #commitSync(visit: Visit, events: readonly StoredEvent[]): Promise<Reply> {
    const rows = this.#rows(visit.intake, events);
    if (rows.length === 0) return this.#answer(visit, []);
    const wait = new SyncWait(this.ports, visit.intake.source, rows);
    let settled: AppendAnswer | Spooled;
    try {
      settled = await this.ports.append({ events: rows });
    } catch (error) {
      wait.cancel();
      throw error;
    }
    // Spooled: delivered when it is in the store, and the default answer now.
    if (settled.status !== 'committed') {
      wait.cancel();
      return this.#answered(visit, events, settled);
    }
    const answer = await wait.answer(settled.events);
    return (answer === null ? null : storedReply(answer)) ?? this.#answered(visit, events, settled);
  }

  // ------------------------------------------------------------------------------------------------------ refusals

  #notEvents(visit: Visit, code: 'split_not_array' | 'body_too_large'): Reply {
    const detail = code === 'body_too_large' ? `More than ${SPLIT_MAX} elements.` : undefined;
    return problemReply(code, {
      detail,
      correlationId: this.#reject(visit, { step: 'read', code, reason: code, detail }),
    });
  }

  /** Something threw: our own state (503, the sender tries again), or a defect (500, kept whole in the log). */
  #failed(visit: Visit, step: RejectionStep, error: unknown): Reply {
    const { observer } = this.ports;
    if (error instanceof HoldfastError && error.retryable && error.code !== 'internal') {
      observer.rejected(visit.intake.source.name, step, error.code);
      const correlationId = correlationOf(visit.request.headers) ?? undefined;
      return problemReply(error.code, { detail: error.detail, retryAfterS: error.retryAfterS, correlationId });
    }
    const detail = error instanceof Error ? error.message : String(error);
    const correlationId = this.#reject(visit, {
      step,
      code: 'internal',
      reason: 'internal',
      detail: detail.slice(0, 1000),
    });
    observer.note('error', 'ingest failed', { source: visit.intake.source.name, step, correlationId, error: detail });
    return problemReply('internal', { correlationId });
  }

  /** Keeps a refused request, and gives the id it is talked about by. */
  #reject({ intake, request, now, again }: Visit, refusal: Refusal): string {
    const { observer, ids, rejections } = this.ports;
    observer.rejected(intake.source.name, refusal.step, refusal.reason);
    const id = ids.make('rej');
    const correlationId = correlationOf(request.headers) ?? id;
    if (again !== null) return correlationId;
    const { method, url, body, remoteAddress } = request;
    const mark = url.indexOf('?');
    const rejection: Rejection = {
      id,
      source: intake.source.name,
      receivedAt: now,
      method,
      path: intake.redactPath(mark < 0 ? url : url.slice(0, mark)),
      query: intake.redactQuery(mark < 0 ? '' : url.slice(mark + 1)),
      headers: intake.redactHeaders(request.headers),
      body,
      remoteAddress,
      step: refusal.step,
      code: refusal.code,
      reason: refusal.reason,
      detail: refusal.detail ?? null,
      correlationId,
      verifiable: !intake.provesByCredential,
    };
    rejections.add(rejection);
    return correlationId;
  }
}

/** A responder's answer as it goes out; `null` where HTTP has no such status. */
function storedReply({ status, headers, body }: StoredAnswer): Reply | null {
  if (!Number.isInteger(status) || status < 200 || status > 599) return null;
  return makeReply(status, headers.flat(), body);
}
